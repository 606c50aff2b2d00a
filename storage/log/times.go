package log

import (
	"context"
	"fmt"
	"math"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// MaxTimestamp asks OffsetForTime for the record with the largest timestamp
// (ListOffsets, KIP-734).
const MaxTimestamp = -3

// OffsetForTime finds the first record, in offset order, whose timestamp (ms) is at
// least the one asked for; or, for MaxTimestamp, the first of those with the
// largest. Transaction markers have timestamps too. Records between log start and high
// watermark count; false if there is none, and with committed also if that record lies
// at or above the last stable offset, as in Kafka.
func (l *Log) OffsetForTime(ctx context.Context, p *Partition, timestamp int64, committed bool) (record.TimestampOffset, bool, error) {
	b := p.Bounds()
	s := search{log: l, part: p, from: b.LogStart, end: b.HighWatermark, timestamp: timestamp}
	for attempt := 0; ; attempt++ {
		at, ok, err := s.find(ctx)
		if err == nil && committed && at.Offset >= b.LastStable {
			return record.TimestampOffset{}, false, nil
		}
		if err == nil {
			return at, ok, nil
		}
		if !again(err) || attempt == readAttempts {
			return record.TimestampOffset{}, false, l.readError(p, s.from, err)
		}
	}
}

// TimeAt returns when the record at an offset, or the first one above it, was written (ms):
// the first timestamp of its batch, or when the batch was appended if that has none. It
// reads the index and no records. false at the end of the log.
func (l *Log) TimeAt(ctx context.Context, p *Partition, offset int64) (ms int64, ok bool, err error) {
	b := p.Bounds()
	s := search{log: l, part: p, from: max(offset, b.LogStart), end: b.HighWatermark}
	for attempt := 0; ; attempt++ {
		err := s.each(ctx, math.MinInt64, func(_ *handle, e *pack.Entry, _ int64) (bool, error) {
			if ms, ok = e.BaseTimestamp, true; ms < 0 {
				ms = e.AppendTime
			}
			return true, nil
		})
		if err == nil {
			return ms, ok, nil
		}
		if !again(err) || attempt == readAttempts {
			return 0, false, l.readError(p, s.from, err)
		}
	}
}

// search looks through a partition's extents for a timestamp.
type search struct {
	log       *Log
	part      *Partition
	from, end int64
	timestamp int64
}

func (s *search) find(ctx context.Context) (record.TimestampOffset, bool, error) {
	target := s.timestamp
	if target == MaxTimestamp {
		var ok bool
		var err error
		if target, ok, err = s.largest(ctx); err != nil || !ok {
			return record.TimestampOffset{}, false, err
		}
	}
	var found record.TimestampOffset
	ok := false
	err := s.each(ctx, target, func(h *handle, e *pack.Entry, dataPos int64) (bool, error) {
		at, hit, err := s.inBatch(h, e, dataPos, target)
		if err == nil && hit {
			found, ok = at, true
		}
		return hit, err
	})
	return found, ok, err
}

// largest is the largest timestamp of the batches in range. Slices and extents know their
// own: only in the one that the log start cuts entries are read.
func (s *search) largest(ctx context.Context) (best int64, ok bool, err error) {
	best, slice, cut := s.part.largest(s.from, s.end)
	entry := func(_ *handle, e *pack.Entry, _ int64) (bool, error) {
		best = max(best, e.MaxTimestamp)
		return false, nil
	}
	switch {
	case slice != nil && slice.MaxTimestamp > best:
		err = s.largestIn(ctx, slice, &best, entry)
	case cut != nil && cut.MaxTimestamp > best:
		_, _, err = s.eachOpen([]extent{*cut}, s.from, best+1, entry)
	}
	return best, best >= 0, err
}

// largest returns the largest timestamp of what lies wholly from the offset from on, -1 if
// there is none, and what that offset cuts: a slice, or an extent of the open journal.
func (p *Partition) largest(from, end int64) (best int64, slice *metadata.Slice, cut *extent) {
	best = -1
	p.mu.RLock()
	defer p.mu.RUnlock()
	for i := range p.sealed {
		switch x := p.sealed[i]; {
		case x.LastOffset < from:
		case x.BaseOffset < from:
			slice = &x
		default:
			best = max(best, x.MaxTimestamp)
		}
	}
	p.open.each(func(x *extent) bool {
		switch {
		case x.LastOffset < from || x.BaseOffset >= end:
		case x.BaseOffset < from:
			at := *x
			cut = &at
		default:
			best = max(best, x.MaxTimestamp)
		}
		return true
	})
	return best, slice, cut
}

// largestIn raises best to the largest timestamp in a slice that s.from cuts. entry does
// so with a batch.
func (s *search) largestIn(ctx context.Context, slice *metadata.Slice, best *int64, entry batchFunc) error {
	seg, extents, err := s.extents(ctx, slice)
	if err != nil {
		return err
	}
	var cut *pack.Extent
	for i := range extents {
		switch e := &extents[i]; {
		case e.LastOffset < s.from || e.BaseOffset > slice.LastOffset:
		case e.BaseOffset < s.from:
			cut = e
		default:
			*best = max(*best, e.MaxTimestamp)
		}
	}
	if cut == nil || cut.MaxTimestamp <= *best {
		return nil
	}
	h, err := s.openSegment(ctx, &seg)
	if err != nil {
		return err
	}
	defer h.release()
	if err := s.log.check(h, seg.ID, seg.Key, *cut); err != nil {
		return err
	}
	_, err = s.eachBatch(h, *cut, *best+1, entry)
	return err
}

// extents returns what a slice's segment holds of the partition.
func (s *search) extents(ctx context.Context, slice *metadata.Slice) (metadata.Segment, []pack.Extent, error) {
	l := s.log
	seg, err := l.rows.get(ctx, l.cfg.Store, slice.Segment)
	if err != nil {
		return seg, nil, err
	}
	extents, err := l.cfg.Segments.Extents(ctx, seg, s.part.id)
	if err != nil {
		return seg, nil, fmt.Errorf("index of %s: %w", seg.Key, err)
	}
	return seg, extents, nil
}

func (s *search) openSegment(ctx context.Context, seg *metadata.Segment) (*handle, error) {
	src, err := s.log.cfg.OpenObject(ctx, seg.Key, seg.Bytes)
	if err != nil {
		s.log.rows.forget(seg.ID)
		return nil, fmt.Errorf("open %s: %w", seg.Key, err)
	}
	return newHandle(src), nil
}

// inBatch searches the records of one batch.
func (s *search) inBatch(h *handle, e *pack.Entry, pos, target int64) (record.TimestampOffset, bool, error) {
	b := buffer.Get(int(e.Length))
	defer b.Release()
	if _, err := h.src.ReadAt(b.Bytes(), pos); err != nil {
		return record.TimestampOffset{}, false, fmt.Errorf("read batch at %d: %w", pos, err)
	}
	if h.remote {
		if err := h.verify([]pack.Entry{*e}, b.Bytes()); err != nil {
			return record.TimestampOffset{}, false, err
		}
	}
	at, ok, err := record.FindTimestamp(b.Bytes(), target, s.from)
	if err != nil || !ok || at.Offset >= s.end {
		return record.TimestampOffset{}, false, err
	}
	return at, true, nil
}

// each calls fn for every batch in range whose largest timestamp reaches target, in
// offset order, until fn says stop.
func (s *search) each(ctx context.Context, target int64, fn func(*handle, *pack.Entry, int64) (bool, error)) error {
	at := s.from
	for at < s.end {
		if err := ctx.Err(); err != nil {
			return protocol.RequestTimedOut
		}
		slice, run := s.part.find(at)
		var stop bool
		var err error
		switch {
		case slice != nil:
			at, stop, err = s.eachSealed(ctx, slice, at, target, fn)
		case len(run) > 0:
			at, stop, err = s.eachOpen(run, at, target, fn)
		default:
			return nil
		}
		if err != nil || stop {
			return err
		}
	}
	return nil
}

type batchFunc = func(*handle, *pack.Entry, int64) (bool, error)

func (s *search) eachSealed(ctx context.Context, slice *metadata.Slice, at, target int64, fn batchFunc) (int64, bool, error) {
	next := slice.LastOffset + 1
	if slice.MaxTimestamp < target {
		return next, false, nil
	}
	seg, extents, err := s.extents(ctx, slice)
	if err != nil {
		return at, false, err
	}
	h, err := s.openSegment(ctx, &seg)
	if err != nil {
		return at, false, err
	}
	defer h.release()
	for _, e := range extents {
		if e.BaseOffset > slice.LastOffset {
			break
		}
		if e.MaxTimestamp >= target && e.LastOffset >= s.from {
			if err := s.log.check(h, seg.ID, seg.Key, e); err != nil {
				return at, false, err
			}
		}
		if stop, err := s.eachBatch(h, e, target, fn); err != nil || stop {
			return at, stop, err
		}
	}
	return next, false, nil
}

func (s *search) eachOpen(run []extent, at, target int64, fn batchFunc) (int64, bool, error) {
	for i := range run {
		e := &run[i]
		if e.MaxTimestamp < target || e.LastOffset < at {
			continue
		}
		h, err := s.log.source(e.ref)
		if err != nil {
			return at, false, err
		}
		stop, err := s.eachBatch(h, e.Extent, target, fn)
		h.release()
		if err != nil || stop {
			return at, stop, err
		}
	}
	return run[len(run)-1].LastOffset + 1, false, nil
}

func (s *search) eachBatch(h *handle, e pack.Extent, target int64, fn batchFunc) (bool, error) {
	if e.MaxTimestamp < target || e.LastOffset < s.from {
		return false, nil
	}
	entries, err := h.checkedEntries(s.part.id, e)
	if err != nil {
		return false, err
	}
	for i := range entries {
		x := &entries[i]
		if x.MaxTimestamp < target || x.LastOffset() < s.from || x.BaseOffset >= s.end {
			continue
		}
		stop, err := fn(h, x, e.DataPos+x.Position-entries[0].Position)
		if err != nil || stop {
			return stop, err
		}
	}
	return false, nil
}
