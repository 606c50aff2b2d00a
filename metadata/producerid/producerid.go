// Package producerid hands out producer ids in blocks that the metadata store
// reserves, so that an id costs no commit. A restart leaves the rest of a block
// unused: ids jump and are never given out twice, as in Kafka.
package producerid

import (
	"context"
	"fmt"
	"sync/atomic"
)

// Block is how many ids are reserved at a time, as in Kafka.
const Block = 1000

// Source reserves ids durably; metadata.Cluster is one.
type Source interface {
	AllocateProducerIDs(ctx context.Context, n int64) (first int64, err error)
}

// Allocator hands out producer ids. Its methods may be called from any goroutine.
type Allocator struct {
	source Source
	// turn holds one token: whoever has it may ask the source. It is a channel since
	// it is held across a commit, and a caller may give up waiting.
	turn chan struct{}
	open atomic.Pointer[block]
}

// block is a reserved range that is being used up.
type block struct {
	next  atomic.Int64
	limit int64 // first id behind it
}

func (b *block) take() (int64, bool) {
	if b == nil || b.next.Load() >= b.limit { // the load keeps next from running away
		return 0, false
	}
	id := b.next.Add(1) - 1
	return id, id < b.limit
}

// New makes an allocator; it reserves nothing before the first id is asked for.
func New(source Source) *Allocator {
	a := &Allocator{source: source, turn: make(chan struct{}, 1)}
	a.turn <- struct{}{}
	return a
}

// Next returns an id that nobody has or had.
func (a *Allocator) Next(ctx context.Context) (int64, error) {
	if id, ok := a.open.Load().take(); ok {
		return id, nil
	}
	select {
	case <-a.turn:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { a.turn <- struct{}{} }()
	for {
		if id, ok := a.open.Load().take(); ok { // somebody else was faster
			return id, nil
		}
		first, err := a.source.AllocateProducerIDs(ctx, Block)
		if err != nil {
			return 0, fmt.Errorf("producer ids: %w", err)
		}
		b := &block{limit: first + Block}
		b.next.Store(first)
		a.open.Store(b)
	}
}
