package upkeep

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// slicesOf finds the slices that hold what is left of a registered volume. What the
// store calls sealed and has not is journal.ErrDamaged: the volume is the only place
// where those records are, and letting it go would destroy them.
func (u *Upkeep) slicesOf(ctx context.Context, v journal.Info) ([]metadata.Slice, error) {
	if v.LastSeq < v.FirstSeq {
		return nil, nil
	}
	c, err := u.openContents(ctx, v)
	if err != nil {
		return nil, err
	}
	ends := make(map[pack.PartitionID]int64)
	err = c.packs(ctx, func(pos int64, index *pack.Index) error {
		for id, x := range index.Extents(pos) {
			ends[id] = x.LastOffset
		}
		return nil
	})
	if err = errors.Join(err, c.close()); err != nil {
		return nil, err
	}
	owners := make(map[pack.TopicID]Owner)
	for _, t := range u.cfg.Topics.List() {
		owners[t.ID] = t.Owner
	}
	var found []metadata.Slice
	for id, end := range ends {
		owner, exists := owners[id.Topic]
		if !exists {
			continue
		}
		slice, err := u.sliceAt(ctx, id, end, owner)
		if err != nil {
			return nil, fmt.Errorf("volume %d: %w", v.ID, err)
		}
		if slice != nil {
			found = append(found, *slice)
		}
	}
	return found, nil
}

// sliceAt returns the slice that holds a sealed offset, or the one behind it; nil if
// there is a reason why no slice has it.
func (u *Upkeep) sliceAt(ctx context.Context, id pack.PartitionID, offset int64, owner Owner) (*metadata.Slice, error) {
	slices, state, err := u.cfg.Store.Partition(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read partition %v: %w", id, err)
	}
	sealed := state.NextOffset > offset
	for i := range slices {
		if sealed && slices[i].LastOffset >= offset {
			return &slices[i], nil
		}
	}
	// A slice that goes is gone in the transaction that raises the log start, or that
	// deletes the topic: so these are asked later.
	start, err := u.cfg.Store.LogStart(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read log start of %v: %w", id, err)
	}
	deleted, err := u.cfg.Store.Deleted(ctx, id.Topic)
	if err != nil {
		return nil, fmt.Errorf("ask for topic %x: %w", id.Topic, err)
	}
	compacted := sealed && owner != Clients
	if deleted || compacted || (sealed && start > offset) {
		return nil, nil
	}
	return nil, fmt.Errorf("%w: it is registered as sealed, but the metadata store has %v up to offset %d only, and %d was in it",
		journal.ErrDamaged, id, state.NextOffset, offset)
}
