package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// errSlow is the cause of a context that a watchdog has ended.
var errSlow = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

// watchdog ends a context when nothing has happened for a while.
type watchdog struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	idle   time.Duration
}

// newWatchdog allows first until the first sign of life, idle from then on.
func newWatchdog(ctx context.Context, first, idle time.Duration) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{cancel: cancel, idle: idle}
	w.timer = time.AfterFunc(first, func() { cancel(errSlow) })
	return ctx, w
}

// start begins a wait, stop ends it: what the caller does between two waits is not
// the store's fault.
func (w *watchdog) start() { w.timer.Reset(w.idle) }
func (w *watchdog) stop()  { w.timer.Stop() }

func (w *watchdog) end() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

// reader is the body of a get. It knows how long it must be.
type reader struct {
	ctx   context.Context
	b     *Bucket
	key   string
	body  io.ReadCloser
	left  int64
	watch *watchdog
}

func (r *reader) Read(p []byte) (int, error) {
	r.watch.start()
	n, err := r.body.Read(p)
	r.watch.stop()
	r.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && r.left == 0:
		return n, io.EOF
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return n, r.b.mapError(r.ctx, "read", r.key, err)
}

func (r *reader) Close() error {
	r.watch.end()
	return r.body.Close()
}
