package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/storage/journal"
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

func TestSealMovesVolumesIntoSegments(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRig(t, k)
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
	kinds(t, func(t *testing.T, k kind) {
		for _, restart := range []bool{false, true} {
			for n := 1; ; n++ {
				var reached bool
				t.Run(fmt.Sprintf("step %d restart %v", n, restart), func(t *testing.T) {
					reached = sealStopped(t, k, restart, n)
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

func sealStopped(t *testing.T, k kind, restart bool, n int) (reached bool) {
	r := newRig(t, k)
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
	if got, want := r.objects(segmentPrefix), r.referenced(); !slices.Equal(got, want) {
		t.Errorf("objects %v, referred to are %v", got, want)
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
	kinds(t, func(t *testing.T, k kind) {
		r := newRig(t, k)
		ctx := context.Background()
		r.some()
		r.delete(clicks)
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
	r := newRig(t, adopted)
	r.some()
	r.roll()
	r.seam = func(step string) error {
		if step == "register" {
			r.delete(clicks)
		}
		return nil
	}
	r.must(r.upkeep.Seal(context.Background()))
	r.checkAcked()
	if slices, state, err := r.store.Partition(context.Background(), at(clicks, 1)); len(slices) != 0 || state.NextOffset != 0 || err != nil {
		t.Errorf("a deleted topic has slices %v and state %+v, %v", slices, state, err)
	}
	r.restart()
	r.checkAcked()
}

// TestSealAfterCrashWithAnotherFooter: the file was linked, and the repetition wants
// another footer, since a topic is gone. The linked file may not be written.
func TestSealAfterCrashWithAnotherFooter(t *testing.T) {
	r := newRig(t, adopted)
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
	r.delete(clicks)
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

// TestStoreBehindIsRefused seals over a real database, goes back to what it was before
// each commit of the seal, and starts. The volume is gone by then: a store that does
// not know the segment would number its records twice.
func TestStoreBehindIsRefused(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRigOn(t, k, true)
		r.some()
		r.roll()
		r.seam = func(step string) error {
			saveStore(t, r.dir, filepath.Join(r.dir, step))
			return nil
		}
		r.must(r.upkeep.Seal(context.Background()))
		r.stop()
		for _, step := range []string{"intend", "register", "witness"} {
			r.setStoreBack(step)
			if err := r.tryBegin(); !errors.Is(err, ErrBehind) {
				t.Errorf("store as before %q: start gives %v", step, err)
			}
		}
		r.setStoreBack("")
		if err := r.tryBegin(); !errors.Is(err, ErrBehind) {
			t.Errorf("empty store: start gives %v", err)
		}
		r.setStoreBack("release")
		r.must(r.tryBegin())
		r.checkAcked()
	})
}

// saveStore copies the database's files.
func saveStore(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(filepath.Join(from, storeFile+suffix))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, storeFile+suffix), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// setStoreBack opens the store as it was saved before a step, or an empty one.
func (r *rig) setStoreBack(step string) {
	r.t.Helper()
	r.must(r.store.Close())
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(r.dir, storeFile+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.t.Fatal(err)
		}
	}
	if step != "" {
		saveStore(r.t, filepath.Join(r.dir, step), r.dir)
	}
	r.openStore(r.t)
}

// TestLostTopicStopsTheSeal: records of a topic that the store has never heard of are
// not thrown away as deleted.
func TestLostTopicStopsTheSeal(t *testing.T) {
	r := newRig(t, adopted)
	r.some()
	r.roll()
	r.topics.drop(clicks.ID)
	if err := r.upkeep.Seal(context.Background()); !errors.Is(err, ErrBehind) {
		t.Errorf("seal gives %v", err)
	}
	if len(r.journal.Volumes()) != 2 {
		t.Error("the volume was released")
	}
}

func TestForeignBucketIsRefused(t *testing.T) {
	r := newRig(t, uploaded)
	r.stop()
	r.store = newRig(t, uploaded).store
	if err := r.tryBegin(); !errors.Is(err, ErrForeign) {
		t.Errorf("start gives %v", err)
	}
}

// TestSealOfMoreProducersThanABlockHolds: a seal succeeds however many there are, and
// what it forgets is who was idle for longest.
func TestSealOfMoreProducersThanABlockHolds(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	r.upkeep.cfg.StateBytesMax = 2000
	id := at(orders, 1)
	for i := range int64(100) {
		r.produce(id, batchOf(i, 0, 1000, nil, []byte("v")))
		r.clock.advance(time.Millisecond)
	}
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	_, row, err := r.store.Partition(ctx, id)
	if err != nil || row.NextOffset != 100 || row.BlockLen == 0 || row.BlockLen > 2100 {
		t.Fatalf("%+v, %v", row, err)
	}
	r.restart()
	p, err := r.log.Partition(ctx, id, r.topics.epoch)
	if err != nil {
		t.Fatal(err)
	}
	known := p.Producers()
	if len(known) < 20 || len(known) > 50 || known[0].ID != int64(100-len(known)) {
		t.Errorf("%d producers are known: %v", len(known), known)
	}
	r.checkAcked()
}

// TestMissingPackIsNamed: a pack of a closed epoch that is not there any more is damage, not
// something to be tried again. (A process has its own packs in memory until they are sealed:
// it is the next one that misses it.)
func TestMissingPackIsNamed(t *testing.T) {
	for _, at := range []int{1, 2} {
		r := newRig(t, kind{object: true})
		ctx := context.Background()
		r.some()
		r.roll()
		r.restart()
		key := r.objects("journal/")[at]
		r.must(r.bucket.Delete(ctx, key))
		err := r.upkeep.Seal(ctx)
		if !errors.Is(err, journal.ErrDamaged) || !damaged(err) || !strings.Contains(err.Error(), key) {
			t.Errorf("without %s: %v", key, err)
		}
	}
}
