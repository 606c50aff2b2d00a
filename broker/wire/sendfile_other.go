//go:build !linux

package wire

import (
	"errors"
	"syscall"
)

// Elsewhere sections of files are read and written.
const canSendfile = false

func sendfile(syscall.RawConn, uintptr, int64, int64) (int64, error) {
	return 0, errors.ErrUnsupported
}

// unconfirmed is not known here: what the system took counts as taken.
func unconfirmed(syscall.RawConn) int64 { return 0 }
