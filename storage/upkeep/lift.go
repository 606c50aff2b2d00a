package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// LiftIfDue lifts the internal partitions that make up most of what lies outside lifted
// segments, when that is more than their debt's trigger or appends wait for room: so
// coordinators that load read at most what is live and the debt's allowance, or twice
// what is live.
func (u *Upkeep) LiftIfDue(ctx context.Context) error {
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	due, err := u.measure(ctx)
	if err != nil {
		u.lift.stale = true
		return err
	}
	if len(due) > 0 {
		if err := u.liftThese(ctx, due); err != nil {
			u.lift.stale = true
			return err
		}
		if _, err := u.measure(ctx); err != nil {
			return err
		}
	}
	for _, d := range u.cfg.Debts.all() {
		d.recovered()
	}
	return nil
}

// Lift rewrites the internal topics whether it is due or not, for example for a shared
// segment that only they keep.
func (u *Upkeep) Lift(ctx context.Context) error {
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	var ids []pack.PartitionID
	for _, p := range u.internal() {
		ids = append(ids, p.id)
	}
	return u.liftThese(ctx, ids)
}

// liftPending rewrites what is not lifted yet, however little it is.
func (u *Upkeep) liftPending(ctx context.Context) error {
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	if _, err := u.measure(ctx); err != nil {
		return err
	}
	var ids []pack.PartitionID
	for id, p := range u.lift.parts {
		if p.pending() > 0 {
			ids = append(ids, id)
		}
	}
	return u.liftThese(ctx, ids)
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

// liftThese writes the latest record of each key of internal partitions into one
// segment, which takes the place of all that held them up to their durable ends, or
// to where a transaction is open. The
// caller holds the right to register throughout, so that no seal puts a slice across
// such an end meanwhile.
func (u *Upkeep) liftThese(ctx context.Context, ids []pack.PartitionID) error {
	began := u.cfg.Now()
	number := uint64(max(began.UnixMilli(), 1))
	plan := &segment.Plan{Volume: u.volumeHeader(number)}
	plan.Footer.Head.Flags = segment.FlagLifted | segment.FlagSorted
	var reg metadata.Registration
	var parts []lifting
	for _, id := range ids {
		if u.isLeft(id) {
			continue
		}
		p, ok, err := u.liftPartition(ctx, id, plan)
		if cannotLift(err) {
			u.skip("lift", id, err)
			u.leave(id)
			return u.liftThese(ctx, ids) // anew: the plan may hold a part of it
		}
		if err != nil {
			return fmt.Errorf("lift partition %v: %w", id, err)
		}
		if ok {
			parts = append(parts, p)
			reg.Replaces = append(reg.Replaces, metadata.Replace{ID: id, To: p.upTo})
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

// cannotLift says that one partition cannot be read or loaded. It is none of the others'
// business: it is left out for a while.
func cannotLift(err error) bool {
	return unreadable(err) || errors.Is(err, protocol.KafkaStorageError)
}

// leave has lifts leave a partition as it is for a while.
func (u *Upkeep) leave(id pack.PartitionID) {
	if u.lift.left == nil {
		u.lift.left = make(map[pack.PartitionID]time.Time)
	}
	u.lift.left[id] = u.cfg.Now()
	delete(u.lift.parts, id)
}

// isLeft says whether a partition is left as it is.
func (u *Upkeep) isLeft(id pack.PartitionID) bool {
	at, left := u.lift.left[id]
	if left && u.cfg.Now().Sub(at) >= retryMax {
		delete(u.lift.left, id)
		left = false
	}
	return left
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
	if p.upTo, err = u.stableEnd(ctx, id, slices, p.upTo); err != nil {
		return p, false, err
	}
	if p.upTo < max(p.from, p.before) {
		return p, false, nil
	}
	c := compaction{u: u, id: id, from: p.from, upTo: p.upTo, lifted: p.before}
	if c.aborted, err = u.aborted(ctx, id, slices); err != nil {
		return p, false, err
	}
	if p.kept, err = c.run(ctx, plan); err != nil {
		return p, false, err
	}
	if p.kept.bytes == 0 {
		return p, false, nil
	}
	return p, true, u.moveState(ctx, id, row, plan)
}

// stableEnd takes back upTo to where no transaction is open below, and no slice ends
// above it.
func (u *Upkeep) stableEnd(ctx context.Context, id pack.PartitionID, slices []metadata.Slice, upTo int64) (int64, error) {
	end, err := u.cfg.Log.LiftEnd(ctx, id)
	if err != nil {
		return 0, err
	}
	upTo = min(upTo, end-1)
	for i := range slices {
		if s := &slices[i]; s.BaseOffset <= upTo && upTo < s.LastOffset {
			return s.BaseOffset - 1, nil
		}
	}
	return upTo, nil
}

// moveState puts the partition's sealed state into the lifted segment, so that it
// keeps no older segment alive.
func (u *Upkeep) moveState(ctx context.Context, id pack.PartitionID, row metadata.State, plan *segment.Plan) error {
	if row.BlockLen == 0 {
		return nil
	}
	b, known := u.lift.blocks[id]
	if !known || b.row != row {
		state, err := u.stateBlock(ctx, row)
		if unreadable(err) {
			u.skip("move its state", id, err)
			return nil // it keeps its segment
		}
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
	reg.Segment.Data = dataOf(footer)
	id, err := u.register(ctx, reg)
	if err != nil {
		return err
	}
	u.noteSegment(id, true)
	for i := range reg.Slices {
		reg.Slices[i].Segment = id
	}
	if err := u.cfg.Seam("switch"); err != nil {
		return err
	}
	for i := range parts {
		u.cfg.Log.Lifted(parts[i].id, parts[i].upTo, reg.Slices[i:i+1])
		if p := u.lift.parts[parts[i].id]; p != nil {
			p.known, p.sealed, p.live = true, 0, reg.Slices[i].Bytes
		}
	}
	return nil
}
