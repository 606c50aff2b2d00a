package file

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes everything on f's file system durable. sure is false where the
// system cannot promise that.
func syncAll(f *os.File) (sure bool, err error) {
	return true, unix.Syncfs(int(f.Fd()))
}
