package transactions

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol/record"
)

const (
	loadRetryMin = 100 * time.Millisecond
	loadRetryMax = 10 * time.Second
)

// load reads the shard's partition, and tries again until it succeeds (true) or ctx
// ends: clients are told that the coordinator loads, and retry.
func (s *shard) load(ctx context.Context) bool {
	delay := loadRetryMin
	defer s.coordinator.failed.Tried(s.id.Partition, nil)
	for {
		err := s.tryLoad(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		s.coordinator.failed.Tried(s.id.Partition, err)
		s.coordinator.opts.Logger.Error("loading transactions failed, trying again",
			zap.Int32("partition", s.id.Partition), zap.Duration("after", delay), zap.Error(err))
		select {
		case <-ctx.Done():
			return false
		case <-time.After(delay):
		}
		delay = min(2*delay, loadRetryMax)
	}
}

func (s *shard) tryLoad(ctx context.Context) error {
	c := s.coordinator
	if err := c.loads.Acquire(ctx, 1); err != nil {
		return err
	}
	defer c.loads.Release(1)
	p, err := c.log.Open(ctx, s.id, s.leaderEpoch)
	if err != nil {
		return fmt.Errorf("open %s-%d: %w", TopicName, s.id.Partition, err)
	}
	guard := p.Guard() // before anything is read
	states := make(map[string]*txn.State)
	read := func(n int) { c.metrics.loaded.Add(float64(n)) }
	if err := shards.Read(ctx, p, read, func(h *record.Header, b []byte) error { return fold(states, h, b) }); err != nil {
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

// fold applies the records of a batch.
func fold(states map[string]*txn.State, h *record.Header, b []byte) error {
	if h.Control() {
		return nil
	}
	for r, err := range record.Records(b, shards.RecordMax) {
		if err != nil {
			return err
		}
		id, st, known, err := txn.Decode(txn.Record{Key: r.Key, Value: r.Value})
		switch {
		case err != nil:
			return fmt.Errorf("record at offset %d: %w", r.Offset, err)
		case !known: // a kind that newer brokers write
		case st == nil:
			delete(states, id)
		default:
			states[id] = st
		}
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
