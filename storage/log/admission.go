package log

import (
	"context"

	"github.com/streamhouse/streamhouse/protocol"
)

// bulkBytes is the size from which an append counts as bulk: it waits for its turn
// in a pack, while smaller ones go into the open pack beside it.
const bulkBytes = 64 << 10

// Appender is one connection's way into the log. A connection appends from one
// goroutine, so that it has one place in the queue at a time and all connections
// that wait get equal turns.
type Appender struct {
	log *Log
}

// NewAppender makes an appender for one connection or coordinator shard.
func (l *Log) NewAppender() *Appender { return &Appender{log: l} }

// Close gives the appender up; what it appended takes its course.
func (a *Appender) Close() {}

// waiter is an append that waits for room. admitted is closed when it may go on.
type waiter struct {
	bytes    int
	admitted chan struct{}
}

// admit waits until the open pack takes n more bytes, or ctx ends: REQUEST_TIMED_OUT.
// Its caller holds l.mu, holds it again when admit returns, and gives it up with leave.
// Bulk appends fill a pack up to PackBytes;
// small ones may go over by as much again, so that they are held up by at most the
// pack before them, never by a queue of bulk.
func (l *Log) admit(ctx context.Context, n int) error {
	room := l.cfg.PackBytes
	if n < bulkBytes {
		room *= 2
	}
	if l.open.bytes+l.reserved+n <= room || len(l.open.items) == 0 && l.reserved == 0 {
		if n < bulkBytes || len(l.waiting) == 0 {
			return nil
		}
	}
	w := &waiter{bytes: n, admitted: make(chan struct{})}
	l.waiting = append(l.waiting, w)
	l.metrics.admissionWaits.Inc()
	l.mu.Unlock()
	select {
	case <-w.admitted:
		l.mu.Lock()
		l.reserved -= n
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		if !l.forget(w) {
			l.reserved -= n // admitted meanwhile
		}
		return protocol.RequestTimedOut
	}
}

// leave gives up l.mu after an append, whatever became of it. One that was let in and
// then put nothing (refused, a duplicate, given up) has room to pass on: no pack may be
// on its way whose end would let in the next.
func (l *Log) leave() {
	if len(l.waiting) > 0 {
		l.admitWaiting()
	}
	l.mu.Unlock()
}

// forget takes w out of the queue; false if it was not in it any more.
func (l *Log) forget(w *waiter) bool {
	for i, x := range l.waiting {
		if x == w {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// admitWaiting lets in, first come first served, those that the open pack has room
// for, and one in any case if it is empty. The caller holds l.mu.
func (l *Log) admitWaiting() {
	for len(l.waiting) > 0 {
		w := l.waiting[0]
		used := l.open.bytes + l.reserved
		if used > 0 && used+w.bytes > l.cfg.PackBytes {
			return
		}
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		l.reserved += w.bytes
		close(w.admitted)
	}
	l.waiting = nil
}
