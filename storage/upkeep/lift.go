package upkeep

import (
	"context"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// liftState is what the lift remembers between its looks at the internal topics. It
// is guarded by Upkeep.registering.
type liftState struct {
	stale      bool // slices of internal partitions changed since it was measured
	partitions int  // that were measured
	sealed     int64
	live       int64
	lifted     map[metadata.SegmentID]bool // segments seen, and whether they are lifted ones
	blocks     map[pack.PartitionID]block
}

// block is a state block as last read or written, with the row that points at it.
type block struct {
	row   metadata.State
	state segment.State
}

// LiftIfDue lifts the internal topics when more of their bytes lie outside the lifted
// segment than in it, and more than liftBytesMin: so a coordinator that loads reads
// at most about twice its live bytes, or that bound.
func (u *Upkeep) LiftIfDue(ctx context.Context) error {
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	pending, err := u.measure(ctx)
	if err != nil {
		return err
	}
	u.metrics.liftPending.Set(float64(pending))
	if pending <= max(liftBytesMin, u.lift.live) {
		return nil
	}
	return u.liftAll(ctx)
}

// Lift rewrites the internal topics whether it is due or not, for example before a
// stop in order.
func (u *Upkeep) Lift(ctx context.Context) error {
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	return u.liftAll(ctx)
}

// measure returns how many bytes of internal partitions lie outside lifted segments:
// in the open journal, which is asked each time, and in sealed slices, which are read
// again only when they changed.
func (u *Upkeep) measure(ctx context.Context) (int64, error) {
	ids := u.internal()
	if u.lift.stale || u.lift.partitions != len(ids) {
		if err := u.measureSealed(ctx, ids); err != nil {
			return 0, err
		}
	}
	pending := u.lift.sealed
	for _, id := range ids {
		pending += u.cfg.Log.OpenBytes(id)
	}
	return pending, nil
}

func (u *Upkeep) measureSealed(ctx context.Context, ids []pack.PartitionID) error {
	var sealed, live int64
	for _, id := range ids {
		slices, _, err := u.cfg.Store.Partition(ctx, id)
		if err != nil {
			return fmt.Errorf("read partition %v from the metadata store: %w", id, err)
		}
		for i := range slices {
			lifted, err := u.isLifted(ctx, slices[i].Segment)
			if err != nil {
				return err
			}
			if lifted {
				live += slices[i].Bytes
			} else {
				sealed += slices[i].Bytes
			}
		}
	}
	u.lift.sealed, u.lift.live = sealed, live
	u.lift.stale, u.lift.partitions = false, len(ids)
	return nil
}

func (u *Upkeep) isLifted(ctx context.Context, id metadata.SegmentID) (bool, error) {
	if lifted, known := u.lift.lifted[id]; known {
		return lifted, nil
	}
	seg, err := u.cfg.Store.Segment(ctx, id)
	if err != nil {
		return false, fmt.Errorf("segment %d: %w", id, err)
	}
	if u.lift.lifted == nil || len(u.lift.lifted) > 10_000 {
		u.lift.lifted = make(map[metadata.SegmentID]bool)
	}
	lifted := strings.HasPrefix(seg.Key, liftedPrefix)
	u.lift.lifted[id] = lifted
	return lifted, nil
}

// internal lists the partitions of the coordinators' topics.
func (u *Upkeep) internal() []pack.PartitionID {
	var ids []pack.PartitionID
	for _, t := range u.cfg.Topics.List() {
		if !t.Internal {
			continue
		}
		for i := range t.Partitions {
			ids = append(ids, pack.PartitionID{Topic: t.ID, Partition: i})
		}
	}
	return ids
}

// lifting is one partition of a lift under way.
type lifting struct {
	id     pack.PartitionID
	upTo   int64 // last offset, inclusive
	before int64 // last offset that a former lift held, -1: none
	from   int64 // log start
	row    metadata.State
	kept   kept
}

// liftAll writes the latest record of each key of all internal partitions into one
// segment, which takes the place of all that held them up to their durable ends. The
// caller holds the right to register throughout, so that no seal puts a slice across
// such an end meanwhile.
func (u *Upkeep) liftAll(ctx context.Context) error {
	began := u.cfg.Now()
	number := uint64(max(began.UnixMilli(), 1))
	plan := &segment.Plan{Volume: u.volumeHeader(number)}
	plan.Footer.Head.Flags = segment.FlagLifted | segment.FlagSorted
	reg := metadata.Registration{Replaces: make(map[pack.PartitionID]int64)}
	var parts []lifting
	for _, id := range u.internal() {
		p, ok, err := u.liftPartition(ctx, id, plan)
		if err != nil {
			return fmt.Errorf("lift partition %v: %w", id, err)
		}
		if ok {
			parts = append(parts, p)
			reg.Replaces[id] = p.upTo
		}
	}
	if len(parts) == 0 {
		return nil
	}
	key := newKey(liftedPrefix, number)
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
	reg.Segment = metadata.Segment{Key: key, Bytes: size}
	if err := u.registerLifted(ctx, parts, reg); err != nil {
		return err
	}
	took := u.cfg.Now().Sub(began)
	u.metrics.lifted(size, took)
	u.logger.Debug("internal topics lifted", zap.String("key", key), zap.Int64("bytes", size), zap.Duration("took", took))
	return nil
}

// liftPartition adds what is live of one partition to the plan. ok is false when the
// partition holds nothing.
func (u *Upkeep) liftPartition(ctx context.Context, id pack.PartitionID, plan *segment.Plan) (p lifting, ok bool, err error) {
	slices, row, err := u.cfg.Store.Partition(ctx, id)
	if err != nil {
		return p, false, err
	}
	p = lifting{id: id, row: row, before: -1, upTo: sealedEnd(slices)}
	if p.from, err = u.cfg.Store.LogStart(ctx, id); err != nil {
		return p, false, err
	}
	if end, used := u.cfg.Log.DurableEnd(id); used {
		p.upTo = max(p.upTo, end-1)
	}
	for i := range slices {
		lifted, err := u.isLifted(ctx, slices[i].Segment)
		if err != nil {
			return p, false, err
		}
		if lifted {
			p.before = slices[i].LastOffset
		}
	}
	if p.upTo < p.from {
		return p, false, nil
	}
	c := compaction{u: u, id: id, from: p.from, upTo: p.upTo, lifted: p.before}
	if p.kept, err = c.run(ctx, plan); err != nil {
		return p, false, err
	}
	if p.kept.bytes == 0 {
		return p, false, nil
	}
	return p, true, u.moveState(ctx, id, row, plan)
}

// moveState puts the partition's sealed state into the lifted segment, so that it
// keeps no older segment alive.
func (u *Upkeep) moveState(ctx context.Context, id pack.PartitionID, row metadata.State, plan *segment.Plan) error {
	if row.BlockLen == 0 {
		return nil
	}
	b, known := u.lift.blocks[id]
	if !known || b.row != row {
		state, err := u.stateBlock(ctx, id, row)
		if err != nil {
			return err
		}
		b = block{row, *state}
		if u.lift.blocks == nil {
			u.lift.blocks = make(map[pack.PartitionID]block)
		}
		u.lift.blocks[id] = b
	}
	plan.Footer.SetState(id, b.state)
	return nil
}

// registerLifted registers the lifted segment and switches readers to it.
func (u *Upkeep) registerLifted(ctx context.Context, parts []lifting, reg metadata.Registration) error {
	footer, err := u.openFooter(ctx, reg.Segment.Key, reg.Segment.Bytes)
	if err != nil {
		return err
	}
	for i := range parts {
		p := &parts[i]
		in, _ := footer.Find(p.id)
		reg.Slices = append(reg.Slices, metadata.Slice{
			ID: p.id, BaseOffset: in.BaseOffset, LastOffset: p.upTo, Bytes: in.Bytes,
			MaxTimestamp: in.MaxTimestamp, AppendTime: in.AppendTime,
		})
		if in.StateLen > 0 {
			reg.States = append(reg.States, metadata.State{
				ID: p.id, NextOffset: in.NextOffset, LeaderEpoch: in.LeaderEpoch,
				BlockPos: in.StatePos, BlockLen: in.StateLen,
			})
		}
	}
	u.lift.stale = true
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
	for i := range parts {
		u.cfg.Log.Lifted(parts[i].id, parts[i].upTo, reg.Slices[i:i+1])
	}
	return nil
}
