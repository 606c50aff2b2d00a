package upkeep

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamhouse/streamhouse/metadata"
)

func TestExpiredFollowsKafka(t *testing.T) {
	slice := func(bytes, maxTimestamp, appendTime int64) metadata.Slice {
		return metadata.Slice{Bytes: bytes, MaxTimestamp: maxTimestamp, AppendTime: appendTime}
	}
	four := []metadata.Slice{slice(100, 10, 10), slice(100, 20, 20), slice(100, 90, 30), slice(100, 40, 40)}
	for _, c := range []struct {
		name      string
		slices    []metadata.Slice
		ms, bytes int64
		open, now int64
		want      int
	}{
		{"no limits", four, -1, -1, 0, 1000, 0},
		{"too old by more than the limit only", four, 80, -1, 0, 100, 1},
		{"exactly the limit stays", four, 90, -1, 0, 100, 0},
		{"stops at the first that stays", four, 50, -1, 0, 100, 2},
		{"all", four, 5, -1, 0, 1000, 4},
		{"zero", four, 0, -1, 0, 1000, 4},
		{"no timestamp: time of the append", []metadata.Slice{slice(1, -1, 10)}, 50, -1, 0, 61, 1},
		{"future timestamps stay", []metadata.Slice{slice(1, 5000, 10)}, 50, -1, 0, 1000, 0},
		{"size at the limit", four, -1, 400, 0, 0, 0},
		{"size less than a slice over", four, -1, 301, 0, 0, 0},
		{"size a slice over", four, -1, 300, 0, 0, 1},
		{"open bytes count", four, -1, 400, 250, 0, 2},
		{"size zero", four, -1, 0, 0, 0, 4},
		{"both", four, 80, 200, 0, 100, 2},
	} {
		topic := Topic{RetentionMs: c.ms, RetentionBytes: c.bytes}
		if got := expired(c.slices, &topic, c.open, c.now); got != c.want {
			t.Errorf("%s: %d slices expire, want %d", c.name, got, c.want)
		}
	}
}

// TestIdlePartitionKeepsItsOffsets lets retention take all data of a partition, and
// then the segment that held its state, over restarts.
func TestIdlePartitionKeepsItsOffsets(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRig(t, k)
		ctx := context.Background()
		r.some()
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		r.topics.change(orders.ID, func(x *Topic) { x.RetentionMs = 1000 })
		r.topics.change(clicks.ID, func(x *Topic) { x.RetentionMs = 1000 })
		r.clock.advance(2 * time.Second)
		r.must(r.upkeep.Retain(ctx)) // raises the log starts; nothing is stranded yet
		r.must(r.upkeep.Retain(ctx)) // moves the states
		sweepAll(r)
		if keys := r.objects(segmentPrefix); len(keys) != 0 {
			t.Errorf("segments without a live slice left: %v", keys)
		}
		if keys := r.objects(statesPrefix); len(keys) != 1 {
			t.Errorf("segments of states: %v", keys)
		}
		r.must(r.upkeep.Retain(ctx))
		if keys := r.objects(statesPrefix); len(keys) != 1 {
			t.Errorf("states were moved again: %v", keys)
		}
		r.restart()
		r.checkStates()
		p, err := r.log.Partition(ctx, at(orders, 0), r.topics.epoch)
		r.must(err)
		if b := p.Bounds(); b.LogStart != 10 || b.HighWatermark != 10 {
			t.Errorf("bounds of an idle partition: %+v", b)
		}
		// The producers live on too: the next round must continue their sequences.
		r.some()
		r.checkAcked()
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		r.checkAcked()
		r.checkStates()
		r.must(r.upkeep.Retain(ctx))
		sweepAll(r)
		if keys := r.objects(statesPrefix); len(keys) != 0 {
			t.Errorf("a segment of states that nobody needs is left: %v", keys)
		}
		r.restart()
		r.checkAcked()
	})
}

// TestRetentionStoppedAtEachStep ends the process at each step of retention, the move
// of states and the sweep, and then does all again.
func TestRetentionStoppedAtEachStep(t *testing.T) {
	for n := 1; ; n++ {
		stopped := ""
		t.Run(fmt.Sprintf("step %d", n), func(t *testing.T) { stopped = retentionStopped(t, n) })
		if stopped == "" {
			if n < 10 {
				t.Fatalf("only %d steps", n-1)
			}
			return
		}
	}
}

func retentionStopped(t *testing.T, n int) string {
	r := newRig(t, adopted)
	ctx := context.Background()
	r.some()
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	r.topics.change(orders.ID, func(x *Topic) { x.RetentionMs = 1000 })
	r.topics.change(clicks.ID, func(x *Topic) { x.RetentionMs = 1000 })
	r.clock.advance(2 * time.Second)
	seam, _, stopped := stopAt(n)
	r.seam = seam
	all := func() error {
		for range 4 {
			if err := errors.Join(r.upkeep.Retain(ctx), r.upkeep.Sweep(ctx)); err != nil {
				return err
			}
			r.clock.advance(r.upkeep.cfg.Grace)
		}
		return nil
	}
	err := all()
	r.seam = nil
	if *stopped != "" && !errors.Is(err, errStop) {
		t.Fatalf("stopped at %q with %v", *stopped, err)
	}
	r.restart()
	r.checkStates()
	r.checkAcked()
	r.must(all())
	r.checkStates()
	if keys := append(r.objects(segmentPrefix), r.objects(liftedPrefix)...); len(keys) != 0 {
		t.Errorf("objects left: %v", keys)
	}
	if keys := r.objects(statesPrefix); len(keys) != 1 {
		t.Errorf("segments of states: %v", keys)
	}
	if n := len(r.intents()); n != 0 {
		t.Errorf("%d intents left", n)
	}
	r.some()
	r.checkAcked()
	return *stopped
}

func TestRetentionRollsTheOpenVolume(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	r.some()
	r.topics.change(clicks.ID, func(x *Topic) { x.RetentionMs = 60_000 })
	r.clock.advance(time.Minute)
	r.must(r.upkeep.Retain(ctx))
	if v := r.journal.Volumes(); len(v) != 1 {
		t.Fatalf("rolled although nothing can have expired: %v", v)
	}
	r.clock.advance(time.Second)
	r.must(r.upkeep.Retain(ctx))
	for deadline := time.Now().Add(10 * time.Second); len(r.journal.Volumes()) == 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("retention does not roll the open volume")
		}
	}
	r.must(r.upkeep.Seal(ctx))
	r.must(r.upkeep.Retain(ctx))
	if start, _ := r.store.LogStart(ctx, at(clicks, 1)); start != 5 {
		t.Errorf("log start %d, want 5", start)
	}
	p, err := r.log.Partition(ctx, at(clicks, 1), r.topics.epoch)
	r.must(err)
	if b := p.Bounds(); b.LogStart != 5 {
		t.Errorf("the log was not told: %+v", b)
	}
	r.checkAcked()
}

func TestTopicsWithoutDeletePolicyAreKept(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	r.topics.change(orders.ID, func(x *Topic) { x.RetentionMs, x.RetentionBytes, x.Delete = 1, 1, false })
	r.some()
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	r.clock.advance(time.Hour)
	r.must(r.upkeep.Retain(ctx))
	if start, _ := r.store.LogStart(ctx, at(orders, 0)); start != 0 {
		t.Errorf("log start %d, want 0", start)
	}
}

func TestAmplificationIsMeasured(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	r.some()
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	r.must(r.upkeep.Retain(ctx))
	before := testutil.ToFloat64(r.upkeep.metrics.amplification)
	r.delete(orders)
	r.must(r.upkeep.Retain(ctx))
	if after := testutil.ToFloat64(r.upkeep.metrics.amplification); before < 1 || after < 2*before {
		t.Errorf("amplification %v, and %v after most of the segment died", before, after)
	}
}

// TestSharedSegmentIsNotKeptByFewCommits: what internal topics have in a segment is
// lifted once nothing else in it is live, and the segment goes.
func TestSharedSegmentIsNotKeptByFewCommits(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	r.some()
	r.commits(at(consumers, 1), 20, 5)
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	r.must(r.upkeep.Retain(ctx))
	if n := len(r.objects(liftedPrefix)); n != 0 {
		t.Fatal("lifted although the segment is alive anyway")
	}
	for _, topic := range []Topic{orders, clicks} {
		r.delete(topic)
	}
	r.must(r.upkeep.Retain(ctx))
	r.must(r.upkeep.Retain(ctx))
	sweepAll(r)
	if n := len(r.objects(segmentPrefix)); n != 0 {
		t.Errorf("%d shared segments left", n)
	}
	r.checkTables()
	r.restart()
	r.checkTables()
	r.checkStates()
}
