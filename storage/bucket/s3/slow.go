package s3

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// upload is the body of a put. It ends the attempt when the line takes nothing of it for
// IdleMax, and in any case when it has taken as long as RateMin allows: once the system
// has the last byte, how far it has come is not to be seen. So a slow line gets the time
// that it needs, and a dead one not much of it.
type upload struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
	idle   time.Duration
	hard   *time.Timer

	mu    sync.Mutex
	timer *time.Timer // nil once the body is through
	left  int64
}

// sending bounds one attempt to send a body of n bytes. The caller ends it.
func (b *Bucket) sending(ctx context.Context, body io.ReadCloser, n int64) (context.Context, *upload) {
	ctx, cancel := context.WithCancelCause(ctx)
	u := &upload{ReadCloser: body, cancel: cancel, idle: b.o.IdleMax, left: n}
	slow := func() { cancel(errSlow) }
	u.timer = time.AfterFunc(b.o.TimeBase, slow) // until the connection is there
	u.hard = time.AfterFunc(b.o.TimeBase+timeFor(n, b.o.RateMin), slow)
	return ctx, u
}

func (u *upload) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left -= int64(n)
	switch {
	case u.timer == nil:
	case u.left > 0 && err == nil:
		u.timer.Reset(u.idle)
	default:
		u.timer.Stop()
		u.timer = nil
	}
	return n, err
}

func (u *upload) end() {
	u.mu.Lock()
	if u.timer != nil {
		u.timer.Stop()
		u.timer = nil
	}
	u.mu.Unlock()
	u.hard.Stop()
	u.cancel(context.Canceled)
}

// dial connects. What lies in the system's buffers of a connection that is given up in the
// middle of a request is dropped with it: on a slow line it would go on for minutes and
// take the room of the next attempt.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		return &dropping{TCPConn: tcp}, nil
	}
	return c, nil
}

type dropping struct {
	*net.TCPConn
	asked atomic.Bool // something was sent, and nothing came since
}

func (c *dropping) Write(p []byte) (int, error) {
	c.asked.Store(true)
	return c.TCPConn.Write(p)
}

func (c *dropping) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if n > 0 {
		c.asked.Store(false)
	}
	return n, err
}

// ReadFrom goes through Write.
func (c *dropping) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

func (c *dropping) Close() error {
	if c.asked.Load() {
		_ = c.SetLinger(0) // if not, it is as it was without
	}
	return c.TCPConn.Close()
}
