package wire

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Redial is a connection that is made anew when it broke. A request is sent once: what
// became of it when no answer came is unknown. It is not safe for concurrent use.
type Redial struct {
	Addr, ClientID string
	Timeout        time.Duration // for one call; 30 s if zero
	conn           *Conn
}

// Fresh says that the next call will connect first.
func (r *Redial) Fresh() bool { return r.conn == nil }

// Close closes the connection if there is one. The next call opens another.
func (r *Redial) Close() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

// Call sends a request once, over a new connection if the last one broke, waiting for
// the broker to be there until ctx ends.
func (r *Redial) Call(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	const pause, dialTimeout = 3 * time.Millisecond, time.Second
	for r.conn == nil {
		var err error
		if r.conn, err = Dial(r.Addr, r.ClientID, dialTimeout); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
	timeout := r.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	resp, err := r.conn.Call(req, timeout)
	if err != nil {
		r.Close()
	}
	return resp, err
}

// Produce sends one batch and returns the offset of its first record.
func (r *Redial) Produce(ctx context.Context, topic string, partition int32, batch []byte) (int64, error) {
	const brokerTimeoutMillis = 20_000
	resp, err := r.Call(ctx, ProduceRequest(topic, brokerTimeoutMillis, map[int32][]byte{partition: batch}))
	if err != nil {
		return 0, err
	}
	answer := resp.(*kmsg.ProduceResponse)
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("answer for %d topics", len(answer.Topics))
	}
	p := answer.Topics[0].Partitions[0]
	return p.BaseOffset, kerr.ErrorForCode(p.ErrorCode)
}
