package transactions

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
)

// write is a change of one id on its way to disk.
type write struct {
	entry  *entry
	state  *txn.State // afterwards; nil: the id is removed
	record txn.Record
	end    *ending // nil: no markers

	// Of the load that the write builds on.
	partition Partition
	guard     log.Guard

	placed  chan struct{} // closed once it has its place in the log, or will get none
	refused protocol.Code // why it got none; valid once placed is closed
	settled chan struct{} // closed once its outcome is known
	code    protocol.Code // of the outcome
}

func newWrite(e *entry, s *txn.State, r txn.Record) *write {
	return &write{entry: e, state: s, record: r, placed: make(chan struct{}), settled: make(chan struct{})}
}

// place and finish are called once each, place first, by whoever has taken the write out
// of queue and flights.
func (w *write) place(refused protocol.Code) {
	w.refused = refused
	close(w.placed)
}

func (w *write) finish(code protocol.Code) {
	w.code = code
	close(w.settled)
}

// await waits for a write to become durable; nil is durable. It takes its course also
// when nobody waits any more.
func (c *Coordinator) await(ctx context.Context, w *write) protocol.Code {
	if w == nil {
		return protocol.None
	}
	timeout := time.NewTimer(c.opts.AnswerTimeout)
	defer timeout.Stop()
	select {
	case <-w.settled:
		return w.code
	case <-timeout.C:
		return shards.StoreCode(protocol.RequestTimedOut)
	case <-ctx.Done():
		return protocol.CoordinatorNotAvailable
	}
}

// enqueue gives a change its place behind all earlier ones, and makes it the id's state.
// The caller holds s.mu.
func (s *shard) enqueue(w *write) {
	w.entry.state, w.entry.last = w.state, w
	w.partition, w.guard = s.partition, s.guard
	s.queue = append(s.queue, w)
	shards.Kick(s.queued)
}

// flight is one append to the log.
type flight struct {
	writes  []*write // that are durable with it
	done    chan struct{}
	results []log.Result // valid once done is closed
	record  int          // index of the batch of records, -1 if there is none
	end     *ending      // that the other batches are markers of
	markers []marker
}

// err is why the append failed. A marker alone does not make it fail: see skipped.
func (f *flight) err() error {
	for i := range f.results {
		if err := f.results[i].Err; err != nil && (i == f.record || !skippable(err)) {
			return err
		}
	}
	return nil
}

// refusal is why the append has failed, if that is known by now: a record that was
// refused has no place, and nothing may be appended as if it had.
func (f *flight) refusal() protocol.Code {
	if !f.over() {
		return protocol.None
	}
	return shards.StoreCode(f.err())
}

func (f *flight) over() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// fits says whether a batch can hold the record of an id.
func (s *shard) fits(id string, r txn.Record) bool {
	c := s.coordinator
	size, limit := shards.BatchSize(r.Key, r.Value), shards.BatchMax(c.topics, TopicName, c.opts.BatchMax)
	if size > limit {
		c.complaints.Say("a record of a transaction is larger than max.message.bytes of "+TopicName+" allows",
			zap.String("id", id), zap.Int("bytes", size), zap.Int("allowed", limit))
	}
	return size <= limit
}

// writer appends to the log for one shard.
type writer struct {
	*shard
	appender Appender
	batches  *shards.Batches
}

// write is the writer: it appends what is queued, and never waits for durability. It
// ends with quit; when ctx ends, appends that wait for room fail.
func (s *shard) write(ctx context.Context, quit <-chan struct{}) {
	w := &writer{s, s.coordinator.log.Appender(), shards.NewBatches()}
	defer w.appender.Close()
	shards.Write(s.queued, quit, func() bool { return w.one(ctx) }, func() bool { return true })
}

// one makes one append of what is queued; false if there is nothing to append.
func (w *writer) one(ctx context.Context) bool {
	batch := w.next()
	if len(batch) == 0 {
		return false
	}
	var f *flight
	if batch[0].end == nil {
		f = w.records(ctx, batch)
	} else {
		f = w.finishTransaction(ctx, batch[0])
	}
	refused := f.refusal()
	for _, x := range batch {
		x.place(refused)
	}
	return true
}

// next takes out of the queue what goes into one append: a transaction that ends, or
// changes without markers.
func (s *shard) next() []*write {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed {
		return nil // what is queued builds on what is lost
	}
	n, size := 0, 0
	for _, w := range s.queue {
		size += shards.RecordSize(w.record.Key, w.record.Value)
		if n > 0 && (w.end != nil || s.queue[0].end != nil || size > shards.BatchFill) {
			break
		}
		n++
	}
	batch := s.queue[:n:n]
	s.queue = s.queue[n:]
	if len(s.queue) == 0 {
		s.queue = nil
	}
	return batch
}

// records appends changes without markers.
func (w *writer) records(ctx context.Context, batch []*write) *flight {
	now := w.coordinator.nowMs()
	w.batches.Begin()
	for _, x := range batch {
		w.batches.Add(now, x.record.Key, x.record.Value)
	}
	return w.append(ctx, &flight{writes: batch, record: 0}, []Append{w.built()})
}

// built is the batch that was built.
func (w *writer) built() Append { return Append{w.partition, w.batches.Batch(w.guard)} }

// append puts batches into the log, all or none of them.
func (w *writer) append(ctx context.Context, f *flight, batches []Append) *flight {
	w.send(ctx, f, batches)
	w.launch(f)
	return f
}

// send appends, unless an earlier append has failed meanwhile. If it is refused, the
// flight is over when send returns.
func (w *writer) send(ctx context.Context, f *flight, batches []Append) {
	f.done = make(chan struct{})
	ticket := log.NewTicket(len(batches), func(t *log.Ticket) {
		f.results = t.Results()
		w.note(f)
		close(f.done)
		shards.Kick(w.wake)
	})
	w.mu.Lock()
	failed := w.failed
	w.mu.Unlock()
	if !failed {
		w.appender.Append(ctx, ticket, batches)
		return
	}
	for i := range batches {
		batches[i].Batch.Buf.Release()
		ticket.Fail(i, protocol.KafkaStorageError)
	}
}

// launch puts a flight among those on their way.
func (w *writer) launch(f *flight) {
	w.mu.Lock()
	w.inFlight = append(w.inFlight, f)
	w.mu.Unlock()
	shards.Kick(w.wake)
}

// note has nothing more appended once an append has failed. It runs on the log's
// committer and only leaves word.
func (w *writer) note(f *flight) {
	if f.err() == nil || f.refused() {
		return
	}
	w.mu.Lock()
	w.failed = true
	w.mu.Unlock()
}
