package wire

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed: the connection is going away.
var ErrClosed = errors.New("connection closed")

// Answer makes an answer's frame when its turn has come.
type Answer interface {
	// Frame is called once, by the connection's writer. expired says that the slot's
	// deadline passed before it was settled. A nil frame sends nothing; an error
	// closes the connection.
	Frame(expired bool) (*Frame, error)
}

// Slot is the place of one answer in the order of a connection. The zero value with
// an Answer, or with a Ready frame, can be pushed.
type Slot struct {
	Answer Answer
	// Deadline, if set, is when the answer goes out even if it is not settled.
	Deadline time.Time
	Ready    *Frame // instead of Answer: the frame itself, settled from the start
	// Hold, if set, is released when the answer was sent or dropped.
	Hold Releaser

	next    *Slot
	settled bool
}

// Limits of an Outbox: beyond either, the reader stops, and so does the client.
const (
	maxSlots = 1024
	maxBytes = 1 << 20
	// gather is how many answers at most leave in one write.
	gather = 64
)

// Outbox keeps the answers of one connection in the order of its requests, whatever
// the order they are settled in. One goroutine pushes, one runs Run; anybody may
// settle.
type Outbox struct {
	mu         sync.Mutex
	head, tail *Slot
	slots      int   // in the queue or being sent
	open       int   // pushed and not settled
	bytes      int64 // of frames that are ready or being sent
	ending     bool  // nothing more will be pushed
	closed     bool

	wake chan struct{} // to the writer: the head is settled, or ending
	room chan struct{} // to the pusher: something was settled or sent
}

// NewOutbox makes an empty one.
func NewOutbox() *Outbox {
	return &Outbox{wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Push puts a slot at the end, waiting while the queue is full. When it fails, the
// slot's ready frame is released.
func (o *Outbox) Push(ctx context.Context, s *Slot) error {
	o.mu.Lock()
	for o.slots >= maxSlots && !o.closed {
		o.mu.Unlock()
		if err := o.wait(ctx); err != nil {
			s.drop()
			return err
		}
		o.mu.Lock()
	}
	defer o.mu.Unlock()
	if o.closed {
		s.drop()
		return ErrClosed
	}
	if s.Ready != nil {
		s.settled = true
		o.bytes += s.Ready.Len()
	} else {
		o.open++
	}
	o.slots++
	if o.head == nil {
		o.head, o.tail = s, s
		if s.settled || !s.Deadline.IsZero() {
			signal(o.wake)
		}
		return nil
	}
	o.tail.next = s
	o.tail = s
	return nil
}

// Settle says that the answer of s, which was pushed, can be made. It may be called
// after the deadline and after the outbox closed, by anybody: it waits for nothing
// but a few instructions of others.
func (o *Outbox) Settle(s *Slot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.settled {
		return
	}
	s.settled = true
	o.open--
	if s == o.head {
		signal(o.wake)
	}
	if o.open == 0 {
		signal(o.room)
	}
}

// Quiet waits until every slot is settled and what waits to be sent is little: then
// a request that is not a Produce may start, and sees the effects of all before it.
func (o *Outbox) Quiet(ctx context.Context) error {
	for {
		o.mu.Lock()
		quiet, closed := o.open == 0 && o.bytes < maxBytes, o.closed
		o.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case quiet:
			return nil
		}
		if err := o.wait(ctx); err != nil {
			return err
		}
	}
}

func (o *Outbox) wait(ctx context.Context) error {
	select {
	case <-o.room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// End says that nothing more will be pushed: Run returns when the queue is empty.
func (o *Outbox) End() {
	o.mu.Lock()
	o.ending = true
	o.mu.Unlock()
	signal(o.wake)
}

// Run sends answers in order until ctx ends, send fails, or the queue is empty
// after End. It releases all frames.
func (o *Outbox) Run(ctx context.Context, send func([]*Frame) error) error {
	defer o.shut()
	var (
		batch  []*Slot
		out    []*Frame
		timer  *time.Timer
		expiry <-chan time.Time
	)
	for {
		var wait time.Duration
		var over bool
		batch, wait, over = o.take(batch[:0])
		if over {
			return nil
		}
		if len(batch) == 0 {
			if wait > 0 {
				if timer == nil {
					timer = time.NewTimer(wait)
					defer timer.Stop()
				} else {
					timer.Reset(wait)
				}
				expiry = timer.C
			}
			select {
			case <-o.wake:
			case <-expiry:
			case <-ctx.Done():
				return ctx.Err()
			}
			expiry = nil
			continue
		}
		var failed, err error
		var good int
		if out, good, failed = build(batch, out[:0]); good > 0 {
			err = send(out[:good]) // what was asked before the one that failed is answered
		}
		o.sent(batch)
		for _, f := range out {
			f.Release()
		}
		for _, s := range batch {
			s.unhold()
		}
		clear(batch)
		clear(out)
		if err = cmp.Or(err, failed); err != nil {
			return err
		}
	}
}

// take removes the settled and expired slots at the head. If there are none, wait
// is how long until the head expires (0: it does not).
func (o *Outbox) take(batch []*Slot) (_ []*Slot, wait time.Duration, over bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.head != nil && len(batch) < gather {
		s := o.head
		if !s.settled {
			if s.Deadline.IsZero() || len(batch) > 0 {
				break
			}
			if wait = time.Until(s.Deadline); wait > 0 {
				break
			}
			s.settled = true
			s.Ready = expired
			if o.open--; o.open == 0 {
				signal(o.room)
			}
		}
		o.head = s.next
		s.next = nil
		batch = append(batch, s)
	}
	if o.head == nil {
		o.tail = nil
	}
	return batch, wait, o.ending && o.head == nil && len(batch) == 0
}

// expired marks a slot whose deadline came first.
var expired = &Frame{}

// build makes the frames of the slots, in order. At one that cannot be made the
// connection ends: the first good frames are those that lie before it, all others are
// to be released unsent.
func build(batch []*Slot, out []*Frame) (_ []*Frame, good int, failed error) {
	for _, s := range batch {
		f := s.Ready
		if s.Answer != nil && failed == nil {
			if f, failed = s.Answer.Frame(f == expired); failed != nil {
				f, good = nil, len(out)
			}
		}
		if f != nil && f != expired {
			out = append(out, f)
		}
	}
	if failed == nil {
		good = len(out)
	}
	return out, good, failed
}

// sent accounts for a batch that left.
func (o *Outbox) sent(batch []*Slot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.slots -= len(batch)
	for _, s := range batch {
		if s.Answer == nil {
			o.bytes -= s.Ready.Len()
		}
	}
	signal(o.room)
}

// shut ends the outbox and releases what was not sent.
func (o *Outbox) shut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for s := o.head; s != nil; s = s.next {
		s.drop()
	}
	o.head, o.tail = nil, nil
	signal(o.room)
}

func (s *Slot) unhold() {
	if s.Hold != nil {
		s.Hold.Release()
		s.Hold = nil
	}
}

func (s *Slot) drop() {
	s.unhold()
	if s.Ready != nil && s.Ready != expired {
		s.Ready.Release()
		s.Ready = nil
	}
}
