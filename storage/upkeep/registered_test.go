package upkeep

import (
	"context"
	"errors"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/partition"
)

// register makes the store call volumes sealed that nobody has sealed.
func (r *rig) register(volumes ...metadata.Volume) {
	r.t.Helper()
	ctx := context.Background()
	r.must(r.store.Intend(ctx, "segment/none"))
	_, err := r.store.Register(ctx, metadata.Registration{Segment: metadata.Segment{Key: "segment/none"}, Volumes: volumes})
	r.must(err)
}

// TestRegisteredWithoutSlices: a volume that the store calls sealed, although it has
// nothing of it, is damage. It is the only place where its records are.
func TestRegisteredWithoutSlices(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRig(t, k)
		ctx := context.Background()
		r.some()
		r.roll()
		r.some()
		v := r.journal.Volumes()[0]
		r.register(rowOf(v))
		if err := r.upkeep.Seal(ctx); !errors.Is(err, journal.ErrDamaged) {
			t.Fatalf("sealed with %v", err)
		}
		if left := r.journal.Volumes(); len(left) != 2 || left[0].ID != v.ID {
			t.Fatalf("volumes left: %+v", left)
		}
		r.checkAcked()
	})
}

// TestRegisteredUnderAnotherNonce: a number that was counted out again names another
// volume, which is not sealed because the first one was.
func TestRegisteredUnderAnotherNonce(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRig(t, k)
		r.some()
		r.roll()
		r.some()
		first := rowOf(r.journal.Volumes()[0])
		first.Nonce[0]++
		r.register(first)
		r.must(r.upkeep.Seal(context.Background()))
		if n := len(r.journal.Volumes()); n != 1 {
			t.Errorf("%d volumes left, only the open one should be", n)
		}
		r.checkAcked()
		r.restart()
		r.checkAcked()
	})
}

// TestSealAboveTheFloor: a partition whose journal was given up begins at its log start,
// and that is where its seals go on.
func TestSealAboveTheFloor(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRig(t, k)
		ctx := context.Background()
		id := at(orders, 0)
		r.must(r.store.SetLogStarts(ctx, metadata.LogStart{ID: id, Offset: 50}))
		r.folds[id] = &partition.State{}
		r.folds[id].SetNextOffset(50)
		r.some()
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		if _, state, err := r.store.Partition(ctx, id); err != nil || state.NextOffset <= 50 {
			t.Fatalf("sealed %+v, %v", state, err)
		}
		r.stop()
		r.begin()
		r.some()
		r.roll()
		r.must(r.upkeep.Seal(ctx))
	})
}
