package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
)

// usage is what is live and dead.
func (r *rig) usage() metadata.Usage {
	r.t.Helper()
	u, err := r.store.Usage(context.Background(), nil)
	r.must(err)
	return u
}

// bulk produces much to clicks and a little to orders, in one segment, and returns its key.
func (r *rig) bulk() string {
	r.t.Helper()
	now := r.clock.Now().UnixMilli()
	for i := range 20 {
		r.produce(at(clicks, 0), batchOf(-1, -1, now, nil, bytes.Repeat([]byte{byte(i)}, 1000)))
		r.produce(at(orders, int32(i%3)), batchOf(-1, -1, now, nil, fmt.Appendf(nil, "little %d", i)))
	}
	r.sealAll()
	seg, err := r.store.Segment(context.Background(), r.slices(at(orders, 0))[0].Segment)
	r.must(err)
	return seg.Key
}

// Who keeps its data does not pin what was sealed beside it.
func TestSparseSegmentsAreEmptied(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newMergeRig(t, k)
		old := r.bulk()
		before := r.slices(at(orders, 0))
		r.merge()
		if got := r.objects(mergedPrefix); len(got) != 0 {
			t.Fatalf("moved without need: %q", got)
		}
		r.delete(clicks)
		r.clock.advance(time.Minute)
		live := r.usage().Live
		r.merge()
		u := r.usage()
		if u.Data != live || u.Live != live {
			t.Errorf("%d bytes are live of %d", u.Live, u.Data)
		}
		after := r.slices(at(orders, 0))
		before[0].Segment = after[0].Segment
		if len(after) != 1 || after[0] != before[0] {
			t.Errorf("%+v, was %+v", after, before)
		}
		r.checkAcked()
		r.checkStates()
		r.must(r.upkeep.Retain(context.Background()))
		r.sweepTwice()
		for _, key := range r.objects(segmentPrefix) {
			if key == old {
				t.Error("the old object is still there")
			}
		}
		r.checkAcked()
		r.restart()
		r.checkAcked()
		r.checkStates()
		r.checkObjects()
		// It is done once.
		r.clock.advance(time.Hour)
		r.merge()
		if got := r.objects(mergedPrefix); len(got) != 1 {
			t.Errorf("moved again: %q", got)
		}
	})
}

// Half of each segment dead is not enough for one, and too much for all.
func TestTooMuchDeadInAll(t *testing.T) {
	for name, x := range map[string]struct {
		dead, all int // segments of which 45 in 100 are dead
		merged    bool
	}{
		"too much": {3, 3, true},
		"not":      {1, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newMergeRig(t, uploaded)
			now := r.clock.Now().UnixMilli()
			for i := range x.all {
				r.produce(at(orders, 0), batchOf(-1, -1, now, nil, make([]byte, 5500)))
				r.produce(at(clicks, 0), batchOf(-1, -1, now, nil, make([]byte, 4500)))
				r.sealAll()
				if i+1 == x.dead {
					r.must(r.store.SetLogStarts(context.Background(), metadata.LogStart{ID: at(clicks, 0), Offset: int64(x.dead)}))
					r.log.LogStartRaised(at(clicks, 0), int64(x.dead))
				}
			}
			r.clock.advance(time.Minute)
			r.merge()
			u := r.usage()
			if dead := float64(u.Data-u.Live) / float64(u.Data); dead > deadInAll || (len(r.objects(mergedPrefix)) > 0) != x.merged {
				t.Errorf("%.2f dead, merged %q", dead, r.objects(mergedPrefix))
			}
			r.checkAcked()
		})
	}
}

// What was compacted stays so, and what internal topics hold is theirs.
func TestSparseCompactedSegments(t *testing.T) {
	r := newCleanRig(t, uploaded, compacted)
	r.merging = Merging{Enabled: true, Wait: time.Hour}
	p, q := at(compacted, 0), at(compacted, 1)
	r.produce(p, r.keyed("a=1", "b=1"))
	r.produce(q, r.keyed("a="+strings.Repeat("x", 5000)))
	r.sealAll()
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	one := r.objects(compactedPrefix)
	if len(one) != 1 {
		t.Fatalf("compacted objects %q", one)
	}
	r.produce(q, r.keyed("a=2"))
	r.sealAll()
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	r.clock.advance(time.Minute)
	r.merge()
	list := r.slices(p)
	seg, err := r.store.Segment(context.Background(), list[0].Segment)
	r.must(err)
	if seg.Key == one[0] || !strings.HasPrefix(seg.Key, compactedPrefix) {
		t.Errorf("it lies in %s, it was in %s", seg.Key, one[0])
	}
	n := len(r.objects(compactedPrefix))
	for range 3 {
		r.clock.advance(time.Minute)
		r.clean()
	}
	if again := len(r.objects(compactedPrefix)); again != n {
		t.Error("it was compacted again")
	}
	r.left(p, "0:a=1", "1:b=1")
	r.left(q, "1:a=2")
}

// Of a compacted topic what is not compacted yet is joined; the rest is compaction's.
func TestMergeAboveTheCleanEnd(t *testing.T) {
	topic := compacted
	topic.MinCleanableRatio = 1 // never by ratio
	r := newCleanRig(t, adopted, topic)
	r.merging = Merging{Enabled: true, Wait: time.Hour}
	p := at(topic, 0)
	r.produce(p, r.keyed("a=0", "a=1"))
	r.sealAll()
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	r.left(p, "1:a=1")
	want := []string{"1:a=1"}
	for i := range 16 {
		r.produce(p, r.keyed(fmt.Sprint("b=", i)))
		r.sealAll()
		want = append(want, fmt.Sprintf("%d:b=%d", i+2, i))
		r.clock.advance(5 * time.Minute)
	}
	r.merge()
	if got := r.shape(p); got != "0 1" {
		t.Fatalf("levels %s", got)
	}
	r.left(p, want...)
	r.restart()
	r.left(p, want...)
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean() // quiet
	r.left(p, "1:a=1", "17:b=15")
	r.checkStates()
}

// A transaction that is open holds back what is joined of a compacted topic: compaction
// takes slices whole.
func TestMergeBelowTheStableOffset(t *testing.T) {
	topic := compacted
	topic.MinCleanableRatio = 1
	r := newCleanRig(t, adopted, topic)
	r.merging = Merging{Enabled: true, Wait: time.Hour}
	p := at(topic, 0)
	for i := range 20 {
		if i == 16 {
			r.produce(p, inTransaction(5, r.clock.Now().UnixMilli(), "t", "1"))
		} else {
			r.produce(p, r.keyed(fmt.Sprint("b=", i)))
		}
		r.sealAll()
		r.clock.advance(5 * time.Minute)
	}
	r.merge()
	if got := r.shape(p); got != "1 0 0 0 0" {
		t.Errorf("levels %s", got)
	}
}

// Emptying that is stopped anywhere leaves what was; the next one completes.
func TestEmptyingStoppedAnywhere(t *testing.T) {
	stopped := errors.New("stopped")
	for _, kill := range []bool{false, true} {
		for _, step := range []string{"spool", "intend", "upload", "register", "switch"} {
			t.Run(fmt.Sprintf("%s kill %v", step, kill), func(t *testing.T) {
				r := newMergeRig(t, adopted)
				r.bulk()
				r.delete(clicks)
				r.clock.advance(time.Minute)
				r.seam = func(s string) error {
					if s == step {
						return stopped
					}
					return nil
				}
				if err := r.upkeep.Merge(context.Background()); !errors.Is(err, stopped) {
					t.Fatal(err)
				}
				r.seam = nil
				r.checkAcked()
				if kill {
					r.restart()
				}
				r.clock.advance(2 * time.Minute)
				r.merge()
				if u := r.usage(); u.Data != u.Live {
					t.Errorf("%d bytes are live of %d", u.Live, u.Data)
				}
				r.must(r.upkeep.Retain(context.Background()))
				r.sweepTwice()
				r.checkAcked()
				r.checkStates()
				r.checkObjects()
			})
		}
	}
}
