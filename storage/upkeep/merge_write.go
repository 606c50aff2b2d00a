package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// storeMoved makes an object under prefix of moves, which are in the spool, registers it and
// switches readers to it.
func (u *Upkeep) storeMoved(ctx context.Context, prefix string, spool *mergeSpool, moves []*move) error {
	began := u.cfg.Now()
	number := uint64(max(began.UnixMilli(), 1))
	plan := &segment.Plan{Volume: u.volumeHeader(number)}
	src := plan.Source(io.NewSectionReader(spool.f, 0, spool.end))
	for _, m := range moves {
		to := plan.Part(m.id)
		for i, xs := range m.extents {
			for _, x := range xs {
				to.Add(src, x, m.was[i].AppendTime)
			}
		}
		if t := m.transactions(); t.listed {
			plan.Footer.SetTransactions(m.id, t.Transactions)
		}
	}
	key := newKey(prefix, number)
	defer u.uploads.begin(key)()
	if err := u.cfg.Seam("intend"); err != nil {
		return err
	}
	if err := u.cfg.Store.Intend(ctx, key); err != nil {
		return fmt.Errorf("intend %s: %w", key, err)
	}
	size, err := u.upload(ctx, key, plan)
	if err != nil {
		return err
	}
	if err := u.registerMoved(ctx, moves, metadata.Registration{Segment: metadata.Segment{Key: key, Bytes: size}}); err != nil {
		return err
	}
	u.logger.Debug("slices merged", zap.String("key", key), zap.Int64("bytes", size), zap.Int("partitions", len(moves)),
		zap.Duration("took", u.cfg.Now().Sub(began)))
	return nil
}

// transactions joins what the segments of a move say of its transactions. A marker below a
// slice is not there to be read, and not listed any more.
func (m *move) transactions() (out transactions) {
	for i := range m.txns {
		t, s := &m.txns[i], &m.was[i]
		out.LastStable = s.LastOffset + 1 // all is decided of which nothing is said
		if !t.listed {
			continue
		}
		out.listed, out.LastStable = true, t.LastStable
		for _, a := range t.Aborted {
			if a.LastOffset >= s.BaseOffset {
				out.Aborted = append(out.Aborted, a)
			}
		}
	}
	return out
}

// slice is what becomes of a move.
func (m *move) slice() metadata.Slice {
	s := metadata.Slice{
		ID: m.id, BaseOffset: m.was[0].BaseOffset, LastOffset: m.was[len(m.was)-1].LastOffset,
		MaxTimestamp: -1, AppendTime: -1, Level: m.level,
	}
	for i := range m.was {
		s.Bytes += m.was[i].Bytes
		s.MaxTimestamp = max(s.MaxTimestamp, m.was[i].MaxTimestamp)
		s.AppendTime = max(s.AppendTime, m.was[i].AppendTime)
	}
	return s
}

// replaces is what a move's slice takes the place of.
func (m *move) replaces() metadata.Replace {
	return metadata.Replace{ID: m.id, From: m.was[0].BaseOffset, To: m.was[len(m.was)-1].LastOffset, Was: segmentsOf(m.was)}
}

// registerMoved registers an object in place of the slices that were read. The right to
// register is held for that alone: seals do not wait for a merge. Where slices are others
// by now, as when retention took some, those of the other partitions are registered.
func (u *Upkeep) registerMoved(ctx context.Context, moves []*move, reg metadata.Registration) error {
	footer, err := u.openFooter(ctx, reg.Segment.Key, reg.Segment.Bytes)
	if err != nil {
		return err
	}
	for _, m := range moves {
		s := m.slice()
		if in, ok := footer.Find(m.id); !ok || in.Bytes != s.Bytes || in.BaseOffset < s.BaseOffset || in.LastOffset > s.LastOffset || in.MaxTimestamp != s.MaxTimestamp {
			return fmt.Errorf("%s holds of %v other than was put there", reg.Segment.Key, m.id)
		}
	}
	reg.Segment.Data = dataOf(footer)
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	var gone []*move
	for {
		reg.Slices, reg.Replaces = reg.Slices[:0], reg.Replaces[:0]
		for _, m := range moves {
			reg.Slices, reg.Replaces = append(reg.Slices, m.slice()), append(reg.Replaces, m.replaces())
		}
		for _, m := range gone {
			// The object names the topic: its tombstone stays as long.
			reg.Slices = append(reg.Slices, m.slice())
		}
		id, err := u.register(ctx, reg)
		if err == nil {
			err = u.switchMoved(moves, id)
		}
		if !errors.Is(err, metadata.ErrConflict) {
			if err != nil {
				u.merge.unsure.add(reg.Replaces...)
			}
			return err
		}
		kept, deleted, again := u.unchanged(ctx, moves)
		if again != nil {
			return again
		}
		u.logger.Debug("slices changed while they were merged", zap.Int("partitions", len(moves)-len(kept)), zap.Error(err))
		if len(kept) == 0 {
			return nil // what was uploaded is swept
		}
		if len(kept) == len(moves) {
			return err
		}
		moves, gone = kept, append(gone, deleted...)
	}
}

// unchanged returns the moves whose slices are what they were, and those of topics that were
// deleted.
func (u *Upkeep) unchanged(ctx context.Context, moves []*move) (kept, deleted []*move, err error) {
	for _, m := range moves {
		list, _, err := u.cfg.Store.Partition(ctx, m.id)
		if err != nil {
			return nil, nil, err
		}
		var was []metadata.Slice
		for i := range list {
			if list[i].BaseOffset >= m.was[0].BaseOffset && list[i].LastOffset <= m.was[len(m.was)-1].LastOffset {
				was = append(was, list[i])
			}
		}
		if slices.Equal(was, m.was) {
			kept = append(kept, m)
			continue
		}
		gone, err := u.cfg.Store.Deleted(ctx, m.id.Topic)
		if err != nil {
			return nil, nil, err
		}
		if gone {
			deleted = append(deleted, m)
		}
	}
	return kept, deleted, nil
}

// switchMoved tells the log of what was registered.
func (u *Upkeep) switchMoved(moves []*move, id metadata.SegmentID) error {
	if err := u.cfg.Seam("switch"); err != nil {
		return err
	}
	var ids []pack.PartitionID
	u.metrics.mergeObjects.Inc()
	for _, m := range moves {
		s := m.slice()
		s.Segment = id
		u.cfg.Log.Merged(m.id, s.BaseOffset, s.LastOffset, []metadata.Slice{s})
		u.metrics.mergeSlices.Add(float64(len(m.was)))
		u.metrics.mergeBytes.WithLabelValues(m.reason).Add(float64(s.Bytes))
		ids = append(ids, m.id)
	}
	u.clean.noteParts(ids...)
	return nil
}
