package upkeep

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

var errStop = errors.New("stopped by the test")

// stopAt makes the n-th step (from 1) fail, and counts them.
func stopAt(n int) (seam func(string) error, steps *int, stopped *string) {
	steps, stopped = new(int), new(string)
	return func(step string) error {
		if *steps++; *steps == n {
			*stopped = step
			return errStop
		}
		return nil
	}, steps, stopped
}

func kinds(t *testing.T, fn func(t *testing.T, adopt bool)) {
	t.Run("adopted", func(t *testing.T) { fn(t, true) })
	t.Run("uploaded", func(t *testing.T) { fn(t, false) })
}

func TestSealMovesVolumesIntoSegments(t *testing.T) {
	kinds(t, func(t *testing.T, adopt bool) {
		r := newRig(t, adopt)
		ctx := context.Background()
		for range 3 {
			r.some()
			r.roll()
			r.some()
			r.must(r.upkeep.Seal(ctx))
			r.checkAcked()
			r.foldClosed()
		}
		if n := len(r.journal.Volumes()); n != 1 {
			t.Errorf("%d volumes left, only the open one should be", n)
		}
		if n := len(r.objects(segmentPrefix)); n != 3 {
			t.Errorf("%d segments, want 3", n)
		}
		r.checkStates()
		r.restart()
		r.checkAcked()
	})
}

// TestSealStoppedAtEachStep ends the process at every step of a seal, once going on
// in the same process and once after a restart, and looks at the log in between.
func TestSealStoppedAtEachStep(t *testing.T) {
	kinds(t, func(t *testing.T, adopt bool) {
		for _, restart := range []bool{false, true} {
			for n := 1; ; n++ {
				var reached bool
				t.Run(fmt.Sprintf("step %d restart %v", n, restart), func(t *testing.T) {
					reached = sealStopped(t, adopt, restart, n)
				})
				if !reached {
					if n < 7 {
						t.Fatalf("a seal has %d steps only", n-1)
					}
					break
				}
			}
		}
	})
}

func sealStopped(t *testing.T, adopt, restart bool, n int) (reached bool) {
	r := newRig(t, adopt)
	ctx := context.Background()
	r.some()
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	r.some()
	r.roll()
	r.some()
	seam, _, stopped := stopAt(n)
	r.seam = seam
	err := r.upkeep.Seal(ctx)
	r.seam = nil
	if *stopped == "" {
		r.must(err)
		return false
	}
	if !errors.Is(err, errStop) {
		t.Fatalf("stopped at %q with %v", *stopped, err)
	}
	r.checkAcked()
	if restart {
		r.restart()
		r.checkAcked()
	}
	r.must(r.upkeep.Seal(ctx))
	r.checkAcked()
	r.some()
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	r.checkAcked()
	r.checkStates()
	r.restart()
	r.checkAcked()
	if v := r.journal.Volumes(); len(v) != 1 {
		t.Errorf("%d volumes left after the seal", len(v))
	}
	sweepAll(r)
	if got, want := len(r.objects(segmentPrefix)), len(r.store.segments); got != want {
		t.Errorf("%d objects for %d segments", got, want)
	}
	r.checkAcked()
	return true
}

// sweepAll runs the sweeper until nothing is in its grace any more.
func sweepAll(r *rig) {
	r.t.Helper()
	for range 3 {
		r.must(r.upkeep.Sweep(context.Background()))
		r.clock.advance(r.upkeep.cfg.Grace)
	}
}

func TestSealLeavesOutDeletedTopics(t *testing.T) {
	kinds(t, func(t *testing.T, adopt bool) {
		r := newRig(t, adopt)
		ctx := context.Background()
		r.some()
		r.topics.drop(clicks.ID)
		r.store.deleteTopic(clicks.ID)
		r.log.DropTopic(clicks.ID)
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		r.checkAcked()
		r.checkStates()
		key := r.objects(segmentPrefix)[0]
		info, err := r.bucket.Stat(ctx, key)
		r.must(err)
		footer, err := r.upkeep.openFooter(ctx, key, info.Size)
		r.must(err)
		if _, found := footer.Find(at(clicks, 1)); found || footer.Len() != 2 {
			t.Errorf("%d partitions in the footer, a deleted one among them: %v", footer.Len(), found)
		}
	})
}

// TestTopicDeletedDuringSeal deletes a topic between the footer and the registration.
func TestTopicDeletedDuringSeal(t *testing.T) {
	r := newRig(t, true)
	r.some()
	r.roll()
	r.seam = func(step string) error {
		if step == "register" {
			r.topics.drop(clicks.ID)
			r.store.deleteTopic(clicks.ID)
			r.log.DropTopic(clicks.ID)
		}
		return nil
	}
	r.must(r.upkeep.Seal(context.Background()))
	r.checkAcked()
	if n := len(r.store.slices[at(clicks, 1)]); n != 0 {
		t.Errorf("%d slices of a deleted topic", n)
	}
	r.restart()
	r.checkAcked()
}

// TestSealAfterCrashWithAnotherFooter: the file was linked, and the repetition wants
// another footer, since a topic is gone. The linked file may not be written.
func TestSealAfterCrashWithAnotherFooter(t *testing.T) {
	r := newRig(t, true)
	ctx := context.Background()
	r.some()
	r.roll()
	r.seam = func(step string) error {
		if step == "register" {
			return errStop
		}
		return nil
	}
	if err := r.upkeep.Seal(ctx); !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	r.seam = nil
	r.topics.drop(clicks.ID)
	r.store.deleteTopic(clicks.ID)
	r.restart()
	r.must(r.upkeep.Seal(ctx))
	r.checkAcked()
	r.checkStates()
	sweepAll(r)
	if n := len(r.objects(segmentPrefix)); n != 1 {
		t.Errorf("%d segments, want 1", n)
	}
	r.checkAcked()
}

func TestStoreBehindIsRefused(t *testing.T) {
	kinds(t, func(t *testing.T, adopt bool) {
		r := newRig(t, adopt)
		ctx := context.Background()
		r.some()
		r.roll()
		// The commits of a seal: intent, registration, witness. What is lost with the
		// last one or the last two must be noticed once the volume is released.
		commits := map[string]*memStore{}
		r.seam = func(step string) error {
			commits[step] = r.store.clone()
			return nil
		}
		r.must(r.upkeep.Seal(ctx))
		r.stop()
		for _, step := range []string{"intend", "register", "witness"} {
			r.store = commits[step]
			if err := r.tryBegin(); !errors.Is(err, ErrBehind) {
				t.Errorf("store as before %q: start gives %v", step, err)
			}
		}
		r.store = newMemStore(r.store.now)
		if err := r.tryBegin(); !errors.Is(err, ErrBehind) {
			t.Errorf("empty store: start gives %v", err)
		}
		r.store = commits["release"]
		r.must(r.tryBegin())
		r.checkAcked()
	})
}

func TestForeignBucketIsRefused(t *testing.T) {
	r := newRig(t, false)
	r.stop()
	r.start.ClusterID = "BBBBBBBBBBBBBBBBBBBBBB"
	if err := r.tryBegin(); !errors.Is(err, ErrForeign) {
		t.Errorf("start gives %v", err)
	}
}
