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
