package wire

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Budget bounds the memory that requests on their way in may take, over all
// connections together (queued.max.request.bytes). Who asks for more than is free
// waits, and through TCP so does its client.
//
// It has lanes, so that small requests never wait behind large ones. Memory is taken as
// bytes arrive, not when a length is declared, so a request can hold a part and wait
// for the rest. If all did, none would move on; therefore the longest waiter of a lane
// alone may overdraw it, until it has given back what it holds there. The bound is thus
// the limit plus one request per lane.
type Budget struct {
	lanes [lanes]lane
}

// Lane is what a part of a request is charged to.
type Lane int8

const (
	// Own is what every connection may take without asking: ownBytes, not counted.
	Own Lane = iota
	// Small is for requests of at most smallFrame bytes that decode to little.
	Small
	// Large is for all others.
	Large
	lanes
)

const (
	ownBytes   = 8 << 10
	smallFrame = 64 << 10
	// smallDecoded is what a small request may take when it is decoded.
	smallDecoded = 1 << 20
)

type lane struct {
	mu      sync.Mutex
	limit   int64
	free    int64
	overdue *Account // who may overdraw now; nil if nobody does
	waiters []*waiter
	wanted  atomic.Int32 // len(waiters), for those who look without the lock
}

type waiter struct {
	acct  *Account
	n     int64
	since time.Time
	ready chan struct{}
}

// Account is what one connection holds of a Budget. It belongs to one goroutine.
type Account struct {
	budget *Budget
	held   [lanes]int64
}

// NewBudget makes a budget of so many bytes for small requests and for large ones.
func NewBudget(small, large int64) *Budget {
	b := &Budget{}
	for l, n := range map[Lane]int64{Small: small, Large: large} {
		b.lanes[l].limit, b.lanes[l].free = n, n
	}
	return b
}

// Open starts an empty account.
func (b *Budget) Open() *Account { return &Account{budget: b} }

// Held is the number of bytes the account holds of a lane.
func (a *Account) Held(l Lane) int64 { return a.held[l] }

// TryTake is Take if that would not wait, and says whether it was.
func (a *Account) TryTake(l Lane, n int64) bool {
	if l == Own {
		if a.held[Own]+n > ownBytes {
			return false
		}
		a.held[Own] += n
		return true
	}
	b := &a.budget.lanes[l]
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.overdue != a && (len(b.waiters) > 0 || b.free < n) {
		return false
	}
	b.free -= n
	a.held[l] += n
	return true
}

// Take adds n bytes to what the account holds of Small or Large. It waits until they
// are free or ctx ends, whose error it returns.
func (a *Account) Take(ctx context.Context, l Lane, n int64) error {
	if a.TryTake(l, n) {
		return nil
	}
	b := &a.budget.lanes[l]
	b.mu.Lock()
	w := &waiter{acct: a, n: n, since: time.Now(), ready: make(chan struct{})}
	b.waiters = append(b.waiters, w)
	b.wanted.Add(1)
	b.grant()
	b.mu.Unlock()
	select {
	case <-w.ready:
		a.held[l] += n
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready: // granted meanwhile
		a.held[l] += n
		a.give(l, n)
	default:
		b.forget(w)
	}
	b.grant()
	return ctx.Err()
}

// Give returns n bytes of a lane.
func (a *Account) Give(l Lane, n int64) {
	if n == 0 {
		return
	}
	if l == Own {
		a.give(l, n)
		return
	}
	b := &a.budget.lanes[l]
	b.mu.Lock()
	a.give(l, n)
	if len(b.waiters) > 0 {
		b.grant()
	}
	b.mu.Unlock()
}

// give is Give under the lane's lock, without passing on what became free.
func (a *Account) give(l Lane, n int64) {
	if n > a.held[l] {
		panic("wire: more given back than taken")
	}
	a.held[l] -= n
	if l == Own {
		return
	}
	b := &a.budget.lanes[l]
	b.free += n
	if a.held[l] == 0 && b.overdue == a {
		b.overdue = nil
	}
}

// Wanted says whether somebody waits for what the account holds.
func (a *Account) Wanted() bool {
	for _, l := range []Lane{Small, Large} {
		if a.held[l] > 0 && a.budget.lanes[l].wanted.Load() > 0 {
			return true
		}
	}
	return false
}

// GiveAll returns everything the account holds.
func (a *Account) GiveAll() {
	for l := range lanes {
		a.Give(l, a.held[l])
	}
}

// grant serves waiters in order while there is room, and lets the first overdraw if
// nobody else does.
func (b *lane) grant() {
	for len(b.waiters) > 0 {
		w := b.waiters[0]
		if b.free < w.n {
			if b.overdue != nil && b.overdue != w.acct {
				return
			}
			b.overdue = w.acct
		}
		b.free -= w.n
		b.waiters = b.waiters[1:]
		b.wanted.Add(-1)
		close(w.ready)
	}
}

func (b *lane) forget(w *waiter) {
	for i, x := range b.waiters {
		if x == w {
			b.waiters = append(b.waiters[:i:i], b.waiters[i+1:]...)
			b.wanted.Add(-1)
			return
		}
	}
}

// Used returns how many bytes are taken of both lanes, for metrics.
func (b *Budget) Used() (n int64) {
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		n += l.limit - l.free
		l.mu.Unlock()
	}
	return n
}

// Waited is for how long somebody has been waiting for memory now, at the longest.
func (b *Budget) Waited() (longest time.Duration) {
	for i := range b.lanes {
		l := &b.lanes[i]
		l.mu.Lock()
		if len(l.waiters) > 0 {
			longest = max(longest, time.Since(l.waiters[0].since))
		}
		l.mu.Unlock()
	}
	return longest
}
