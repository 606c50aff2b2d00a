package wire

import (
	"context"
	"sync"
)

// Budget bounds the memory that requests on their way in may take, over all
// connections together (queued.max.request.bytes). Who asks for more than is free
// waits, and through TCP so does its client.
//
// Memory is taken as bytes arrive, not when a length is declared, so a request can
// hold a part and wait for the rest. If all did, none would move on; therefore the
// longest waiter alone may overdraw, until it has given back what it holds. The
// bound is thus the limit plus one request.
type Budget struct {
	mu      sync.Mutex
	free    int64
	overdue *Account // who may overdraw now; nil if nobody does
	waiters []*waiter
}

type waiter struct {
	acct  *Account
	n     int64
	ready chan struct{}
}

// Account is what one connection holds of a Budget. It belongs to one goroutine.
type Account struct {
	budget *Budget
	held   int64
}

// NewBudget makes a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{free: limit} }

// Open starts an empty account.
func (b *Budget) Open() *Account { return &Account{budget: b} }

// Held is the number of bytes the account holds.
func (a *Account) Held() int64 { return a.held }

// TryTake is Take if that would not wait, and says whether it was.
func (a *Account) TryTake(n int64) bool {
	b := a.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.overdue != a && (len(b.waiters) > 0 || b.free < n) {
		return false
	}
	b.free -= n
	a.held += n
	return true
}

// Take adds n bytes to what the account holds. It waits until they are free or ctx
// ends, whose error it returns.
func (a *Account) Take(ctx context.Context, n int64) error {
	if a.TryTake(n) {
		return nil
	}
	b := a.budget
	b.mu.Lock()
	w := &waiter{acct: a, n: n, ready: make(chan struct{})}
	b.waiters = append(b.waiters, w)
	b.grant()
	b.mu.Unlock()
	select {
	case <-w.ready:
		a.held += n
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready: // granted meanwhile
		a.held += n
		a.give(n)
	default:
		b.forget(w)
	}
	b.grant()
	return ctx.Err()
}

// Give returns n bytes.
func (a *Account) Give(n int64) {
	if n == 0 {
		return
	}
	b := a.budget
	b.mu.Lock()
	a.give(n)
	if len(b.waiters) > 0 {
		b.grant()
	}
	b.mu.Unlock()
}

// give is Give under the budget's lock, without passing on what became free.
func (a *Account) give(n int64) {
	if n > a.held {
		panic("wire: more given back than taken")
	}
	a.held -= n
	a.budget.free += n
	if a.held == 0 && a.budget.overdue == a {
		a.budget.overdue = nil
	}
}

// GiveAll returns everything the account holds.
func (a *Account) GiveAll() { a.Give(a.held) }

// grant serves waiters in order while there is room, and lets the first overdraw if
// nobody else does.
func (b *Budget) grant() {
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
		close(w.ready)
	}
}

func (b *Budget) forget(w *waiter) {
	for i, x := range b.waiters {
		if x == w {
			b.waiters = append(b.waiters[:i:i], b.waiters[i+1:]...)
			return
		}
	}
}

// Used returns how many bytes of limit are taken, for metrics.
func (b *Budget) Used(limit int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return limit - b.free
}
