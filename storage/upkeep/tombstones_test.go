package upkeep

import (
	"context"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// TestTombstoneOutlivesTheJournal deletes a topic while the clock is a month behind, sets
// the clock, and lets everything be swept that is due: the volume that names the topic is
// sealed, and only then the tombstone goes.
func TestTombstoneOutlivesTheJournal(t *testing.T) {
	r := newRigOn(t, adopted, true)
	ctx := context.Background()
	dropped := func() bool {
		t.Helper()
		deleted, err := r.store.Deleted(ctx, orders.ID)
		r.must(err)
		return !deleted
	}
	upkeep := func() {
		t.Helper()
		for range 3 {
			r.clock.advance(r.upkeep.cfg.Grace)
			r.must(r.upkeep.Seal(ctx))
			r.must(r.upkeep.Sweep(ctx))
			r.must(r.upkeep.DropTombstones(ctx))
		}
	}
	r.some()
	r.delete(orders)
	r.clock.advance(31 * 24 * time.Hour)
	r.must(r.store.Intend(ctx, "segment/lost"))
	r.must(r.bucket.Create(ctx, "segment/lost", bucket.Bytes([]byte("x"))))
	upkeep()
	if dropped() {
		t.Error("the tombstone is gone, and the journal names its topic")
	}
	r.restart()
	upkeep() // seals it
	if dropped() {
		t.Error("the tombstone is gone, and the journal may name its topic for all that this process knows")
	}
	r.produce(at(clicks, 0), batchOf(-1, 0, 1, []byte("k"), []byte("v")))
	r.roll()
	upkeep()
	if !dropped() {
		t.Error("the tombstone stays for ever")
	}
}
