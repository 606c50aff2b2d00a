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
