package transactions

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// sweep aborts transactions that last too long and forgets ids that nobody uses, until
// ctx ends. Both come a while after the start, so that a wrong clock at the start can be
// noticed.
func (c *Coordinator) sweep(ctx context.Context) {
	aborts, expiry := time.NewTicker(c.opts.AbortInterval), time.NewTicker(c.opts.ExpireInterval)
	defer aborts.Stop()
	defer expiry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-aborts.C:
			for _, s := range c.host.All() {
				s.abortLate(ctx)
			}
		case <-expiry.C:
			for _, s := range c.host.All() {
				s.expire()
			}
		}
	}
}

// abortLate aborts the transactions of the shard that last too long. Nobody waits for
// their markers: what fails is found again.
func (s *shard) abortLate(ctx context.Context) {
	level := s.coordinator.opts.Level()
	for _, id := range s.late() {
		o, _ := s.step(ctx, id, func(st *txn.State, newID, nowMs int64) txn.Outcome {
			if st == nil {
				return refuse(protocol.InvalidProducerIDMapping)
			}
			return txn.Timeout(st, newID, level, nowMs)
		})
		if o.End != nil {
			s.coordinator.metrics.timeouts.Inc()
			s.coordinator.opts.Logger.Info("transaction aborted, since it lasted too long",
				zap.String("id", id), zap.Int64("producer", o.End.ProducerID), zap.Int("partitions", len(o.End.Partitions)))
		}
	}
}

func (s *shard) late() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.coordinator.nowMs()
	var ids []string
	for id, e := range s.entries {
		if e.state != nil && e.state.TimedOut(now) {
			ids = append(ids, id)
		}
	}
	return ids
}

// expire removes ids that nobody has used for long.
func (s *shard) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status() != protocol.None {
		return
	}
	now := s.coordinator.nowMs()
	for id, e := range s.entries {
		if e.state != nil && e.state.Expired(now, s.coordinator.opts.Expiration.Milliseconds()) {
			s.coordinator.metrics.expired.Inc()
			s.enqueue(newWrite(e, nil, txn.Tombstone(id)))
		}
	}
}
