package upkeep

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/merge"
)

const (
	// A segment of which more than deadInOne is dead is emptied: at most as many bytes are
	// moved as become free. While more than deadInAll of all data is dead, the deadest are.
	deadInOne = 0.5
	deadInAll = 0.3
	// sparseInterval is how often such segments are looked for, sparseMax how many at a time.
	sparseInterval = time.Minute
	sparseMax      = 1000
)

// emptySparse moves what is live out of segments with mostly dead data, as far as the spool
// takes it at a time, so that their objects can be deleted: one partition that keeps its
// data would pin all that was sealed beside it.
func (u *Upkeep) emptySparse(ctx context.Context, o *Merging) error {
	m := &u.merge
	now := u.cfg.Now()
	if now.Sub(m.sparseAt) < sparseInterval {
		return nil
	}
	m.sparseAt = now
	list, err := u.cfg.Store.Sparse(ctx, deadInOne, sparseMax)
	if err != nil {
		return err
	}
	usage, err := u.cfg.Store.Usage(ctx, nil)
	if err != nil {
		return err
	}
	for i := range list {
		usage.Data, usage.Live = usage.Data-list[i].Data, usage.Live-list[i].Live
	}
	more, err := u.tooDead(ctx, usage, len(list))
	if err != nil {
		return err
	}
	list = append(list, more...)
	moves := make(map[string][]merge.Part[*move])
	var bytes int64
	for i := range list {
		x := &list[i]
		if strings.HasPrefix(x.Key, liftedPrefix) {
			continue // coordinators rewrite those
		}
		prefix := mergedPrefix
		if strings.HasPrefix(x.Key, compactedPrefix) {
			prefix = compactedPrefix // what was compacted stays so
		}
		found, err := u.movable(ctx, x.ID)
		if err != nil {
			return err
		}
		moves[prefix] = append(moves[prefix], found...)
		if bytes += x.Live; bytes >= u.spoolMax() {
			break // the rest in a minute
		}
	}
	for _, prefix := range []string{mergedPrefix, compactedPrefix} {
		if err := u.moveAll(ctx, prefix, moves[prefix], o); err != nil {
			return err
		}
	}
	return nil
}

// tooDead returns the deadest segments beside the first skip ones as long as too much of all
// data is dead; left is what there is without the first.
func (u *Upkeep) tooDead(ctx context.Context, left metadata.Usage, skip int) ([]metadata.Held, error) {
	dead := func() bool { return float64(left.Data-left.Live) > deadInAll*float64(left.Data) }
	if !dead() {
		return nil, nil
	}
	// Without those that are deader than all may be, all would not be.
	list, err := u.cfg.Store.Sparse(ctx, deadInAll, skip+sparseMax)
	if err != nil {
		return nil, err
	}
	list = list[min(skip, len(list)):]
	n := 0
	for ; n < len(list) && dead(); n++ {
		// Its data is written anew, without what is dead.
		left.Data -= list[n].Data - list[n].Live
	}
	return list[:n], nil
}

// movable returns the slices of a segment that can be moved out of it.
func (u *Upkeep) movable(ctx context.Context, id metadata.SegmentID) (parts []merge.Part[*move], err error) {
	list, err := u.cfg.Store.Lying(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("slices in segment %d: %w", id, err)
	}
	owners := make(map[metadata.TopicID]Owner)
	for _, t := range u.cfg.Topics.List() {
		owners[t.ID] = t.Owner
	}
	for i := range list {
		s := list[i : i+1 : i+1]
		owner, exists := owners[s[0].ID.Topic]
		if _, left := u.merge.left[s[0].ID]; left || !exists || owner != Clients {
			continue
		}
		parts = append(parts, merge.Part[*move]{
			ID: s[0].ID, Bytes: s[0].Bytes, Of: &move{id: s[0].ID, was: s, level: s[0].Level, reason: reasonDead},
		})
	}
	return parts, nil
}
