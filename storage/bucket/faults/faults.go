// Package faults is a bucket that fails on request, for tests. Rules say which
// calls fail and how; Chaos makes calls fail at random from a seed. Whatever fails,
// the bucket behind it stays true: a create takes effect whole, once, or not.
package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// ErrInjected is wrapped by every error that this package makes up.
var ErrInjected = errors.New("injected fault")

// Op names a method of the port.
type Op string

// The operations. Any in a rule matches all of them.
const (
	Any    Op = ""
	Create Op = "create"
	Get    Op = "get"
	Stat   Op = "stat"
	List   Op = "list"
	Delete Op = "delete"
	Adopt  Op = "adopt"
)

// Kind is how a call fails.
type Kind int

// The kinds. The zero Kind lets the call through.
const (
	Pass Kind = iota
	// FailBefore returns an error; nothing happened.
	FailBefore
	// FailAfter returns an error; the call took effect.
	FailAfter
	// Stall waits for the caller's context, or for Release; nothing happened.
	// After Release the call goes through.
	Stall
	// LoseReply takes effect, then waits for the caller's context, or for Release.
	// After Release the call succeeds.
	LoseReply
	// Late is for creates: it returns an error at once, and the object lands later:
	// after Fault.Delay, or at Land if Delay is 0. A create of the same key that
	// comes first wins, as in a real store. Other operations fail before.
	Late
	// Corrupt is for gets: one bit of what is read is wrong. Others pass.
	Corrupt
	// Cut is for gets: the reader fails midway. Others fail before.
	Cut
)

// Fault is what happens to a call.
type Fault struct {
	Kind  Kind
	Err   error         // returned, wrapped together with ErrInjected; nil: just that
	Delay time.Duration // before anything else (Late: before it lands)
}

// Rule makes some calls fail. Rules are asked in the order in which they were
// added; the first that matches decides.
type Rule struct {
	Op     Op
	Prefix string            // of the key
	Match  func(string) bool // of the key; nil: all
	Skip   int               // so many matching calls pass first
	Times  int               // so many fail; 0: all
	Fault  Fault
}

// Chaos is the probability of each kind per call, in the order listed; calls that
// no rule decided are subject to it.
type Chaos struct {
	FailBefore, FailAfter, Late, Corrupt, Cut float64
	// LateMax bounds the delay of a late landing, which is uniform below it.
	LateMax time.Duration
	// Delay bounds a delay of every call, uniform below it.
	Delay time.Duration
}

// Event is one call as it was decided.
type Event struct {
	Op   Op
	Key  string
	Kind Kind
}

type rule struct {
	Rule
	seen, hit int
}

type landing struct {
	key  string
	data []byte
}

// Bucket wraps another and fails. Safe for concurrent use.
type Bucket struct {
	bucket.Bucket

	mu       sync.Mutex
	rng      *rand.Rand
	rules    []*rule
	chaos    Chaos
	events   []Event
	released chan struct{} // closed by Release
	late     []landing
	timers   sync.WaitGroup
	closing  chan struct{}
	closed   bool
}

// New wraps b. The seed decides what Chaos does.
func New(b bucket.Bucket, seed uint64) *Bucket {
	return &Bucket{
		Bucket:   b,
		rng:      rand.New(rand.NewPCG(seed, seed)),
		released: make(chan struct{}),
		closing:  make(chan struct{}),
	}
}

// Unwrap returns the bucket behind.
func (b *Bucket) Unwrap() bucket.Bucket { return b.Bucket }

// Add appends rules.
func (b *Bucket) Add(rules ...Rule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range rules {
		b.rules = append(b.rules, &rule{Rule: r})
	}
}

// SetChaos replaces the random faults.
func (b *Bucket) SetChaos(c Chaos) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chaos = c
}

// Clear removes all rules and random faults, and lets stalled calls go on. What is
// still to land stays.
func (b *Bucket) Clear() {
	b.mu.Lock()
	b.rules, b.chaos = nil, Chaos{}
	b.mu.Unlock()
	b.Release()
}

// Release lets the calls that are stalled now go on.
func (b *Bucket) Release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.released)
	b.released = make(chan struct{})
}

// Events returns every call so far, in the order in which they began.
func (b *Bucket) Events() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Event(nil), b.events...)
}

// Count returns how many calls of op were decided as kind.
func (b *Bucket) Count(op Op, kind Kind) int {
	n := 0
	for _, e := range b.Events() {
		if (op == Any || e.Op == op) && e.Kind == kind {
			n++
		}
	}
	return n
}

// decide picks the fault of a call and notes it.
func (b *Bucket) decide(op Op, key string) (Fault, chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.pick(op, key)
	b.events = append(b.events, Event{op, key, f.Kind})
	return f, b.released
}

func (b *Bucket) pick(op Op, key string) Fault {
	for _, r := range b.rules {
		if r.Op != Any && r.Op != op || !strings.HasPrefix(key, r.Prefix) || r.Match != nil && !r.Match(key) {
			continue
		}
		r.seen++
		if r.seen <= r.Skip || r.Times > 0 && r.hit >= r.Times {
			continue
		}
		r.hit++
		return r.Fault
	}
	return b.random()
}

func (b *Bucket) random() Fault {
	f := Fault{Delay: b.below(b.chaos.Delay)}
	p := b.rng.Float64()
	for _, c := range []struct {
		p    float64
		kind Kind
	}{
		{b.chaos.FailBefore, FailBefore}, {b.chaos.FailAfter, FailAfter}, {b.chaos.Late, Late},
		{b.chaos.Corrupt, Corrupt}, {b.chaos.Cut, Cut},
	} {
		if p -= c.p; p < 0 {
			f.Kind = c.kind
			break
		}
	}
	if f.Kind == Late {
		f.Delay = 1 + b.below(b.chaos.LateMax)
	}
	return f
}

func (b *Bucket) below(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(b.rng.Int64N(int64(d)))
}

func (f Fault) err(op Op, key string) error {
	if f.Err != nil {
		return fmt.Errorf("%s %s: %w: %w", op, key, ErrInjected, f.Err)
	}
	return fmt.Errorf("%s %s: %w", op, key, ErrInjected)
}

// call runs one operation under its fault. effect takes effect once if it is run.
func (b *Bucket) call(ctx context.Context, op Op, key string, effect func(Fault) error) error {
	f, released := b.decide(op, key)
	if f.Kind != Late {
		if err := wait(ctx, f.Delay); err != nil {
			return err
		}
	}
	switch f.Kind {
	case FailBefore:
		return f.err(op, key)
	case FailAfter:
		if err := effect(f); err != nil {
			return err
		}
		return f.err(op, key)
	case Stall:
		if err := stall(ctx, released); err != nil {
			return err
		}
	case LoseReply:
		if err := effect(f); err != nil {
			return err
		}
		return stall(ctx, released)
	case Late:
		if op != Create {
			return f.err(op, key)
		}
	case Cut:
		if op != Get {
			return f.err(op, key)
		}
	}
	return effect(f)
}

func stall(ctx context.Context, released chan struct{}) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-released:
		return nil
	}
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
