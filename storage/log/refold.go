package log

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/partition"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// unreadable says that stored bytes do not check: trying again does not help.
func unreadable(err error) bool {
	for _, damage := range []error{segment.ErrDamaged, partition.ErrSnapshot, pack.ErrCorrupt, pack.ErrVersion} {
		if errors.Is(err, damage) {
			return true
		}
	}
	return false
}

// sealedState reads the state block that a row points at, or folds it anew where that
// does not check. A row without a block gives the state of no records.
func (l *Log) sealedState(ctx context.Context, row metadata.State, list []metadata.Slice) (partition.State, error) {
	var state partition.State
	if row.BlockLen == 0 {
		return state, nil
	}
	seg, err := l.cfg.Store.Segment(ctx, row.Block)
	if err != nil {
		return state, fmt.Errorf("find state block of %v: %w", row.ID, err)
	}
	block, err := l.cfg.Segments.State(ctx, seg, row.ID, row.BlockPos, row.BlockLen)
	if err == nil {
		err = state.UnmarshalBinary(block.Payload)
	}
	if err == nil {
		return state, nil
	}
	if unreadable(err) {
		folded, again := l.FoldSealed(ctx, row, list)
		if again == nil {
			return folded, nil
		}
		err = errors.Join(err, again)
	}
	return partition.State{}, fmt.Errorf("state block of %v in %s: %w", row.ID, seg.Key, err)
}

// FoldSealed makes the sealed state of a partition anew from the index entries of its
// slices, up to the row's next offset at least, for when its state block does not check.
// As in Kafka after the loss of a snapshot, producers are known by what is retained of
// them, and so are leader epochs. Errors that wrap segment.ErrDamaged or pack.ErrCorrupt
// say that the entries do not check either.
func (l *Log) FoldSealed(ctx context.Context, row metadata.State, list []metadata.Slice) (partition.State, error) {
	var state partition.State
	for i := range list {
		if err := l.foldSlice(ctx, &state, &list[i]); err != nil {
			return partition.State{}, fmt.Errorf("fold %v from offset %d: %w", row.ID, list[i].BaseOffset, err)
		}
	}
	state.SetNextOffset(row.NextOffset)
	state.Settle(math.MaxUint64) // its segments list what was aborted
	l.metrics.refolds.Inc()
	l.logger.Error("the state block of a partition does not check: its state was folded anew from what is retained",
		zap.Stringer("partition", row.ID), zap.Int64("next_offset", state.NextOffset()), zap.Int("producers", state.Producers()))
	return state, nil
}

// foldSlice applies the entries of a slice. Where a lift has left gaps it steps over them.
func (l *Log) foldSlice(ctx context.Context, state *partition.State, slice *metadata.Slice) error {
	seg, err := l.rows.get(ctx, l.cfg.Store, slice.Segment)
	if err != nil {
		return err
	}
	extents, err := l.cfg.Segments.Extents(ctx, seg, slice.ID)
	if err != nil {
		return err
	}
	src, err := l.cfg.OpenObject(ctx, seg.Key, seg.Bytes)
	if err != nil {
		return err
	}
	h := newHandle(src)
	defer h.release()
	for _, x := range extents {
		if x.LastOffset < slice.BaseOffset || x.BaseOffset > slice.LastOffset {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := h.entries(x)
		if err == nil {
			err = foldExtent(state, slice.ID, x, entries)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// foldExtent applies the entries of an extent, whose bounds are known to be right.
func foldExtent(state *partition.State, id pack.PartitionID, x pack.Extent, entries []pack.Entry) error {
	at := x.BaseOffset
	for i := range entries {
		e := &entries[i]
		if e.ID != id || e.BaseOffset < at || e.LastOffset() > x.LastOffset {
			return fmt.Errorf("%w: an index entry of %v with offsets %d to %d between %d and %d",
				pack.ErrCorrupt, e.ID, e.BaseOffset, e.LastOffset(), at, x.LastOffset)
		}
		state.SetNextOffset(e.BaseOffset)
		if err := state.Apply(e, 0, 0); err != nil {
			return fmt.Errorf("%w: %w", pack.ErrCorrupt, err)
		}
		at = e.LastOffset() + 1
	}
	if at != x.LastOffset+1 {
		return fmt.Errorf("%w: the index entries of %v end at offset %d instead of %d", pack.ErrCorrupt, id, at-1, x.LastOffset)
	}
	return nil
}

// Damaged returns the partitions that cannot be loaded because bytes that are stored of
// them do not check, and why: they answer KAFKA_STORAGE_ERROR until a load succeeds. One
// that nobody has asked for is not known to be damaged.
func (l *Log) Damaged() map[pack.PartitionID]error {
	l.damage.mu.Lock()
	defer l.damage.mu.Unlock()
	return maps.Clone(l.damage.parts)
}

// damage is what Damaged tells; the catalog bounds the partitions.
type damage struct {
	mu    sync.Mutex
	parts map[pack.PartitionID]error
}

// noteLoad takes note of how a load ended.
func (l *Log) noteLoad(id pack.PartitionID, err error) {
	d := &l.damage
	d.mu.Lock()
	defer d.mu.Unlock()
	_, known := d.parts[id]
	switch {
	case err == nil:
		delete(d.parts, id)
	case unreadable(err):
		if d.parts == nil {
			d.parts = make(map[pack.PartitionID]error)
		}
		d.parts[id] = err
		if !known {
			l.logger.Error("partition is damaged and answers KAFKA_STORAGE_ERROR; all others are served",
				zap.Stringer("partition", id), zap.Error(err))
		}
	}
	l.metrics.damaged.Set(float64(len(d.parts)))
}

// forget is for the partitions of a topic that was deleted.
func (d *damage) forget(topic pack.TopicID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.parts, func(id pack.PartitionID, _ error) bool { return id.Topic == topic })
}
