package upkeep

import (
	"context"
	"fmt"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/journal"
)

// tombstonesMax is how many tombstones are looked at together.
const tombstonesMax = 4096

// tombstoneState is what this process knows of tombstones that are old by the store's
// clock.
type tombstoneState struct {
	seen map[metadata.TopicID]tombstone
}

// tombstone is a deleted topic: when it was first seen to be old, and the journal's
// newest volume then. Nothing of it can lie in a later one.
type tombstone struct {
	since  time.Time
	newest journal.VolumeID
}

// DropTombstones forgets the ids of deleted topics that nothing names any more: no object,
// says the store, and no volume of the journal. The age by the store's clock alone says
// nothing of the latter: the clock may have been behind when the topic was deleted, and a
// volume that names an id with neither a topic nor a tombstone ends the broker. So the
// journal has to have let go of every volume that was there when this process first saw
// the tombstone as old, at least the grace ago by a clock that nobody sets.
func (u *Upkeep) DropTombstones(ctx context.Context) error {
	old, err := u.cfg.Store.Tombstones(ctx, tombstonesMax)
	if err != nil {
		return fmt.Errorf("list tombstones: %w", err)
	}
	volumes := u.cfg.Journal.Volumes()
	if len(volumes) == 0 {
		return nil
	}
	now, oldest, newest := u.cfg.Now(), volumes[0].ID, volumes[len(volumes)-1].ID
	seen := make(map[metadata.TopicID]tombstone, len(old))
	var due []metadata.TopicID
	for _, id := range old {
		t, known := u.tombstones.seen[id]
		if !known {
			t = tombstone{now, newest}
		}
		if now.Sub(t.since) >= u.cfg.Grace && oldest > t.newest {
			due = append(due, id)
			continue
		}
		seen[id] = t
	}
	u.tombstones.seen = seen
	if len(due) == 0 {
		return nil
	}
	if err := u.cfg.Store.ForgetTombstones(ctx, due); err != nil {
		return fmt.Errorf("forget %d tombstones: %w", len(due), err)
	}
	return nil
}
