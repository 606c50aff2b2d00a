package journaltest

import (
	"context"
	"sync"

	"github.com/streamhouse/streamhouse/storage/journal"
)

// Ledger is a journal.Ledger in memory, over the processes of a test: it decides as
// the metadata store's does.
type Ledger struct {
	// Step, if set, is asked before and after each change; its error is the call's.
	// After the change it tests what a caller makes of an outcome that is not known.
	Step func() error

	mu     sync.Mutex
	Memory journal.Memory // Start is that of the last start that was admitted
}

var _ journal.Ledger = (*Ledger)(nil)

// Admit counts a start, if what was found may go on.
func (l *Ledger) Admit(_ context.Context, found []journal.Begun) (a journal.Admission, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.Memory
	next.Start++
	if a, err = next.Admit(found); err != nil {
		return a, err
	}
	return a, l.change(func() { l.Memory = next })
}

// Begin remembers the newest volume.
func (l *Ledger) Begin(_ context.Context, v journal.Begun) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.change(func() { l.Memory.Newest = v })
}

func (l *Ledger) change(fn func()) error {
	if l.Step == nil {
		fn()
		return nil
	}
	if err := l.Step(); err != nil {
		return err
	}
	fn()
	return l.Step()
}
