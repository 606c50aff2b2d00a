package api

import (
	"context"
	"errors"

	"github.com/streamhouse/streamhouse/protocol"
)

// CodeOf returns the code that a client is shown for err, nil being none. What has no
// code of its own is UNKNOWN_SERVER_ERROR.
func CodeOf(err error) protocol.Code {
	switch e := err.(type) {
	case nil:
		return protocol.None
	case protocol.Code:
		return e
	case *protocol.Error:
		return e.Code
	}
	var code protocol.Code
	switch {
	case errors.As(err, &code):
		return code
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return protocol.RequestTimedOut
	}
	return protocol.UnknownServerError
}

// MessageOf returns what err says besides its code, or nil.
func MessageOf(err error) *string {
	var e *protocol.Error
	if errors.As(err, &e) {
		return &e.Message
	}
	return nil
}
