package broker

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
)

func TestReasonOfTheEnd(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{io.EOF, "client"},
		{io.ErrUnexpectedEOF, "half a request"},
		{errors.New("connection reset by peer"), "network"},
		{fmt.Errorf("produce with acks=0: %w", protocol.KafkaStorageError), "failed without an answer"},
		{fmt.Errorf("produce with acks=0: %w", protocol.Errorf(protocol.CorruptMessage, "checksum")), "failed without an answer"},
	} {
		if got := reasonOf(c.err); got != c.want {
			t.Errorf("%v is counted as %q, want %q", c.err, got, c.want)
		}
	}
}
