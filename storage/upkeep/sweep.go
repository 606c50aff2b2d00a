package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
)

// sweepState is what the sweeper remembers: when it first saw a segment as garbage.
// After a restart a segment waits for its grace anew.
type sweepState struct {
	seen map[metadata.SegmentID]time.Time
}

// Sweep deletes the objects that nothing refers to: segments that have been without a
// live slice and without a latest state for the grace, and what uploads left behind
// that were never registered.
//
// The store forgets first, the bucket's witness follows, and only then objects go. So
// no registration can revive a key whose object is about to be deleted, and a store
// that was set back to a time when it needed them is refused at the next start. The
// intent that is recorded for each dying object makes a sweep that was interrupted known
// to the next one.
func (u *Upkeep) Sweep(ctx context.Context) error {
	segments, intents, err := u.cfg.Store.Garbage(ctx, u.cfg.Grace.Milliseconds())
	if err != nil {
		return fmt.Errorf("list garbage: %w", err)
	}
	due := u.due(segments)
	keys := u.abandoned(intents)
	if len(due) == 0 && len(keys) == 0 {
		return nil
	}
	if err := u.witness.Check(ctx); err != nil {
		return err
	}
	if err := u.forget(ctx, due, keys); err != nil {
		return err
	}
	if err := u.cfg.Seam("witness"); err != nil {
		return err
	}
	if err := u.witness.Advance(ctx); err != nil {
		return err
	}
	return errors.Join(u.deleteSegments(ctx, due), u.deleteAbandoned(ctx, keys))
}

// due returns the garbage that was first seen longer than the grace ago.
func (u *Upkeep) due(segments []metadata.Segment) []metadata.Segment {
	now := u.cfg.Now()
	seen := make(map[metadata.SegmentID]time.Time, len(segments))
	var due []metadata.Segment
	for _, s := range segments {
		first, known := u.sweep.seen[s.ID]
		if !known {
			first = now
		}
		seen[s.ID] = first
		if now.Sub(first) >= u.cfg.Grace {
			due = append(due, s)
		}
	}
	u.sweep.seen = seen
	u.metrics.garbage.Set(float64(len(segments)))
	return due
}

// condemnedPrefix is in front of the key in the intent that says that the object of an
// abandoned upload is to be deleted. The upload's own intent cannot say it: it goes first,
// so that nobody registers the key any more.
const condemnedPrefix = "condemned:"

// abandoned returns the keys of uploads that nobody will register, leaving out those that
// are under way in this process.
func (u *Upkeep) abandoned(intents []string) []string {
	var out []string
	for _, key := range intents {
		key = strings.TrimPrefix(key, condemnedPrefix)
		if !u.uploads.has(key) && !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	return out
}

// forget removes the rows of what is about to be deleted.
func (u *Upkeep) forget(ctx context.Context, due []metadata.Segment, keys []string) error {
	ids := make([]metadata.SegmentID, len(due))
	for i, s := range due {
		ids[i] = s.ID
		if err := u.cfg.Seam("condemn"); err != nil {
			return err
		}
		if err := u.cfg.Store.Intend(ctx, s.Key); err != nil {
			return fmt.Errorf("condemn %s: %w", s.Key, err)
		}
	}
	for _, key := range keys {
		if err := u.cfg.Seam("condemn"); err != nil {
			return err
		}
		if err := u.cfg.Store.Intend(ctx, condemnedPrefix+key); err != nil {
			return fmt.Errorf("condemn %s: %w", key, err)
		}
	}
	if err := u.cfg.Seam("forget"); err != nil {
		return err
	}
	if err := u.cfg.Store.Forget(ctx, ids, keys); err != nil {
		return fmt.Errorf("forget %d segments, %d intents: %w", len(due), len(keys), err)
	}
	for _, s := range due {
		u.cfg.Index.Forget(s.ID)
	}
	return nil
}

// deleteTogether is how many objects are deleted with one request, where the store has one
// for many, and forgotten in one transaction.
const deleteTogether = 1000

// deleteSegments deletes forgotten segments and then the intents that remembered
// them.
func (u *Upkeep) deleteSegments(ctx context.Context, due []metadata.Segment) error {
	for some := range slices.Chunk(due, deleteTogether) {
		keys, bytes := make([]string, len(some)), int64(0)
		for i := range some {
			keys[i] = some[i].Key
			bytes += some[i].Bytes
		}
		if err := u.deleteObjects(ctx, keys, keys); err != nil {
			return err
		}
		u.metrics.deleted.Add(float64(len(some)))
		u.metrics.deletedBytes.Add(float64(bytes))
		u.logger.Debug("segments deleted", zap.Strings("keys", keys), zap.Int64("bytes", bytes))
	}
	return nil
}

// deleteAbandoned deletes objects whose intents are forgotten, and then what remembered
// them.
func (u *Upkeep) deleteAbandoned(ctx context.Context, keys []string) error {
	for some := range slices.Chunk(keys, deleteTogether) {
		intents := make([]string, len(some))
		for i, key := range some {
			intents[i] = condemnedPrefix + key
		}
		if err := u.deleteObjects(ctx, some, intents); err != nil {
			return err
		}
	}
	return nil
}

// deleteObjects deletes objects and forgets the intents that remember them.
func (u *Upkeep) deleteObjects(ctx context.Context, keys, intents []string) error {
	if err := u.cfg.Seam("delete"); err != nil {
		return err
	}
	if err := u.cfg.Bucket.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("delete %d objects from %s on: %w", len(keys), keys[0], err)
	}
	for _, key := range keys {
		u.cfg.Forgotten(key)
	}
	if err := u.cfg.Seam("deleted"); err != nil {
		return err
	}
	if err := u.cfg.Store.Forget(ctx, nil, intents); err != nil {
		return fmt.Errorf("forget %d deleted objects: %w", len(intents), err)
	}
	return nil
}
