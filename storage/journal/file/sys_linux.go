package file

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// syncData makes a file's bytes and size durable. An interrupted call is not
// repeated: only a first success proves anything.
func syncData(fd int) error { return unix.Fdatasync(fd) }

// reserve allocates blocks up to n without changing the size.
func reserve(fd int, n int64) error {
	for {
		err := unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, n)
		switch {
		case err == unix.EINTR:
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
		}
		return err
	}
}

// blockSize is the unit of a file system's block counts: the fragment size, which differs
// from the block size where that is what a transfer should have, as with FUSE.
func blockSize(st *unix.Statfs_t) int64 {
	if st.Frsize > 0 {
		return int64(st.Frsize)
	}
	return int64(st.Bsize)
}
