package upkeep

import (
	"bytes"
	"context"
	"fmt"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

const (
	// readBytes is how much of a partition is read at once while it is compacted.
	readBytes = 1 << 20
	// recordBytesMax bounds one record of an internal topic, decompressed.
	recordBytesMax = 64 << 20
	// heldBytes is how much of a partition is kept in memory for the second reading.
	heldBytes = 4 << 20
	// packBytes is where a pack of compacted batches ends.
	packBytes = 1 << 20
)

// compaction rewrites one internal partition to the latest record per key. It reads
// the partition twice, so that its memory is what is live, one read and heldBytes.
//
// Offsets stay what they are, and so do first and last offset of each batch that
// keeps a record. The last record stays whatever it is: it says how far the partition was
// lifted. Of transactions, all of which are decided up to c.upTo, aborted records go and
// committed ones become plain, so that no marker is needed: the latest of a key is the
// one with the highest offset, whenever it was committed, as it is for the coordinator.
type compaction struct {
	u      *Upkeep
	id     pack.PartitionID
	from   int64 // first offset
	upTo   int64 // last offset
	lifted int64 // last offset that was lifted before

	latest    map[string]*int64 // key -> offset of its latest record
	decisions decisions
	held      [][]byte // what was read first, up to heldBytes
}

// kept is what a compaction left.
type kept struct {
	batches int
	bytes   int64
}

// run adds what is live to the plan.
func (c *compaction) run(ctx context.Context, plan *segment.Plan) (kept, error) {
	c.latest = make(map[string]*int64)
	if err := c.each(ctx, c.note); err != nil {
		return kept{}, err
	}
	if err := c.decide(ctx); err != nil {
		return kept{}, err
	}
	w := liftWriter{id: c.id, plan: plan}
	err := c.again(ctx, func(b record.Batch) error {
		out, err := c.live(b)
		if err != nil || out == nil {
			return err
		}
		return w.add(out)
	})
	if err != nil {
		return kept{}, err
	}
	w.flush()
	return w.kept, nil
}

// each calls fn for every batch from c.from to c.upTo, and holds what it reads as long
// as it is little.
func (c *compaction) each(ctx context.Context, fn func(record.Batch) error) error {
	held := 0
	return c.read(ctx, c.from, fn, func(b []byte) {
		if held += len(b); held <= heldBytes {
			c.held = append(c.held, b)
		}
	})
}

// again calls fn for the same batches once more.
func (c *compaction) again(ctx context.Context, fn func(record.Batch) error) error {
	at := c.from
	for _, b := range c.held {
		next, err := c.batches(b, at, fn)
		if err != nil || next > c.upTo {
			return err
		}
		at = next
	}
	return c.read(ctx, at, fn, func([]byte) {})
}

// read calls fn for every batch from an offset to c.upTo, and note for what it reads.
func (c *compaction) read(ctx context.Context, at int64, fn func(record.Batch) error, note func([]byte)) error {
	for at <= c.upTo {
		b, err := c.u.cfg.Log.ReadBatches(ctx, c.id, at, readBytes)
		if err != nil {
			return fmt.Errorf("read from offset %d: %w", at, err)
		}
		note(b)
		next, err := c.batches(b, at, fn)
		if err != nil {
			return err
		}
		if next == at {
			return nil // nothing but a gap up to the end
		}
		at = next
	}
	return nil
}

// batches calls fn for the batches of one read and returns the offset behind them.
func (c *compaction) batches(b []byte, at int64, fn func(record.Batch) error) (next int64, err error) {
	for batch, err := range record.Batches(b) {
		if err != nil {
			return 0, fmt.Errorf("batch behind offset %d: %w", at, err)
		}
		if batch.Header.BaseOffset > c.upTo {
			return c.upTo + 1, nil
		}
		if err := fn(batch); err != nil {
			return 0, err
		}
		at = batch.Header.LastOffset() + 1
	}
	return at, nil
}

// note remembers the latest offset of each key of the batch.
func (c *compaction) note(b record.Batch) error {
	switch {
	case b.Header.Control():
		return c.end(b)
	case b.Header.Transactional():
		return c.decisions.add(b)
	}
	return eachKey(b, func(key []byte, offset int64) {
		if at := c.latest[string(key)]; at != nil {
			*at = max(*at, offset)
			return
		}
		c.latest[string(key)] = &offset
	})
}

// end takes in a marker: what it commits counts.
func (c *compaction) end(b record.Batch) error {
	committed, err := c.decisions.end(b)
	for key, offset := range committed {
		if at := c.latest[key]; at != nil {
			*at = max(*at, offset)
			continue
		}
		c.latest[key] = &offset
	}
	return err
}

// live returns the batch with the records that are live, or nil if none is. The bytes
// are the caller's.
func (c *compaction) live(b record.Batch) ([]byte, error) {
	h := &b.Header
	last := h.LastOffset() >= c.upTo
	if h.Control() {
		if last {
			return bytes.Clone(b.Bytes), nil
		}
		return nil, nil
	}
	aborted := h.Transactional() && c.decisions.isAborted(h)
	before := c.u.cfg.Now().Add(-c.u.cfg.TombstoneGrace).UnixMilli()
	out, n, err := record.Filter(nil, b.Bytes, func(r *record.Record) bool {
		if aborted {
			return false
		}
		if r.Offset == c.upTo {
			return true
		}
		at := c.latest[string(r.Key)]
		if at == nil || *at != r.Offset {
			return false
		}
		// A tombstone has done its work once it was lifted and whoever was loading
		// then is done: everything it deletes is gone from the log with this lift.
		return r.Value != nil || r.Offset > c.lifted || r.Timestamp > before
	})
	if err != nil {
		return nil, fmt.Errorf("compact the batch at offset %d: %w", h.BaseOffset, err)
	}
	if n == 0 && !(aborted && last) {
		return nil, nil
	}
	if h.Transactional() {
		record.SetPlain(out)
	}
	return out, nil
}

// liftWriter puts the batches of one partition into packs in memory and those into
// the plan.
type liftWriter struct {
	id      pack.PartitionID
	plan    *segment.Plan
	builder pack.Builder
	kept    kept
}

func (w *liftWriter) add(b []byte) error {
	e, err := entryOf(w.id, b)
	if err != nil {
		return err
	}
	w.builder.Add(e, b)
	w.kept.batches++
	w.kept.bytes += int64(len(b))
	if w.builder.Size() >= packBytes {
		w.flush()
	}
	return nil
}

func (w *liftWriter) flush() {
	if w.builder.Len() == 0 {
		return
	}
	bufs, index := w.builder.Encode(pack.Header{})
	src := bytes.NewReader(bytes.Join(bufs, nil))
	for id, x := range index.Extents(0) {
		w.plan.Add(src, id, x, x.MaxTimestamp)
	}
	w.builder.Reset()
}

// entryOf describes a stored batch by what is in it.
func entryOf(id pack.PartitionID, b []byte) (pack.Entry, error) {
	h, err := record.ParseHeader(b)
	if err != nil {
		return pack.Entry{}, err
	}
	e := pack.Entry{
		ID:              id,
		LeaderEpoch:     h.LeaderEpoch,
		BaseOffset:      h.BaseOffset,
		LastOffsetDelta: h.LastOffsetDelta,
		Records:         h.Records,
		BaseTimestamp:   h.BaseTimestamp,
		MaxTimestamp:    h.MaxTimestamp,
		AppendTime:      h.MaxTimestamp,
		ProducerID:      h.ProducerID,
		ProducerEpoch:   h.ProducerEpoch,
		BaseSequence:    h.BaseSequence,
		Attributes:      h.Attributes,
		CRC:             h.CRC,
	}
	if h.Transactional() {
		e.Flags |= pack.FlagTransactional
	}
	if h.LogAppendTime() {
		e.Flags |= pack.FlagLogAppendTime
	}
	if !h.Control() {
		return e, nil
	}
	e.Flags |= pack.FlagControl
	m, err := record.ParseMarker(b)
	if err != nil {
		return e, err
	}
	if e.CoordinatorEpoch = m.CoordinatorEpoch; m.Commit {
		e.Flags |= pack.FlagMarkerCommit
	} else {
		e.Flags |= pack.FlagMarkerAbort
	}
	return e, nil
}
