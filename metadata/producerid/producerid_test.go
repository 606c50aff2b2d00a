package producerid_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/metadata/producerid"
)

func TestNeverTwice(t *testing.T) {
	store := mem.New(nil)
	var mu sync.Mutex
	seen := map[int64]bool{}
	for start := range 3 {
		a := producerid.New(store)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 400 {
					id, err := a.Next(t.Context())
					mu.Lock()
					if err != nil || seen[id] || id < int64(start)*producerid.Block {
						t.Errorf("id %d again, or too low, in start %d: %v", id, start, err)
					}
					seen[id] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	}
	if len(seen) != 3*8*400 {
		t.Errorf("%d ids", len(seen))
	}
}

type failing struct{ calls int }

func (f *failing) AllocateProducerIDs(context.Context, int64) (int64, error) {
	f.calls++
	if f.calls == 1 {
		return 0, errors.New("no")
	}
	return 7000, nil
}

func TestFailure(t *testing.T) {
	a := producerid.New(&failing{})
	if id, err := a.Next(t.Context()); err == nil {
		t.Errorf("id %d", id)
	}
	if id, err := a.Next(t.Context()); err != nil || id != 7000 {
		t.Errorf("%d, %v", id, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if id, err := a.Next(ctx); err != nil || id != 7001 { // there is one without waiting
		t.Errorf("%d, %v", id, err)
	}
}
