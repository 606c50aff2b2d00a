package upkeep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
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
		{"size before time", []metadata.Slice{slice(100, 5000, 10), slice(100, 20, 20), slice(100, 990, 30)}, 50, 200, 0, 1000, 2},
		{"time goes on behind the size", four, 50, 300, 0, 100, 2},
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

// TestFutureTimestamps: a timestamp in the future holds its slice and all behind it, as in
// Kafka, which is said now and then; but not against the size.
func TestFutureTimestamps(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	core, lines := observer.New(zap.WarnLevel)
	r.upkeep.logger = zap.New(core)
	held := at(clicks, 0)
	r.topics.change(clicks.ID, func(x *Topic) { x.Name, x.RetentionMs = "clicks", 1000 })
	for _, ahead := range []time.Duration{3 * time.Hour, 0, 0} {
		now := r.clock.Now().Add(ahead).UnixMilli()
		r.produceAll([]pack.PartitionID{held, at(clicks, 1)}, [][]byte{
			batchOf(-1, -1, now, nil, []byte("held")), batchOf(-1, -1, r.clock.Now().UnixMilli(), nil, []byte("free")),
		})
		r.sealAll()
	}
	stands := func(start, free int64, said int, partitions float64) {
		t.Helper()
		r.must(r.upkeep.Retain(ctx))
		if got, _ := r.store.LogStart(ctx, held); got != start {
			t.Errorf("the held partition starts at %d, want %d", got, start)
		}
		if got, _ := r.store.LogStart(ctx, at(clicks, 1)); got != free {
			t.Errorf("the other one starts at %d, want %d", got, free)
		}
		if n := lines.Len(); n != said {
			t.Errorf("said %d times, want %d: %v", n, said, lines.All())
		}
		if n := testutil.ToFloat64(r.upkeep.metrics.future); n != partitions {
			t.Errorf("%v partitions are held, want %v", n, partitions)
		}
	}
	stands(0, 0, 1, 1)
	r.clock.advance(2 * time.Second)
	stands(0, 3, 1, 1)
	if f := lines.All()[0].ContextMap(); f["topic"] != "clicks" || f["partition"] != int32(0) || f["offset"] != int64(0) {
		t.Errorf("said of %v", f)
	}
	r.clock.advance(time.Hour)
	stands(0, 3, 2, 1)
	// The size takes it, and the time what lies behind it, in one pass.
	list, _, err := r.store.Partition(ctx, held)
	r.must(err)
	r.topics.change(clicks.ID, func(x *Topic) { x.RetentionBytes = list[1].Bytes + list[2].Bytes })
	stands(3, 3, 2, 0)
	r.checkAcked()
}

// TestCleanupPolicies: without "delete" nothing but a raised log start takes anything,
// whatever the limits are; and that counts before the limits do.
func TestCleanupPolicies(t *testing.T) {
	for name, policy := range map[string]func(*Topic){
		"compact": func(x *Topic) { x.Delete, x.Compact, x.MaxCompactionLagMs = false, true, math.MaxInt64 },
		"empty":   func(x *Topic) { x.Delete = false },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, adopted)
			ctx := context.Background()
			id := at(clicks, 1)
			r.topics.change(clicks.ID, func(x *Topic) { x.RetentionMs, x.RetentionBytes = 1, 1; policy(x) })
			for range 3 {
				r.some()
				r.sealAll()
			}
			r.clock.advance(time.Hour)
			starts := func(want int64, slices int) {
				t.Helper()
				r.must(r.upkeep.Retain(ctx))
				list, _, err := r.store.Partition(ctx, id)
				r.must(err)
				if start, _ := r.store.LogStart(ctx, id); start != want || len(list) != slices {
					t.Errorf("the log starts at %d with %d slices, want %d with %d", start, len(list), want, slices)
				}
			}
			starts(0, 3)
			p, err := r.log.Partition(ctx, id, r.topics.epoch)
			r.must(err)
			_, err = r.log.DeleteRecords(ctx, p, 5)
			r.must(err)
			starts(5, 2)
			// What the log start has passed counts no more; a slice that it lies in counts whole.
			_, err = r.log.DeleteRecords(ctx, p, 7)
			r.must(err)
			list, _, err := r.store.Partition(ctx, id)
			r.must(err)
			sum := list[0].Bytes + list[1].Bytes
			r.topics.change(clicks.ID, func(x *Topic) { x.Delete, x.Compact, x.RetentionMs, x.RetentionBytes = true, false, -1, sum })
			starts(7, 2)
			r.topics.change(clicks.ID, func(x *Topic) { x.RetentionBytes = list[1].Bytes })
			starts(10, 1)
			r.checkAcked()
		})
	}
}

// TestRetentionCommitsTogether: many log starts take few commits, over several pages, and a
// pass that dies behind a commit has told the log at the next start.
func TestRetentionCommitsTogether(t *testing.T) {
	r := newRig(t, adopted)
	ctx := context.Background()
	wide := Topic{ID: pack.TopicID{15: 20}, Partitions: oldestPage + 300, Delete: true, RetentionMs: 1000, RetentionBytes: -1}
	r.topics.mu.Lock()
	r.topics.list = append(r.topics.list, wide)
	r.topics.mu.Unlock()
	r.must(r.store.CreateTopic(ctx, metadata.Topic{ID: wide.ID, Name: "wide", Partitions: wide.Partitions, Replicas: 1}))
	var ids []pack.PartitionID
	var batches [][]byte
	for i := range wide.Partitions {
		ids = append(ids, at(wide, i))
		batches = append(batches, batchOf(-1, -1, r.clock.Now().UnixMilli(), nil, []byte("x")))
	}
	r.produceAll(ids, batches)
	r.sealAll()
	r.clock.advance(2 * time.Second)
	commits := 0
	r.seam = func(s string) error {
		if s == "log start" {
			commits++
		}
		if s == "log starts told" && commits == 3 {
			return errStop
		}
		return nil
	}
	if err := r.upkeep.Retain(ctx); !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	r.restart()
	r.must(r.upkeep.Retain(ctx))
	if most := int(wide.Partitions)/startsMax + 2; commits > most {
		t.Errorf("%d commits, want at most %d", commits, most)
	}
	for _, id := range ids {
		if start, _ := r.store.LogStart(ctx, id); start != 1 {
			t.Fatalf("%v starts at %d", id, start)
		}
	}
	p, err := r.log.Partition(ctx, ids[0], r.topics.epoch)
	r.must(err)
	if b := p.Bounds(); b.LogStart != 1 || b.HighWatermark != 1 {
		t.Errorf("bounds %+v", b)
	}
}

// TestCompactAndDelete: limits count what compaction has left, and compaction goes on with
// what retention leaves.
func TestCompactAndDelete(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		both := compacted
		both.Delete, both.MinCleanableRatio, both.MaxCompactionLagMs = true, 0, 10_000
		r := newCleanRig(t, k, both)
		ctx := context.Background()
		p := at(both, 0)
		for i := range 4 {
			r.produce(p, r.keyed(fmt.Sprint("only", i, "=1"), "a="+strings.Repeat(fmt.Sprint(i), 300), fmt.Sprint("b=", i)))
			r.sealAll()
		}
		before, _, err := r.store.Partition(ctx, p)
		r.must(err)
		r.clean() // sees that there is something
		r.clock.advance(11 * time.Second)
		r.clean()
		all := []string{"0:only0=1", "3:only1=1", "6:only2=1", "9:only3=1", "10:a=" + strings.Repeat("3", 300), "11:b=3"}
		r.left(p, all...)
		bytesOf := func() (sum int64) {
			list, _, err := r.store.Partition(ctx, p)
			r.must(err)
			for i := range list {
				sum += list[i].Bytes
			}
			return sum
		}
		compactedBytes := bytesOf()
		limit := func(bytes, ms int64) {
			t.Helper()
			r.topics.change(both.ID, func(x *Topic) { x.RetentionBytes, x.RetentionMs = bytes, ms })
			r.must(r.upkeep.Retain(ctx))
		}
		// Beyond the limit before the compaction, and not any more.
		if compactedBytes >= before[1].Bytes*3 {
			t.Fatalf("%d bytes are left of slices of %d", compactedBytes, before[1].Bytes)
		}
		limit(before[1].Bytes*3, -1)
		r.left(p, all...)
		// What comes now is not compacted, and retention takes all that is older.
		r.clock.advance(5 * time.Second)
		r.produce(p, r.keyed("a=4", "new=1"))
		r.sealAll()
		limit(-1, 10_000)
		r.left(p, "12:a=4", "13:new=1")
		r.clean()
		if n := testutil.ToFloat64(r.upkeep.metrics.cleanDirty); n != float64(bytesOf()) {
			t.Errorf("%v bytes are to be compacted of %d", n, bytesOf())
		}
		r.clock.advance(20 * time.Second)
		limit(-1, 10_000)
		r.left(p)
		r.clean()
		if n := testutil.ToFloat64(r.upkeep.metrics.cleanDirty); n != 0 {
			t.Errorf("%v bytes are to be compacted, and all are gone", n)
		}
		// A partition that retention has emptied begins anew: nothing is late.
		r.clock.advance(time.Hour)
		late := testutil.ToFloat64(r.upkeep.metrics.cleanLate)
		r.produce(p, r.keyed("a=5", "a=6"))
		r.clean()
		r.clock.advance(time.Second)
		r.clean()
		if n := testutil.ToFloat64(r.upkeep.metrics.cleanLate); n != late {
			t.Errorf("%v s late", n-late)
		}
		r.sealAll()
		r.clock.advance(11 * time.Second)
		r.clean()
		r.left(p, "15:a=6")
		r.restart()
		r.left(p, "15:a=6")
		r.checkStates()
	})
}
