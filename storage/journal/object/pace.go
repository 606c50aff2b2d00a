package object

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Bounds of pace, in bytes per second.
const (
	rateMost  = 1 << 20
	rateLeast = 4 << 10
	// slack is by how much slower than the line has shown itself one upload may be.
	slack = 4
	// sampleLeast is the size from which an upload says something about the line.
	sampleLeast = 64 << 10
)

// pace is how the journal goes about a line that may be slow. An attempt at a pack has
// time by its size. Where attempts run out of it, the next ones get twice as much and half
// as many are on their way at once, down to one, so that a line of any speed brings a pack
// through in the end; where they arrive, both go back step by step.
type pace struct {
	mu      sync.Mutex
	rate    float64 // bytes per second that an attempt is expected to make
	most    int
	allowed int // at once
	active  int
	arrived int // since allowed has changed
	waiting []uint64
	eased   time.Time     // when it was last lowered
	changed chan struct{} // closed and replaced when a place may be free
}

func newPace(inFlight int) *pace {
	return &pace{rate: rateMost, most: inFlight, allowed: inFlight, changed: make(chan struct{})}
}

// bySize is what an attempt at n bytes gets for them.
func (p *pace) bySize(n int64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(slack * float64(n) / p.rate * float64(time.Second))
}

// enter waits for a place. They are given in order of sequence: no pack counts before
// those in front of it.
func (p *pace) enter(ctx context.Context, seq uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, _ := slices.BinarySearch(p.waiting, seq)
	p.waiting = slices.Insert(p.waiting, i, seq)
	for p.active >= p.allowed || p.waiting[0] != seq {
		changed := p.changed
		p.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		p.mu.Lock()
		if err != nil {
			p.drop(seq)
			return err
		}
	}
	p.active++
	p.drop(seq)
	return nil
}

// drop takes seq out of those who wait. The caller holds p.mu.
func (p *pace) drop(seq uint64) {
	if i, found := slices.BinarySearch(p.waiting, seq); found {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.notify()
}

func (p *pace) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// leave gives the place back. timedOut: the attempt that began then ran out of its time;
// arrived: its n bytes are there.
func (p *pace) leave(began time.Time, n int64, timedOut, arrived bool) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	switch {
	case timedOut && !began.Before(p.eased): // those that began together count once
		p.eased, p.arrived = now, 0
		p.rate = max(p.rate/2, rateLeast)
		p.allowed = max(p.allowed/2, 1)
	case arrived:
		p.restore(n, now.Sub(began))
	}
	p.notify()
}

// restore takes back a part of what time-outs have lowered, as far as what arrives allows.
// The caller holds p.mu.
func (p *pace) restore(n int64, took time.Duration) {
	if n >= sampleLeast && float64(n) > 2*p.rate*took.Seconds() {
		p.rate = min(2*p.rate, rateMost)
	}
	if p.arrived++; p.arrived >= p.allowed && p.allowed < p.most {
		p.allowed, p.arrived = p.allowed+1, 0
	}
}

// try is one attempt: a context that ends when the attempt's time is over. What it
// receives begins that time anew, so that a large object may take its time, and a line
// without life is noticed.
type try struct {
	context.Context
	cancel context.CancelCauseFunc
	began  time.Time
	time   time.Duration

	mu     sync.Mutex
	timer  *time.Timer
	last   time.Time // when something came
	earned int64     // bytes
}

// readRate is how many bytes per second a read must bring at least, after its start.
const readRate = 1 << 10

func newTry(ctx context.Context, d time.Duration) *try {
	t := &try{began: time.Now(), time: d}
	t.last = t.began
	t.Context, t.cancel = context.WithCancelCause(ctx)
	t.timer = time.AfterFunc(d, func() { t.cancel(context.DeadlineExceeded) })
	return t
}

// received takes note of n bytes.
func (t *try) received(n int) {
	if n <= 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.earned = time.Now(), t.earned+int64(n)
	most := t.began.Add(t.time + time.Duration(t.earned)*time.Second/readRate)
	t.timer.Reset(min(t.time, time.Until(most)))
}

// timedOut says whether the attempt's time ran out.
func (t *try) timedOut() bool { return context.Cause(t.Context) == context.DeadlineExceeded }

// end frees the attempt and returns for how long something came.
func (t *try) end() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer.Stop()
	t.cancel(context.Canceled)
	return t.last.Sub(t.began)
}
