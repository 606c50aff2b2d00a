package log

import (
	"context"
	"errors"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// item is a batch with its place in a pack.
type item struct {
	entry  pack.Entry
	bytes  []byte
	buf    *buffer.Buf
	part   *Partition
	ticket *Ticket
	slot   int
}

// follower is a duplicate whose original is in a pack that is not durable yet: it
// shares the original's outcome.
type follower struct {
	ticket *Ticket
	slot   int
	result Result
}

// batchPack is a pack in the making or in flight.
type batchPack struct {
	seq       uint64
	items     []item
	followers []follower
	bytes     int
	born      int64 // monotonic ns; when its first batch came
}

// Append gives a batch its offset and its place in the open pack; the slot's
// result comes when that pack is durable, or at once if the batch is refused. It
// waits for room (ctx bounds that) and for nothing else. It takes over one hold on
// b.Buf.
func (a *Appender) Append(ctx context.Context, t *Ticket, slot int, p *Partition, b Batch) {
	l := a.log
	l.mu.Lock()
	err := l.ready(p)
	if err == nil {
		if err = l.admit(ctx, len(b.Bytes)); err == nil {
			err = l.ready(p) // it may have changed while we waited
		}
	}
	if err != nil {
		l.mu.Unlock()
		b.Buf.Release()
		t.Fail(slot, err)
		return
	}
	result, decided := l.place(t, slot, p, &b)
	l.mu.Unlock()
	if decided {
		b.Buf.Release()
		t.finish(slot, result)
		return
	}
	l.kickCommitter()
}

// ready says why nothing can be appended, if so. The caller holds l.mu.
func (l *Log) ready(p *Partition) error {
	switch {
	case p.deleted:
		return protocol.UnknownTopicOrPartition
	case l.closed:
		return protocol.NotLeaderOrFollower
	case l.failing || l.behind:
		return protocol.KafkaStorageError
	}
	return nil
}

// place runs the producer check and puts the batch into the open pack. It returns
// a result when the batch's fate is decided already. The caller holds l.mu.
func (l *Log) place(t *Ticket, slot int, p *Partition, b *Batch) (Result, bool) {
	if !b.Coordinator {
		dup, err := p.state.Check(&b.Header)
		if err != nil {
			return Result{Err: err, BaseOffset: -1, LogAppendTime: -1, LogStart: p.logStart.Load()}, true
		}
		if dup != nil {
			r := Result{BaseOffset: dup.BaseOffset, LogAppendTime: dup.Timestamp, LogStart: p.logStart.Load()}
			if dup.Pack <= l.durable {
				return r, true
			}
			l.follow(dup.Pack, follower{t, slot, r})
			b.Buf.Release()
			return Result{}, false
		}
	}
	e := entryOf(p.id, &b.Header, len(b.Bytes))
	e.BaseOffset, e.LeaderEpoch, e.AppendTime = p.state.NextOffset(), p.leaderEpoch, l.now().UnixMilli()
	if err := p.state.Apply(&e, l.open.seq, l.durable); err != nil {
		// The offset and the epoch come from the state itself: it is broken.
		panic(err)
	}
	record.SetOffset(b.Bytes, e.BaseOffset, e.LeaderEpoch)
	if len(l.open.items) == 0 {
		l.open.born = l.monotonic()
	}
	l.open.items = append(l.open.items, item{e, b.Bytes, b.Buf, p, t, slot})
	l.open.bytes += len(b.Bytes)
	return Result{}, false
}

// follow hangs a duplicate onto the pack that holds its original.
func (l *Log) follow(seq uint64, f follower) {
	if l.open.seq == seq {
		l.open.followers = append(l.open.followers, f)
		return
	}
	for _, x := range l.inFlight {
		if x.pack.seq == seq {
			x.pack.followers = append(x.pack.followers, f)
			return
		}
	}
	panic(errors.New("log: a batch that is not durable lies in no pack in flight"))
}

// entryOf describes a validated batch for the pack's index.
func entryOf(id pack.PartitionID, h *record.Header, length int) pack.Entry {
	e := pack.Entry{
		ID:              id,
		LastOffsetDelta: h.LastOffsetDelta,
		Records:         h.Records,
		BaseTimestamp:   h.BaseTimestamp,
		MaxTimestamp:    h.MaxTimestamp,
		ProducerID:      h.ProducerID,
		ProducerEpoch:   h.ProducerEpoch,
		BaseSequence:    h.BaseSequence,
		Attributes:      h.Attributes,
		CRC:             h.CRC,
		Length:          int32(length),
	}
	if h.LogAppendTime() {
		e.Flags |= pack.FlagLogAppendTime
	}
	if h.Transactional() {
		e.Flags |= pack.FlagTransactional
	}
	if h.Control() {
		e.Flags |= pack.FlagControl
	}
	return e
}

// resultOf is the answer to a batch that became durable.
func (it *item) resultOf() Result {
	r := Result{BaseOffset: it.entry.BaseOffset, LogAppendTime: -1, LogStart: it.part.logStart.Load()}
	if it.entry.Flags&pack.FlagLogAppendTime != 0 {
		r.LogAppendTime = it.entry.MaxTimestamp
	}
	return r
}
