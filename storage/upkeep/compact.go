package upkeep

import (
	"bytes"
	"context"
	"fmt"
	"math"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/compact"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

const (
	// readBytes is how much of a partition is read at once while it is compacted.
	readBytes = 1 << 20
	// heldBytes is how much of a partition is kept in memory for the second reading.
	heldBytes = 4 << 20
	// packBytes is where a pack of compacted batches ends.
	packBytes = 1 << 20
)

// compaction rewrites one internal partition to the latest record per key, by the rules of
// compact.Plain. What a former lift has left has one record per key, so only what came after it is
// read for its keys; then all of it is rewritten. Memory is 16 bytes for each key that came, one
// read and heldBytes; the coordinator holds all keys and values.
//
// Offsets stay what they are, and so do first and last offset of each batch that
// keeps a record.
type compaction struct {
	u      *Upkeep
	id     pack.PartitionID
	from   int64 // first offset
	upTo   int64 // last offset
	lifted int64 // last offset that was lifted before

	aborted []pack.Aborted
	held    [][]byte // what came after lifted, from the beginning on, up to heldBytes
}

// kept is what a compaction left.
type kept struct {
	batches int
	bytes   int64
}

// run adds what is live to the plan.
func (c *compaction) run(ctx context.Context, plan *segment.Plan) (kept, error) {
	latest, err := c.keys(ctx)
	if err != nil {
		return kept{}, err
	}
	rules := compact.NewPlain(compact.PlainRules{
		Superseded: latest.Superseded, Aborted: c.aborted, Last: c.upTo,
		Rewritten: c.lifted, Before: c.u.cfg.Now().Add(-c.u.cfg.TombstoneGrace).UnixMilli(),
	})
	w := liftWriter{id: c.id, plan: plan}
	err = c.all(ctx, func(b record.Batch) error {
		out, err := rules.Batch(nil, &b)
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

// keys reads what was not lifted yet for its keys, and holds it as long as it is little.
func (c *compaction) keys(ctx context.Context) (*compact.Map, error) {
	base := max(c.from, c.lifted+1)
	latest := compact.NewMap(seed(), base, math.MaxInt64)
	voids := compact.NewVoids(c.aborted)
	held := 0
	err := c.read(ctx, base, c.upTo, func(b record.Batch) error {
		if voids.Void(&b.Header) || b.Header.Control() {
			return nil
		}
		return compact.Keys(&b, func(key []byte, offset int64) error {
			if offset < base {
				return nil // of a batch that the log start divides
			}
			_, err := latest.Put(key, offset)
			return err
		})
	}, func(b []byte) {
		if held += len(b); held <= heldBytes {
			c.held = append(c.held, b)
		}
	})
	return latest, err
}

// all calls fn for every batch: what was lifted before, what is held, and the rest.
func (c *compaction) all(ctx context.Context, fn func(record.Batch) error) error {
	at := max(c.from, c.lifted+1)
	if err := c.read(ctx, c.from, at-1, fn, func([]byte) {}); err != nil {
		return err
	}
	for _, b := range c.held {
		next, err := c.batches(b, at, c.upTo, fn)
		if err != nil || next > c.upTo {
			return err
		}
		at = next
	}
	return c.read(ctx, at, c.upTo, fn, func([]byte) {})
}

// read calls fn for every batch from an offset to another, both included, and note for what it
// reads.
func (c *compaction) read(ctx context.Context, at, upTo int64, fn func(record.Batch) error, note func([]byte)) error {
	for at <= upTo {
		b, err := c.u.cfg.Log.ReadBatches(ctx, c.id, at, readBytes)
		if err != nil {
			return fmt.Errorf("read from offset %d: %w", at, err)
		}
		note(b)
		next, err := c.batches(b, at, upTo, fn)
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

// batches calls fn for the batches of one read, each compared with its checksum, since what is
// rewritten gets a new one, and returns the offset behind them.
func (c *compaction) batches(b []byte, at, upTo int64, fn func(record.Batch) error) (next int64, err error) {
	for batch, err := range record.Batches(b) {
		if err != nil {
			return 0, fmt.Errorf("batch behind offset %d: %w", at, err)
		}
		if batch.Header.BaseOffset > upTo {
			return upTo + 1, nil
		}
		if err := record.CheckCRC(&batch); err != nil {
			return 0, err
		}
		if err := fn(batch); err != nil {
			return 0, err
		}
		at = batch.Header.LastOffset() + 1
	}
	return at, nil
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
