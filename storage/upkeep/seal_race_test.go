package upkeep

import (
	"context"
	"testing"
)

// during calls fn once, before a step of a seal.
func (r *rig) during(step string, fn func()) {
	r.seam = func(s string) error {
		if s == step {
			r.seam = nil
			fn()
		}
		return nil
	}
}

// TestRetentionDuringASeal: a volume whose segment is registered, and which the log still
// reads from the journal, counts once.
func TestRetentionDuringASeal(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	for round := range 2 {
		r.some()
		r.roll()
		if round == 1 {
			sum, err := r.log.Size(ctx, at(clicks, 1))
			r.must(err)
			r.topics.change(clicks.ID, func(x *Topic) { x.RetentionBytes = sum })
			r.during("switch", func() { r.must(r.upkeep.Retain(ctx)) })
		}
		r.must(r.upkeep.Seal(ctx))
	}
	if start, err := r.store.LogStart(ctx, at(clicks, 1)); err != nil || start != 0 {
		t.Errorf("log start %d, %v: less than retention.bytes is left", start, err)
	}
	r.checkAcked()
}

// TestDeleteRecordsDuringASeal: what is deleted between the plan of a seal and its
// registration leaves no slice.
func TestDeleteRecordsDuringASeal(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	r.some()
	r.roll()
	p, err := r.log.Partition(ctx, at(clicks, 1), r.topics.epoch)
	r.must(err)
	r.during("register", func() {
		if _, err := r.log.DeleteRecords(ctx, p, -1); err != nil {
			t.Error(err)
		}
	})
	r.must(r.upkeep.Seal(ctx))
	slices, _, err := r.store.Partition(ctx, at(clicks, 1))
	if err != nil || len(slices) != 0 {
		t.Errorf("slices below the log start: %+v, %v", slices, err)
	}
	if n, err := r.log.Size(ctx, at(clicks, 1)); err != nil || n != 0 {
		t.Errorf("%d bytes, %v", n, err)
	}
	r.checkAcked()
}
