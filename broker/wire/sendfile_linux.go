package wire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const canSendfile = true

// sendfile moves n bytes at pos of the file to the socket and returns how many
// went; fewer only with an error or at the end of the file.
func sendfile(to syscall.RawConn, from uintptr, pos, n int64) (sent int64, err error) {
	werr := to.Write(func(fd uintptr) bool {
		for sent < n {
			off := pos + sent
			m, e := unix.Sendfile(int(fd), int(from), &off, int(n-sent))
			if m > 0 {
				sent += int64(m)
			}
			switch {
			case e == unix.EINTR:
			case e == unix.EAGAIN:
				return false
			case e != nil:
				err = e
				return true
			case m == 0:
				return true
			}
		}
		return true
	})
	if err == nil {
		err = werr
	}
	return sent, err
}
