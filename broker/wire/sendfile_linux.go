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

// unconfirmed is how many bytes of what was written to a socket its peer has not
// acknowledged. What cannot be told is none.
func unconfirmed(conn syscall.RawConn) int64 {
	var n int
	err := conn.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err != nil {
		return 0
	}
	return int64(n)
}
