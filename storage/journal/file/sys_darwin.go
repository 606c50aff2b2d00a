package file

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// syncData makes a file's bytes durable. fsync on macOS leaves them in the drive's
// cache; F_FULLFSYNC does not.
func syncData(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_FULLFSYNC, 0)
	return err
}

// reserve allocates blocks up to n without changing the size.
func reserve(fd int, n int64) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	want := n - st.Blocks*512
	if want <= 0 {
		return nil
	}
	store := unix.Fstore_t{Flags: unix.F_ALLOCATEALL, Posmode: unix.F_PEOFPOSMODE, Length: want}
	err := unix.FcntlFstore(uintptr(fd), unix.F_PREALLOCATE, &store)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return err
}

// blockSize is the unit of a file system's block counts.
func blockSize(st *unix.Statfs_t) int64 { return int64(st.Bsize) }
