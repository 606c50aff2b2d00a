package upkeep

import (
	"context"
	"fmt"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// registerSealed registers a segment and switches readers to it.
func (u *Upkeep) registerSealed(ctx context.Context, group []journal.Info, reg metadata.Registration) error {
	footer, err := u.openFooter(ctx, reg.Segment.Key, reg.Segment.Bytes)
	if err != nil {
		return err
	}
	if h, last := footer.Head(), group[len(group)-1]; h.FirstVolume != uint64(group[0].ID) || h.LastVolume != uint64(last.ID) ||
		h.FirstSeq != group[0].FirstSeq || h.LastSeq != last.LastSeq {
		return fmt.Errorf("%w: %s holds volumes %d to %d, packs %d to %d", segment.ErrDamaged, reg.Segment.Key,
			h.FirstVolume, h.LastVolume, h.FirstSeq, h.LastSeq)
	}
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	if err := u.sealedRows(ctx, footer, &reg); err != nil {
		return err
	}
	reg.Segment.Data = dataOf(footer)
	id, err := u.register(ctx, reg)
	if err != nil {
		return err
	}
	for i := range reg.Slices {
		reg.Slices[i].Segment = id
	}
	if err := u.cfg.Seam("switch"); err != nil {
		return err
	}
	for _, v := range group {
		u.cfg.Log.VolumeSealed(v.ID, reg.Slices)
	}
	u.lift.stale = true
	u.clean.noteSlices(reg.Slices)
	u.merge.noteSealed(reg.Slices, u.enough())
	return nil
}

// register is Store.Register behind its seam.
func (u *Upkeep) register(ctx context.Context, reg metadata.Registration) (metadata.SegmentID, error) {
	if err := u.cfg.Seam("register"); err != nil {
		return 0, err
	}
	id, err := u.cfg.Store.Register(ctx, reg)
	if err != nil {
		return 0, fmt.Errorf("register %s: %w", reg.Segment.Key, err)
	}
	return id, nil
}

// sealedRows makes the rows of a sealed segment from its own footer, so that what is
// registered is what lies there, also when an earlier attempt wrote the footer. What
// a lift or the log start has overtaken is left out.
func (u *Upkeep) sealedRows(ctx context.Context, footer *segment.Reader, reg *metadata.Registration) error {
	ids := make([]pack.PartitionID, footer.Len())
	for i := range ids {
		ids[i] = footer.Part(i).ID
	}
	sealed, err := u.cfg.Store.Sealed(ctx, ids)
	if err != nil {
		return fmt.Errorf("read %d partitions from the metadata store: %w", len(ids), err)
	}
	for i := range ids {
		p, at := footer.Part(i), &sealed[i]
		if p.StateLen > 0 && p.NextOffset >= at.State.NextOffset {
			reg.States = append(reg.States, metadata.State{
				ID: p.ID, NextOffset: p.NextOffset, LeaderEpoch: p.LeaderEpoch,
				BlockPos: p.StatePos, BlockLen: p.StateLen,
			})
		}
		s, err := sliceOf(footer, p, at.LastOffset+1)
		if err != nil {
			return err
		}
		if s.Bytes > 0 && s.LastOffset >= at.LogStart {
			reg.Slices = append(reg.Slices, s)
		}
	}
	return nil
}

// dataOf adds up the batches in a segment.
func dataOf(footer *segment.Reader) (n int64) {
	for i := range footer.Len() {
		n += footer.Part(i).Bytes
	}
	return n
}

// sliceOf makes the row of what a segment holds of a partition from offset on. Packs
// end where slices do, so an extent lies on one side whole.
func sliceOf(footer *segment.Reader, p segment.Part, offset int64) (metadata.Slice, error) {
	s := metadata.Slice{
		ID: p.ID, BaseOffset: p.BaseOffset, LastOffset: p.LastOffset,
		Bytes: p.Bytes, MaxTimestamp: p.MaxTimestamp, AppendTime: p.AppendTime,
	}
	if p.Extents == 0 || p.BaseOffset >= offset {
		return s, nil
	}
	xs, err := footer.Extents(p.ID)
	if err != nil {
		return s, err
	}
	s.BaseOffset, s.Bytes, s.MaxTimestamp = offset, 0, -1
	for i := segment.Search(xs, offset); i < len(xs); i++ {
		s.Bytes += xs[i].DataLen
		s.MaxTimestamp = max(s.MaxTimestamp, xs[i].MaxTimestamp)
	}
	return s, nil
}
