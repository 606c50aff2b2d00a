package transactions

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// entry is one transactional id.
type entry struct {
	id     string
	state  *txn.State // with all that is queued; nil: the id is being removed
	stored *txn.State // as a restart would find it; nil: there is none
	last   *write     // the latest that is not durable, or nil
}

// shard owns the transactional ids of one partition of __transaction_state.
type shard struct {
	coordinator *Coordinator
	id          pack.PartitionID
	leaderEpoch int32
	loadedOnce  sync.Once
	loaded      chan struct{} // closed when the state is there for the first time
	wake        chan struct{} // something for the loop: an append's outcome is known
	queued      chan struct{} // something for the writer

	mu       sync.Mutex
	ready    bool
	closed   bool // the broker stops, or the topic is gone
	failed   bool // an append failed: what is in memory may not be in the log
	entries  map[string]*entry
	queue    []*write  // in order; not appended yet
	inFlight []*flight // in the log's order

	// Set by each load, and read by the writer it starts.
	partition Partition
	guard     log.Guard
}

func newShard(c *Coordinator, topic shards.Topic, partition int32) *shard {
	id := pack.PartitionID{Topic: topic.ID, Partition: partition}
	epoch, _ := c.topics.LeaderEpoch(id) // deleted meanwhile: the log says so
	return &shard{
		coordinator: c,
		id:          id,
		leaderEpoch: epoch,
		loaded:      make(chan struct{}),
		wake:        make(chan struct{}, 1),
		queued:      make(chan struct{}, 1),
		entries:     make(map[string]*entry),
	}
}

// Loaded is closed when the transactions are there for the first time.
func (s *shard) Loaded() <-chan struct{} { return s.loaded }

// status says why no request can be served, if so. The caller holds s.mu.
func (s *shard) status() protocol.Code {
	switch {
	case s.closed:
		return protocol.NotCoordinator
	case !s.ready || s.failed:
		return protocol.CoordinatorLoadInProgress
	}
	return protocol.None
}

// Run is the life of the shard: it loads, works, and loads again whenever an append has
// failed, until ctx ends; then it drains.
func (s *shard) Run(ctx context.Context) {
	for s.load(ctx) {
		s.work(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(shards.RetryMin): // the journal needs a moment, too
			continue
		}
		break
	}
	s.stop()
}

// work runs writer and loop until ctx has ended and all is durable, or an append failed.
func (s *shard) work(ctx context.Context) {
	appends, cancel := context.WithCancel(context.WithoutCancel(ctx))
	quit := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { s.write(appends, quit) })
	s.loop(ctx)
	cancel()
	close(quit)
	writer.Wait()
	s.drain(ctx)
}

// loop takes note of what became durable. When ctx ends it stays until nothing is on its
// way or the time that an answer may take is over.
func (s *shard) loop(ctx context.Context) {
	done, over := ctx.Done(), (<-chan time.Time)(nil)
	for {
		s.settle()
		s.mu.Lock()
		drained := s.closed && len(s.queue) == 0 && len(s.inFlight) == 0
		failed := s.failed
		s.mu.Unlock()
		if drained || failed {
			return
		}
		select {
		case <-s.wake:
		case <-done:
			done, over = nil, time.After(s.coordinator.opts.AnswerTimeout)
			s.close()
		case <-over:
			return
		}
	}
}

// close refuses requests from now on.
func (s *shard) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// settle takes note of the appends whose outcome is known, in the log's order, up to the
// first that failed.
func (s *shard) settle() {
	for {
		f := s.landed()
		if f == nil {
			return
		}
		for _, m := range f.markers {
			if m.Topic == offsetsTopic {
				s.coordinator.offsets.TransactionEnded(m.Partition, f.end.ProducerID, f.end.Commit)
			}
		}
		for _, w := range f.writes {
			w.finish(protocol.None)
		}
	}
}

// landed takes the first flight out that is durable, and makes its changes visible; nil
// if there is none.
func (s *shard) landed() *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.inFlight) == 0 || !s.inFlight[0].over() {
		return nil
	}
	f := s.inFlight[0]
	if err := f.err(); err != nil {
		s.failed = true
		s.coordinator.opts.Logger.Warn("appending transactions failed, loading them anew",
			zap.Int32("partition", s.id.Partition), zap.Error(err))
		return nil
	}
	s.inFlight = s.inFlight[1:]
	if len(s.inFlight) == 0 {
		s.inFlight = nil
	}
	for _, w := range f.writes {
		s.land(w)
	}
	return f
}

// land makes a durable change visible. The caller holds s.mu.
func (s *shard) land(w *write) {
	e := w.entry
	s.coordinator.metrics.move(e.stored, w.state)
	e.stored = w.state
	s.coordinator.metrics.count(w)
	if e.last != w {
		return
	}
	e.last = nil
	if e.state == nil {
		delete(s.entries, e.id)
		s.coordinator.known.Add(-1)
	}
}

// drain answers those who wait for what this run of the shard will not know: the writer
// has ended. After a failure it waits until the log has given every append its outcome,
// so that what is read next does not change any more.
func (s *shard) drain(ctx context.Context) {
	s.mu.Lock()
	flights, queue := s.inFlight, s.queue
	s.inFlight, s.queue, s.ready = nil, nil, false
	s.mu.Unlock()
	for _, f := range flights {
		code := protocol.CoordinatorNotAvailable
		select {
		case <-f.done:
			if err := f.err(); err != nil {
				code = shards.StoreCode(err)
			}
		case <-ctx.Done():
		}
		for _, w := range f.writes {
			w.finish(code)
		}
	}
	for _, w := range queue {
		w.place(protocol.NotCoordinator)
		w.finish(protocol.NotCoordinator)
	}
}

// stop is the shard's end: it is no part of the counts any more.
func (s *shard) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.forget()
}

// forget drops the ids. The caller holds s.mu.
func (s *shard) forget() {
	s.coordinator.known.Add(-int64(len(s.entries)))
	for _, e := range s.entries {
		s.coordinator.metrics.move(e.stored, nil)
	}
	s.entries = make(map[string]*entry)
}
