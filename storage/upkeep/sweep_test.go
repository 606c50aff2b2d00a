package upkeep

import (
	"context"
	"errors"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

func TestSweepWaitsForTheGrace(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	r.some()
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	for _, topic := range []Topic{orders, clicks} {
		r.delete(topic)
	}
	r.must(r.upkeep.Sweep(ctx))
	r.clock.advance(r.upkeep.cfg.Grace - 1)
	r.must(r.upkeep.Sweep(ctx))
	if n := len(r.objects(segmentPrefix)); n != 1 {
		t.Fatalf("%d segments within the grace, want 1", n)
	}
	r.clock.advance(1)
	r.must(r.upkeep.Sweep(ctx))
	if n := len(r.objects(segmentPrefix)); n != 0 {
		t.Errorf("%d segments behind the grace, want none", n)
	}
	if segments, intents, err := r.store.Garbage(ctx, 0); len(segments) != 0 || len(intents) != 0 || err != nil {
		t.Errorf("rows left: %v, %v, %v", segments, intents, err)
	}
}

// TestSweepLeavesUploadsAlone: an upload that takes longer than the grace keeps its
// intent.
func TestSweepLeavesUploadsAlone(t *testing.T) {
	r := newRig(t, uploaded)
	ctx := context.Background()
	r.some()
	r.roll()
	r.seam = func(step string) error {
		if step == "register" {
			r.seam = nil
			r.clock.advance(2 * r.upkeep.cfg.Grace)
			return r.upkeep.Sweep(ctx)
		}
		return nil
	}
	r.must(r.upkeep.Seal(ctx))
	r.checkAcked()
}

func TestSweepDeletesWhatWasNeverRegistered(t *testing.T) {
	r := newRig(t, uploaded)
	ctx := context.Background()
	r.must(r.store.Intend(ctx, "segment/lost"))
	r.must(r.bucket.Create(ctx, "segment/lost", bucket.Bytes([]byte("x"))))
	r.must(r.upkeep.Sweep(ctx))
	if n := len(r.objects(segmentPrefix)); n != 1 {
		t.Fatal("swept before the grace was over")
	}
	r.clock.advance(r.upkeep.cfg.Grace)
	r.must(r.upkeep.Sweep(ctx))
	if n := len(r.objects(segmentPrefix)) + len(r.intents()); n != 0 {
		t.Errorf("%d objects and intents left", n)
	}
}

// TestSweepKilledAtEachStep: whatever a sweep was about to delete, the next ones do.
func TestSweepKilledAtEachStep(t *testing.T) {
	for n := 1; ; n++ {
		r := newRigOn(t, uploaded, true)
		ctx := context.Background()
		for _, key := range []string{"segment/a", "segment/b"} {
			r.must(r.store.Intend(ctx, key))
			r.must(r.bucket.Create(ctx, key, bucket.Bytes([]byte("x"))))
		}
		r.clock.advance(r.upkeep.cfg.Grace)
		seam, _, at := stopAt(n)
		r.seam = seam
		err := r.upkeep.Sweep(ctx)
		r.seam = nil
		if *at == "" {
			r.must(err)
			if n < 6 {
				t.Errorf("only %d steps", n-1)
			}
			return
		}
		r.openStore(t)
		r.restart()
		sweepAll(r)
		if left := append(r.objects(segmentPrefix), r.intents()...); len(left) != 0 {
			t.Errorf("killed before %q, step %d: left %v", *at, n, left)
		}
	}
}

// stuckBucket does not delete.
type stuckBucket struct{ bucket.Bucket }

var errStuck = errors.New("no deletes today")

func (stuckBucket) Delete(context.Context, ...string) error { return errStuck }

func TestSweepTriesAgainWhatCouldNotBeDeleted(t *testing.T) {
	r := newRig(t, uploaded)
	ctx := context.Background()
	for _, key := range []string{"segment/a", "segment/b"} {
		r.must(r.store.Intend(ctx, key))
		r.must(r.bucket.Create(ctx, key, bucket.Bytes([]byte("x"))))
	}
	r.clock.advance(r.upkeep.cfg.Grace)
	r.upkeep.cfg.Bucket = stuckBucket{r.bucket}
	if err := r.upkeep.Sweep(ctx); !errors.Is(err, errStuck) {
		t.Fatal(err)
	}
	r.upkeep.cfg.Bucket = r.bucket
	sweepAll(r)
	if n := len(r.objects(segmentPrefix)) + len(r.intents()); n != 0 {
		t.Errorf("%d objects and intents left", n)
	}
}

// TestSweepNeverRunsBehind: another process with a newer store works on the bucket.
func TestSweepNeverRunsBehind(t *testing.T) {
	r := newRig(t, uploaded)
	ctx := context.Background()
	r.must(r.store.Intend(ctx, "segment/lost"))
	r.must(r.bucket.Create(ctx, "segment/lost", bucket.Bytes([]byte("x"))))
	r.clock.advance(r.upkeep.cfg.Grace)
	newer := witness{r.start.ClusterID, r.start.Incarnation, 99, processID{9}, 1}
	r.must(r.bucket.Create(ctx, newer.key(), bucket.Bytes(newer.encode())))
	if err := r.upkeep.Sweep(ctx); !errors.Is(err, ErrTwin) {
		t.Fatalf("sweep gives %v", err)
	}
	if n := len(r.objects(segmentPrefix)); n != 1 {
		t.Error("something was deleted")
	}
}
