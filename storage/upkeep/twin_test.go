package upkeep

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/partition"
)

// twin copies the rig's data folder as it lies there, as whoever clones a machine does,
// and makes a rig of it that has the same bucket and is not begun.
func (r *rig) twin() *rig {
	r.t.Helper()
	c := &rig{
		kind: r.kind, durable: true, t: r.t, dir: r.t.TempDir(), clock: r.clock, bucket: r.bucket,
		topics: &topics{list: r.topics.List()}, acked: map[pack.PartitionID][]byte{},
		folds: map[pack.PartitionID]*partition.State{}, stop: func() {},
		rounds: r.rounds,
	}
	for id, b := range r.acked {
		c.acked[id] = bytes.Clone(b)
	}
	entries, err := os.ReadDir(r.dir)
	r.must(err)
	for _, e := range entries {
		from, to := filepath.Join(r.dir, e.Name()), filepath.Join(c.dir, e.Name())
		switch {
		case e.Name() == "bucket":
		case e.IsDir():
			r.must(os.CopyFS(to, os.DirFS(from)))
		default:
			b, err := os.ReadFile(from)
			r.must(err)
			r.must(os.WriteFile(to, b, 0o600))
		}
	}
	c.openStore(r.t)
	r.t.Cleanup(func() { c.stop() })
	return c
}

// TestSecondCopyOfADataFolderIsRefused: the folder was copied while nobody ran, and both
// are started.
func TestSecondCopyOfADataFolderIsRefused(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRigOn(t, k, true)
		r.some()
		r.stop()
		second := r.twin()
		r.begin()
		if err := second.tryBegin(); !errors.Is(err, ErrBehind) {
			t.Fatalf("the second copy: %v", err)
		}
		r.some()
		r.roll()
		r.must(r.upkeep.Seal(context.Background()))
		r.checkAcked()
		// Whichever is first has the bucket.
		r.stop()
		second = r.twin()
		second.begin()
		if err := r.tryBegin(); !errors.Is(err, ErrBehind) {
			t.Fatalf("the first copy, behind the second: %v", err)
		}
	})
}

// TestTwoCopiesThatRun: the folder was copied while its broker ran, as a machine's
// snapshot is. The one that was overtaken stops at its next seal or sweep, and has let go
// of nothing.
func TestTwoCopiesThatRun(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		ctx := context.Background()
		r := newRigOn(t, k, true)
		r.some()
		r.roll()
		second := r.twin()
		second.begin()
		r.fenced = k.object
		volumes := len(r.journal.Volumes())
		if err := r.upkeep.Seal(ctx); !errors.Is(err, ErrTwin) || !damaged(err) {
			t.Fatalf("seal of the one that was overtaken: %v", err)
		}
		if n := len(r.journal.Volumes()); n != volumes {
			t.Errorf("%d volumes left of %d", n, volumes)
		}
		r.checkAcked()
		r.must(r.store.Intend(ctx, "segment/lost"))
		r.clock.advance(r.upkeep.cfg.Grace)
		if err := r.upkeep.Sweep(ctx); !errors.Is(err, ErrTwin) {
			t.Fatalf("sweep of the one that was overtaken: %v", err)
		}
		second.some()
		second.roll()
		second.must(second.upkeep.Seal(ctx))
		second.checkAcked()
	})
}

// TestTwinsThatStartTogether: of two that looked at the same moment one writes.
func TestTwinsThatStartTogether(t *testing.T) {
	ctx := context.Background()
	r := newRigOn(t, uploaded, true)
	r.stop()
	a, b := r.twin(), r.twin()
	// b looks before a writes, and writes behind it.
	behind := &pausedBucket{Bucket: r.bucket, before: func() { a.begin() }}
	b.bucket = behind
	if err := b.tryBegin(); !errors.Is(err, ErrTwin) {
		t.Fatalf("the later one: %v", err)
	}
	// And one that stood still between its look and its write, while a moved on twice.
	late := r.twin()
	late.bucket = &pausedBucket{Bucket: r.bucket, before: func() {
		a.must(a.upkeep.witness.Advance(ctx))
		a.must(a.upkeep.witness.Advance(ctx))
	}}
	putVersion(t, late.store, witnessName, 1, a.upkeep.witness.version)
	if err := late.tryBegin(); !errors.Is(err, ErrTwin) {
		t.Fatalf("the one that stood still: %v", err)
	}
	a.must(a.upkeep.witness.Check(ctx))
}

// pausedBucket calls a function before the first object is created.
type pausedBucket struct {
	bucket.Bucket
	before func()
}

func (b *pausedBucket) Create(ctx context.Context, key string, body bucket.Body) error {
	if b.before != nil {
		before := b.before
		b.before = nil
		before()
	}
	return b.Bucket.Create(ctx, key, body)
}

// TestBucketThatWasSetBack: an older copy of the bucket stands where the broker's was.
func TestBucketThatWasSetBack(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, uploaded)
	_, keys, err := newestWitness(ctx, r.bucket)
	r.must(err)
	old, err := bucket.ReadAll(ctx, r.bucket, keys[0], witnessBytesMax)
	r.must(err)
	r.must(r.upkeep.witness.Advance(ctx))
	_, newer, err := newestWitness(ctx, r.bucket)
	r.must(err)
	r.must(r.bucket.Create(ctx, keys[0], bucket.Bytes(old)))
	r.must(r.bucket.Delete(ctx, newer[0]))
	if err := r.upkeep.witness.Advance(ctx); !errors.Is(err, ErrOld) {
		t.Errorf("while it runs: %v", err)
	}
	r.stop()
	if err := r.tryBegin(); !errors.Is(err, ErrOld) {
		t.Errorf("at the start: %v", err)
	}
}
