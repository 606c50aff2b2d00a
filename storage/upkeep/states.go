package upkeep

import (
	"context"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// stateSegmentsMax is how many segments of nothing but states there may be before
// they are joined into one.
const stateSegmentsMax = 8

// moveStates copies state blocks out of segments in which nothing else is live into
// a segment of states only, so that those segments can be deleted although an idle
// partition's offsets, epochs and producers live on. stranded are the states in
// segments without a slice.
func (u *Upkeep) moveStates(ctx context.Context, stranded []metadata.State) error {
	move, err := u.worthMoving(ctx, stranded)
	if err != nil || len(move) == 0 {
		return err
	}
	if err := u.lock(ctx); err != nil {
		return err
	}
	defer u.unlock()
	number := uint64(max(u.cfg.Now().UnixMilli(), 1))
	plan := &segment.Plan{Volume: u.volumeHeader(number)}
	plan.Footer.Head.Flags = segment.FlagStates
	for _, row := range move {
		_, now, err := u.cfg.Store.Partition(ctx, row.ID)
		if err != nil {
			return fmt.Errorf("read partition %v from the metadata store: %w", row.ID, err)
		}
		if now != row || !u.cfg.Topics.Exists(row.ID.Topic) {
			continue // sealed, lifted or deleted since
		}
		b, err := u.stateBlock(ctx, row)
		if unreadable(err) {
			u.skip("move its state", row.ID, err)
			continue
		}
		if err != nil {
			return err
		}
		plan.Footer.SetState(row.ID, *b)
	}
	if len(plan.Footer.Partitions()) == 0 {
		return nil
	}
	return u.storeStates(ctx, newKey(statesPrefix, number), plan)
}

// worthMoving leaves out what lies in a segment of states already, unless there are
// too many of those.
func (u *Upkeep) worthMoving(ctx context.Context, stranded []metadata.State) ([]metadata.State, error) {
	inStates := make(map[metadata.SegmentID]bool)
	for _, s := range stranded {
		if _, known := inStates[s.Block]; known {
			continue
		}
		seg, err := u.cfg.Store.Segment(ctx, s.Block)
		if err != nil {
			return nil, fmt.Errorf("segment %d: %w", s.Block, err)
		}
		inStates[s.Block] = strings.HasPrefix(seg.Key, statesPrefix)
	}
	settled := 0
	for _, is := range inStates {
		if is {
			settled++
		}
	}
	if settled > stateSegmentsMax {
		return stranded, nil
	}
	var move []metadata.State
	for _, s := range stranded {
		if !inStates[s.Block] {
			move = append(move, s)
		}
	}
	return move, nil
}

// storeStates writes and registers a segment of states.
func (u *Upkeep) storeStates(ctx context.Context, key string, plan *segment.Plan) error {
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
	footer, err := u.openFooter(ctx, key, size)
	if err != nil {
		return err
	}
	reg := metadata.Registration{Segment: metadata.Segment{Key: key, Bytes: size}}
	for i := range footer.Len() {
		p := footer.Part(i)
		reg.States = append(reg.States, metadata.State{
			ID: p.ID, NextOffset: p.NextOffset, LeaderEpoch: p.LeaderEpoch, BlockPos: p.StatePos, BlockLen: p.StateLen,
		})
	}
	if _, err := u.register(ctx, reg); err != nil {
		return err
	}
	u.logger.Debug("states moved", zap.String("key", key), zap.Int("partitions", len(reg.States)))
	return nil
}
