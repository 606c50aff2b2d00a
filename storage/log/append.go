package log

import (
	"context"
	"errors"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// item is a batch in a pack, besides what the pack's builder knows of it.
type item struct {
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
	seq uint64
	// number tells it from every other pack of this process: a sequence is used again
	// after a roll-back.
	number    uint64
	builder   pack.Builder // entries and bytes of the batches
	items     []item       // what else belongs to them, in the same order
	parts     []*Partition // of each group of the builder
	followers []follower
	bytes     int
	atomic    bool  // it holds an atomic append
	born      int64 // monotonic ns; when its first batch came
	time      int64 // ms; likewise, by appendTime: the append time of its batches
	stamps    bool  // batches of it get that time as their largest timestamp
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
		l.leave()
		b.Buf.Release()
		t.Fail(slot, err)
		return
	}
	result, decided := l.place(t, slot, p, &b)
	// The committer looks again by itself whenever a pack is settled.
	wake := len(l.open.items) == 1 || l.open.bytes >= l.cfg.PackBytes
	l.leave()
	if decided {
		b.Buf.Release()
		t.finish(slot, result)
		return
	}
	if wake {
		l.kickCommitter()
	}
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
	if err := l.standing(b); err != nil {
		return Result{Err: err, BaseOffset: -1, LogAppendTime: -1, LogStart: p.logStart.Load()}, true
	}
	if b.Header.ProducerID >= 0 {
		dup, err := l.checkProducer(p, b)
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
	l.put(t, slot, p, b)
	return Result{}, false
}

// put gives a batch that was checked its offset and its place in the open pack. The
// caller holds l.mu.
func (l *Log) put(t *Ticket, slot int, p *Partition, b *Batch) {
	open := l.open
	if len(open.items) == 0 {
		open.born, open.time = l.monotonic(), l.appendTime(l.now())
	}
	e := entryOf(p.id, &b.Header, len(b.Bytes))
	if b.Marker != nil {
		setMarker(&e, b.Marker)
	}
	e.BaseOffset, e.LeaderEpoch, e.AppendTime = p.state.NextOffset(), p.leaderEpoch, open.time
	if e.Flags&pack.FlagLogAppendTime != 0 {
		// Not what the clock said when the request came: others have got offsets since.
		e.MaxTimestamp, open.stamps = open.time, true
	}
	if err := p.state.Apply(&e, open.seq, l.durable); err != nil {
		// The offset and the epoch come from the state itself: it is broken.
		panic(err)
	}
	record.SetOffset(b.Bytes, e.BaseOffset, e.LeaderEpoch)
	if e.Flags&pack.FlagTransactional != 0 {
		l.placed(p, b)
	}
	open.put(&e, b, item{b.Buf, p, t, slot})
}

// stamp writes the append time into the batches whose topics ask for it. It comes when
// the pack is closed, since the checksum of a batch is too much work for the mutex.
func (p *batchPack) stamp() {
	if !p.stamps {
		return
	}
	for i := range p.items {
		e, b := p.builder.Entry(i), p.builder.Data(i)
		if e.Flags&pack.FlagLogAppendTime == 0 || record.MaxTimestamp(b) == e.MaxTimestamp {
			continue
		}
		p.builder.SetCRC(i, record.SetMaxTimestamp(b, e.MaxTimestamp, true))
	}
}

// newPack begins a pack. The caller holds l.mu and is the committer, or alone.
func (l *Log) newPack(seq uint64) *batchPack {
	p := &batchPack{}
	if n := len(l.spare); n > 0 {
		p, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	l.packs++
	p.seq, p.number = seq, l.packs
	return p
}

// put adds a batch. The caller holds the log's mutex.
func (p *batchPack) put(e *pack.Entry, b *Batch, it item) {
	if it.part.inPack != p.number {
		it.part.inPack, it.part.group = p.number, p.builder.Group(e.ID)
		p.parts = append(p.parts, it.part)
	}
	p.builder.Put(it.part.group, e, b.Bytes)
	p.items = append(p.items, it)
	p.bytes += len(b.Bytes)
}

// reset forgets the batches and keeps the memory.
func (p *batchPack) reset() {
	p.builder.Reset()
	clear(p.items)
	clear(p.parts)
	p.items, p.parts, p.followers, p.bytes, p.atomic, p.stamps = p.items[:0], p.parts[:0], nil, 0, false, false
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

// resultOf is the answer to the pack's i-th batch once it is durable.
func (p *batchPack) resultOf(i int) Result {
	e := p.builder.Entry(i)
	r := Result{BaseOffset: e.BaseOffset, LogAppendTime: -1, LogStart: p.items[i].part.logStart.Load()}
	if e.Flags&pack.FlagLogAppendTime != 0 {
		r.LogAppendTime = e.MaxTimestamp
	}
	return r
}
