package transactions

import (
	"context"
	"fmt"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// load reads the shard's partition, until that succeeds (true) or ctx ends.
func (s *shard) load(ctx context.Context) bool {
	return s.coordinator.loader.Load(ctx, s.id.Partition, s.tryLoad)
}

func (s *shard) tryLoad(ctx context.Context) error {
	c := s.coordinator
	p, err := c.log.Open(ctx, s.id, s.leaderEpoch)
	if err != nil {
		return fmt.Errorf("open %s-%d: %w", TopicName, s.id.Partition, err)
	}
	guard := p.Guard() // before anything is read
	states := make(loading)
	// What cannot be understood is not skipped, as for groups: an older state of the id
	// would take its place, and with it a transaction that has ended.
	fold := shards.Fold{Record: states.record, Bytes: c.metrics.loaded}
	if err := fold.Run(ctx, p); err != nil {
		return fmt.Errorf("read %s-%d: %w", TopicName, s.id.Partition, err)
	}
	prepared := make(map[string]resolved)
	for id, st := range states {
		if !st.Status.Preparing() {
			continue
		}
		if prepared[id], err = c.resolve(ctx, st.Partitions); err != nil {
			return fmt.Errorf("transaction %q is to be completed: %w", id, err)
		}
	}
	s.partition, s.guard = p, guard
	s.adopt(states, prepared)
	return nil
}

// loading is what the records of a partition have come to, by id.
type loading map[string]*txn.State

func (l loading) record(_ *record.Header, r *record.Record) error {
	id, st, known, err := txn.Decode(txn.Record{Key: r.Key, Value: r.Value})
	switch {
	case err != nil:
		return err
	case !known: // a kind that newer brokers write
	case st == nil:
		delete(l, id)
	default:
		l[id] = st
	}
	return nil
}

// adopt puts what was loaded into service. Transactions whose end is prepared are
// completed first: answers about them wait for that.
func (s *shard) adopt(states map[string]*txn.State, prepared map[string]resolved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	s.coordinator.known.Add(int64(len(states)))
	now := s.coordinator.nowMs()
	for id, st := range states {
		if st.StartMs > now {
			// The clock has gone back since: its time counts from here, or it would not
			// be over for as long as the clock is behind.
			st.StartMs = now
		}
		e := &entry{id: id, state: st, stored: st}
		s.coordinator.metrics.move(nil, st)
		s.entries[id] = e
		if found, ok := prepared[id]; ok {
			o := txn.Complete(st, now)
			w := newWrite(e, o.Next, txn.Encode(id, o.Next, s.coordinator.opts.Level()))
			w.end = s.ending(id, o.End, found)
			s.enqueue(w)
		}
	}
	s.ready, s.failed = true, false
	s.loadedOnce.Do(func() { close(s.loaded) })
}
