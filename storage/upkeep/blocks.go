package upkeep

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/partition"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// unreadable says that what is stored of a partition does not check. It is no reason to
// end: all other partitions live on.
func unreadable(err error) bool {
	return errors.Is(err, segment.ErrDamaged) || errors.Is(err, partition.ErrSnapshot) || errors.Is(err, pack.ErrCorrupt)
}

// skip reports a partition that a job leaves as it is, because it is damaged.
func (u *Upkeep) skip(what string, id pack.PartitionID, err error) {
	u.metrics.skipped.Inc()
	u.logger.Error("a damaged partition is left as it is", zap.String("not_done", what), zap.Stringer("partition", id), zap.Error(err))
}

// stateBlock reads the block that a state row points at; nil if it has none. One that does
// not check is folded anew, if what is sealed of the partition does.
func (u *Upkeep) stateBlock(ctx context.Context, row metadata.State) (*segment.State, error) {
	if row.BlockLen == 0 {
		return nil, nil
	}
	blocks, err := u.stateBlocks(ctx, row.Block, []metadata.State{row})
	if err == nil {
		var decoded partition.State
		if err = decoded.UnmarshalBinary(blocks[0].Payload); err == nil {
			return &blocks[0], nil
		}
	}
	if !unreadable(err) {
		return nil, err
	}
	folded, again := u.foldAnew(ctx, row)
	if again != nil {
		return nil, errors.Join(err, again)
	}
	return folded, nil
}

// foldAnew makes a state block from a partition's slices.
func (u *Upkeep) foldAnew(ctx context.Context, row metadata.State) (*segment.State, error) {
	slices, now, err := u.cfg.Store.Partition(ctx, row.ID)
	if err != nil {
		return nil, fmt.Errorf("read partition %v from the metadata store: %w", row.ID, err)
	}
	if now != row {
		return nil, fmt.Errorf("the state of %v has moved", row.ID)
	}
	state, err := u.cfg.Log.FoldSealed(ctx, row, slices)
	if err != nil {
		return nil, err
	}
	payload, err := state.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("state of %v: %w", row.ID, err)
	}
	return &segment.State{NextOffset: state.NextOffset(), LeaderEpoch: row.LeaderEpoch, Payload: payload}, nil
}

// stateBlocks reads the blocks that rows point at, all of which lie in one segment.
func (u *Upkeep) stateBlocks(ctx context.Context, id metadata.SegmentID, rows []metadata.State) ([]segment.State, error) {
	seg, err := u.cfg.Store.Segment(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("find the state block of %v: segment %d: %w", rows[0].ID, id, err)
	}
	at := make([]segment.Block, len(rows))
	for i, row := range rows {
		at[i] = segment.Block{ID: row.ID, Pos: row.BlockPos, Len: row.BlockLen}
	}
	blocks, err := u.cfg.Index.States(ctx, seg, at)
	if err != nil {
		return nil, fmt.Errorf("read %d state blocks in %s: %w", len(rows), seg.Key, err)
	}
	for i, row := range rows {
		if blocks[i].NextOffset != row.NextOffset {
			return nil, fmt.Errorf("%w: state of %v in %s is that of offset %d, the store says %d",
				segment.ErrDamaged, row.ID, seg.Key, blocks[i].NextOffset, row.NextOffset)
		}
	}
	return blocks, nil
}
