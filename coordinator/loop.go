package coordinator

import (
	"context"
	"sync"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// Run is the life of a shard: load, work, drain.
func (s *shard) Run(ctx context.Context) {
	p, ok := s.load(ctx)
	if !ok {
		s.stop()
		return
	}
	defer p.Close()
	appends, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var writer sync.WaitGroup
	writer.Go(func() { s.write(appends, ctx.Done(), p) })
	s.loop(ctx)
	cancel()
	writer.Wait()
	s.stop()
}

// loop applies what became durable and does what time brings. When ctx ends it
// answers those who wait and stays until nothing is in flight or the time that a
// commit may take is over.
func (s *shard) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	done, over := ctx.Done(), (<-chan time.Time)(nil)
	for {
		s.mu.Lock()
		s.settle()
		now := s.now()
		s.overdue(now)
		if done != nil {
			s.tick(now)
			timer.Reset(s.untilNext(now))
		}
		drained := done == nil && len(s.queue) == 0 && len(s.inFlight) == 0
		s.mu.Unlock()
		if drained {
			return
		}
		select {
		case <-s.wake:
		case <-timer.C:
		case <-done:
			done, over = nil, time.After(s.coordinator.opts.CommitTimeout)
			s.dismiss()
		case <-over:
			return
		}
	}
}

// tick does what is due. The caller holds s.mu.
func (s *shard) tick(now time.Time) {
	for {
		e := s.timers.first()
		if e == nil || e.due.After(now) {
			break
		}
		s.timers.remove(e)
		s.finish(e, e.group.Tick(now), nil)
		s.removeVoid(e)
	}
	due := !now.Before(s.nextExpiry)
	if due {
		s.nextExpiry = now.Add(s.coordinator.opts.RetentionCheck)
		s.expire(now)
	}
	if due || s.sweep {
		s.sweep = false
		s.forgetTopics(now)
	}
}

// untilNext is how long the loop may sleep.
func (s *shard) untilNext(now time.Time) time.Duration {
	next := s.nextExpiry
	if e := s.timers.first(); e != nil && e.due.Before(next) {
		next = e.due
	}
	if queued, ok := s.oldest(); ok {
		if due := queued.Add(s.coordinator.opts.CommitTimeout); due.Before(next) {
			next = due
		}
	}
	return max(next.Sub(now), 0)
}

// dismiss refuses new requests and sends away those that wait for others: they find
// the group again when the broker is back.
func (s *shard) dismiss() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for w, c := range s.waiters {
		delete(s.waiters, w)
		close(c)
	}
}

// stop ends what is left when the shard's goroutines are gone.
func (s *shard) stop() {
	s.dismiss()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.inFlight {
		for _, sp := range b.spans {
			s.drop(sp.write)
		}
	}
	for _, w := range s.queue {
		s.drop(w)
	}
	s.inFlight, s.queue = nil, nil
	s.forgetMetrics()
}

// drop tells those who wait for a write that its outcome is unknown.
func (s *shard) drop(w *write) {
	if w.done != nil {
		w.done(protocol.CoordinatorNotAvailable)
		w.done = nil
	}
}

// forgetMetrics takes the shard's groups out of the coordinator's counts.
func (s *shard) forgetMetrics() {
	for _, e := range s.groups {
		s.coordinator.groups.Add(-1)
		s.coordinator.memberBytes.Add(-e.memberBytes)
		s.coordinator.census.move(e.counted, counted{})
	}
	s.groups = make(map[string]*entry)
	s.timers = timers{}
}

// Loaded is closed when the groups are there.
func (s *shard) Loaded() <-chan struct{} { return s.loaded }
