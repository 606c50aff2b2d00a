package transactions

import (
	"context"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// step is a rule of txn with a request bound to it. newID is a producer id, or none.
type step func(s *txn.State, newID, nowMs int64) txn.Outcome

func refuse(code protocol.Code) txn.Outcome {
	return txn.Outcome{Code: code, ProducerID: txn.NoProducerID, Epoch: txn.NoEpoch}
}

// do runs a step on an id and waits until what it answers is durable.
func (c *Coordinator) do(ctx context.Context, id string, f step) txn.Outcome {
	s, code := c.host.Shard(id)
	if code != protocol.None {
		return refuse(code)
	}
	o, w := s.step(ctx, id, f)
	if code := c.await(ctx, w); code != protocol.None {
		return refuse(code)
	}
	return o
}

// step runs a step on an id. The outcome holds once the write, if any, is durable: the
// one that it made, or the one whose result it is built on.
//
// What a step needs besides the state (a producer id, the partitions of a transaction)
// takes time to get. So the step is done, found to need it, and done again with it on
// what the state is then.
func (s *shard) step(ctx context.Context, id string, f step) (txn.Outcome, *write) {
	newID, found := txn.NoProducerID, resolved(nil)
	for ctx.Err() == nil {
		o, w, done := s.try(id, f, newID, found)
		if done {
			return o, w
		}
		var err error
		if o.NeedID {
			if newID, err = s.coordinator.ids.Next(ctx); err != nil {
				return refuse(protocol.CoordinatorLoadInProgress), nil // as Kafka's, which is retried
			}
			continue
		}
		if found, err = s.coordinator.resolve(ctx, o.End.Partitions); err != nil {
			return refuse(shards.StoreCode(err)), nil
		}
	}
	return refuse(protocol.CoordinatorNotAvailable), nil
}

// try does a step. done is false if it needs more than it was given; nothing has
// changed then.
func (s *shard) try(id string, f step, newID int64, found resolved) (o txn.Outcome, w *write, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if code := s.status(); code != protocol.None {
		return refuse(code), nil, true
	}
	e, state := s.entries[id], (*txn.State)(nil)
	if e != nil {
		state = e.state
	}
	o = f(state, newID, s.coordinator.nowMs())
	switch {
	case o.NeedID:
		return o, nil, false
	case o.Next == nil:
		if e != nil {
			w = e.last
		}
		return o, w, true
	case o.End != nil && !found.covers(o.End.Partitions):
		return o, nil, false
	}
	w, code := s.change(e, id, &o, found)
	if code != protocol.None {
		return refuse(code), nil, true
	}
	return o, w, true
}

// change queues what a step came to. COORDINATOR_NOT_AVAILABLE above the bound on ids:
// whoever has filled it, others wait until there is room again. UNKNOWN_SERVER_ERROR, as in Kafka, for a transaction of so many
// partitions that no batch can hold the record. The caller holds s.mu.
func (s *shard) change(e *entry, id string, o *txn.Outcome, found resolved) (*write, protocol.Code) {
	c := s.coordinator
	r := txn.Encode(id, o.Next, c.opts.Level())
	if !s.fits(id, r) {
		return nil, protocol.UnknownServerError
	}
	if e == nil {
		if c.known.Load() >= int64(c.opts.IDsMax) {
			c.complaints.Say("there are too many transactional ids", zap.String("refused_id", id), zap.Int("allowed", c.opts.IDsMax))
			return nil, protocol.CoordinatorNotAvailable
		}
		e = &entry{id: id}
		s.entries[id] = e
		c.known.Add(1)
	}
	w := newWrite(e, o.Next, r)
	if o.End != nil {
		w.end = s.ending(id, o.End, found)
	}
	s.enqueue(w)
	return w, protocol.None
}
