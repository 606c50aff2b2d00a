package file

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestFreeSpaceIsCountedInFragments: FUSE says how large a transfer should be in Bsize.
func TestFreeSpaceIsCountedInFragments(t *testing.T) {
	for _, c := range []struct{ bsize, frsize, want int64 }{{4096, 4096, 4096}, {1 << 20, 4096, 4096}, {4096, 0, 4096}} {
		if got := blockSize(&unix.Statfs_t{Bsize: c.bsize, Frsize: c.frsize}); got != c.want {
			t.Errorf("%+v: unit %d", c, got)
		}
	}
}
