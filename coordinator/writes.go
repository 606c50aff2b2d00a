package coordinator

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
)

type changeKind int8

const (
	storesGroup changeKind = iota
	storesOffset
	removesOffset
	removesGroup
)

// change is one record on its way to disk, and what it does once it is there.
type change struct {
	kind      changeKind
	record    group.Record
	token     uint64 // storesGroup
	topic     string // offsets
	partition int32
	offset    group.Offset // storesOffset
}

// write is the records of one request or step. They may span batches; the answers
// wait for the last and are errors if one of them failed.
type write struct {
	entry   *entry
	txn     *Txn // nil: not part of a transaction
	guard   log.Guard
	queued  time.Time
	overdue bool // it took too long and was answered so
	changes []change
	next    int // changes before it have been put into a batch
	settled int // changes whose outcome is known
	code    protocol.Code
	replies []group.Reply
	done    func(protocol.Code) // must not block; called with the shard's mutex held
}

func (w *write) add(c change) { w.changes = append(w.changes, c) }

// span is a run of one write's changes in a batch.
type span struct {
	write    *write
	from, to int
}

// batch is a batch that was appended, with what lies in it.
type batch struct {
	spans    []span
	txn      *Txn // whose offsets it holds, alone
	guard    log.Guard
	finished bool
	base     int64 // offset of its first record
	err      error
}

// enqueue gives records their place in the log's order. The caller holds s.mu.
func (s *shard) enqueue(w *write) {
	w.entry.writes++
	w.queued = s.now()
	for i := range w.changes {
		if c := &w.changes[i]; c.kind == storesOffset || c.kind == removesOffset {
			w.entry.offsets.Begin(c.topic, c.partition)
		}
	}
	if len(w.changes) == 0 || s.closed {
		s.settleUnwritten(w)
		return
	}
	s.queue = append(s.queue, w)
	shards.Kick(s.queued)
}

// settleUnwritten ends a write that has nothing to append, or no log any more.
func (s *shard) settleUnwritten(w *write) {
	code := protocol.None
	if len(w.changes) > 0 {
		code = protocol.NotCoordinator
	}
	for i := range w.changes {
		s.apply(w, &w.changes[i], code)
	}
	s.complete(w, code)
}

// write is the writer: it appends what is queued, batch by batch, and never waits
// for durability. It ends once quit is closed and the queue is empty. When ctx ends,
// appends that wait for room fail.
func (s *shard) write(ctx context.Context, quit <-chan struct{}, p Partition) {
	b := shards.NewBatches()
	shards.Write(s.queued, quit, func() bool {
		next, more := s.nextBatch(b)
		if next != nil {
			s.append(ctx, p, b, next)
		}
		return next != nil || more
	}, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed = true // what comes now is refused, not queued
		return len(s.queue) == 0
	})
}

// nextBatch fills b from the queue and puts the batch in flight. With a record that
// no batch can hold it returns nothing and true: that record has failed.
func (s *shard) nextBatch(b *shards.Batches) (next *batch, more bool) {
	limit := shards.BatchMax(s.coordinator.topics, TopicName, s.coordinator.opts.BatchMax)
	fill := min(limit, batchFill)
	s.mu.Lock()
	defer s.mu.Unlock()
	b.Begin()
	now := s.wall(s.now())
	next = &batch{}
	for len(s.queue) > 0 {
		w := s.queue[0]
		if b.Len() > 0 && (next.txn != nil || w.txn != nil) {
			break
		}
		next.begin(b, w)
		from := w.next
		for ; w.next < len(w.changes); w.next++ {
			r := &w.changes[w.next].record
			if !b.Takes(r.Key, r.Value, fill) {
				break
			}
			b.Add(now, r.Key, r.Value)
		}
		if w.next > from {
			next.spans = append(next.spans, span{w, from, w.next})
		}
		if w.next < len(w.changes) {
			break
		}
		s.queue[0] = nil
		s.queue = s.queue[1:]
	}
	if len(s.queue) == 0 {
		s.queue = nil
	}
	if b.Len() == 0 {
		return nil, false
	}
	s.inFlight = append(s.inFlight, next)
	if b.Size() > limit {
		s.coordinator.complaints.Say("a record of a group is larger than max.message.bytes of "+TopicName+" allows",
			zap.String("group", next.spans[0].write.entry.group.ID()), zap.Int("bytes", b.Size()), zap.Int("allowed", limit))
		next.finished, next.err = true, protocol.MessageTooLarge
		shards.Kick(s.wake)
		return nil, true
	}
	return next, true
}

// begin gives an empty batch the producer of the write that comes first.
func (next *batch) begin(b *shards.Batches, w *write) {
	if b.Len() > 0 {
		return
	}
	next.txn, next.guard = w.txn, w.guard
	if w.txn != nil {
		b.Within(w.txn.producer())
	}
}

// batchFill is where a batch ends, in bytes.
const batchFill = shards.BatchFill

func (s *shard) append(ctx context.Context, p Partition, b *shards.Batches, next *batch) {
	ticket := log.NewTicket(1, func(t *log.Ticket) { s.appended(next, &t.Results()[0]) })
	built := b.Batch(next.guard)
	built.Unconfirmed = next.txn != nil && next.txn.Join == nil
	// The answers have a timeout of their own; a record that waits keeps its place.
	p.Append(ctx, ticket, built)
}

// appended notes a batch's outcome. It runs on the log's committer and only leaves
// word.
func (s *shard) appended(b *batch, r *log.Result) {
	s.mu.Lock()
	b.finished, b.base, b.err = true, r.BaseOffset, r.Err
	s.mu.Unlock()
	shards.Kick(s.wake)
}

// settle applies the batches whose outcome is known, in the log's order. The caller
// holds s.mu.
func (s *shard) settle() {
	for len(s.inFlight) > 0 && s.inFlight[0].finished {
		b := s.inFlight[0]
		s.inFlight[0] = nil
		s.inFlight = s.inFlight[1:]
		code := shards.StoreCode(b.err)
		at := b.base
		for _, sp := range b.spans {
			for i := sp.from; i < sp.to; i++ {
				sp.write.changes[i].offset.At = at
				at++
				s.apply(sp.write, &sp.write.changes[i], code)
			}
			sp.write.settled += sp.to - sp.from
			if code != protocol.None {
				sp.write.code = code
			}
			if sp.write.settled == len(sp.write.changes) {
				s.complete(sp.write, sp.write.code)
			}
		}
	}
	if len(s.inFlight) == 0 {
		s.inFlight = nil
	}
}

// apply makes a durable record visible, or takes back what a failed one announced.
func (s *shard) apply(w *write, c *change, code protocol.Code) {
	e, ok := w.entry, code == protocol.None
	switch c.kind {
	case storesGroup:
		e.recorded = e.recorded || ok
		fx := e.group.Stored(s.now(), c.token, code)
		s.finish(e, fx, nil)
	case storesOffset:
		switch {
		case ok && w.txn != nil:
			e.offsets.SetPending(w.txn.ProducerID, c.topic, c.partition, c.offset)
			s.joined(w.txn.ProducerID, e)
		case ok:
			e.offsets.Set(c.topic, c.partition, c.offset)
		}
		e.offsets.End(c.topic, c.partition)
	case removesOffset:
		if ok {
			e.offsets.Delete(c.topic, c.partition)
		}
		e.offsets.End(c.topic, c.partition)
	case removesGroup:
		if ok {
			e.recorded = false
		} else {
			e.group.Revive()
		}
	}
}

// overdue answers writes that have taken longer than a commit may. What becomes of
// their records is seen later, as after a restart; nobody is told.
func (s *shard) overdue(now time.Time) {
	limit := s.coordinator.opts.CommitTimeout
	if queued, ok := s.oldest(); !ok || now.Sub(queued) < limit {
		return
	}
	for _, w := range s.pending() {
		if w.overdue || now.Sub(w.queued) < limit {
			continue
		}
		w.overdue = true
		code := shards.StoreCode(protocol.RequestTimedOut)
		for i := range w.changes {
			if c := &w.changes[i]; c.kind == storesGroup {
				s.finish(w.entry, w.entry.group.Stored(now, c.token, code), nil)
			}
		}
		s.answer(w, code)
	}
}

// pending lists the writes whose outcome is not known, oldest first.
func (s *shard) pending() []*write {
	var list []*write
	for _, b := range s.inFlight {
		for _, sp := range b.spans {
			if n := len(list); n == 0 || list[n-1] != sp.write {
				list = append(list, sp.write)
			}
		}
	}
	return append(list, s.queue...)
}

// oldest returns when the longest pending write was queued that nobody has been
// answered for.
func (s *shard) oldest() (time.Time, bool) {
	for _, b := range s.inFlight {
		for _, sp := range b.spans {
			if !sp.write.overdue {
				return sp.write.queued, true
			}
		}
	}
	for _, w := range s.queue {
		if !w.overdue {
			return w.queued, true
		}
	}
	return time.Time{}, false
}

// complete ends a write: its answers leave, and a group that is gone is forgotten.
func (s *shard) complete(w *write, code protocol.Code) {
	e := w.entry
	e.writes--
	s.count(e)
	s.answer(w, code)
	if e.writes > 0 {
		return
	}
	if e.group.State() == group.Dead {
		s.bury(e)
		return
	}
	s.removeVoid(e)
}

// answer sends a write's answers, once.
func (s *shard) answer(w *write, code protocol.Code) {
	if code != protocol.None {
		for i := range w.replies {
			w.replies[i].Fail(code)
		}
	}
	s.deliver(w.replies)
	w.replies = nil
	if w.done != nil {
		w.done(code)
		w.done = nil
	}
}

// bury forgets a dead group. What the log still knows of it, because a part of the
// removal failed, stays as a restart would find it: a group that nobody has joined.
func (s *shard) bury(e *entry) {
	if e.offsets.Empty() && !e.recorded {
		s.remove(e)
		return
	}
	e.group = group.New(e.group.ID(), &s.coordinator.opts.Group, s.now(), true)
	s.retime(e)
}
