package upkeep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestCompactionSettings(t *testing.T) {
	lag := compacted
	lag.MinCompactionLagMs, lag.MinCleanableRatio = 60_000, 0.1
	r := newCleanRig(t, adopted, lag)
	p := at(lag, 0)
	r.produce(p, r.keyed("a=1", "a=2"))
	r.sealAll()
	r.clock.advance(50 * time.Second)
	r.produce(p, r.keyed("a=3"))
	r.sealAll()
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean() // the first slice is old enough, the second is not
	r.left(p, "1:a=2", "2:a=3")
	r.clock.advance(50 * time.Second)
	r.clean()
	r.left(p, "2:a=3")

	// Off, it does nothing; so it does when the policy is another.
	r.produce(p, r.keyed("a=4", "a=5"))
	r.sealAll()
	r.clock.advance(2 * time.Minute)
	r.cleaning.Enabled = false
	r.clean()
	r.cleaning.Enabled = true
	r.topics.change(lag.ID, func(t *Topic) { t.Compact = false })
	r.clean()
	r.left(p, "2:a=3", "3:a=4", "4:a=5")
	r.topics.change(lag.ID, func(t *Topic) { t.Compact = true })
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	r.left(p, "4:a=5")
}

// More keys than fit are divided into classes: each is a reading, and everything is written once.
func TestCompactionOfManyKeys(t *testing.T) {
	r := newCleanRig(t, adopted, compacted)
	p := at(compacted, 0)
	var want []string
	for round, slots := range []int64{4096, 200, 16} { // of 10, 9 hold a key
		var records []string
		for key := range 100 {
			if key%10 >= round { // keys that are not written again stay where they were
				records = append(records, fmt.Sprintf("key-%d=%d", key, round))
			}
		}
		r.produce(p, r.keyed(records[:len(records)/2]...))
		r.produce(p, r.keyed(records[len(records)/2:]...))
		r.sealAll()
		r.clean() // looks
		r.clock.advance(11 * time.Second)
		r.cleaning.DedupeBytes = 16 * slots
		before, readings := r.counts()
		r.clean()
		after, now := r.counts()
		if after != before+1 || (now-readings > 1) != (round == 2) {
			t.Errorf("round %d: %d objects written, %d readings", round, after-before, now-readings)
		}
		want = r.records(p)
		if len(want) != 100 {
			t.Fatalf("round %d: %d records are left", round, len(want))
		}
	}
	// A key is at the round that it was written in last.
	for _, text := range want {
		var offset, key, value int
		if n, err := fmt.Sscanf(text, "%d:key-%d=%d", &offset, &key, &value); n != 3 {
			t.Fatalf("%q: %v", text, err)
		}
		if value != min(key%10, 2) {
			t.Errorf("key %d is at %d", key, value)
		}
	}
}

// counts is how many objects compactions have written and how often they read what was new.
func (r *rig) counts() (objects, readings int) {
	m := r.upkeep.metrics
	return int(testutil.ToFloat64(m.cleanObjects)), int(testutil.ToFloat64(m.cleanReadings))
}

// Where there is no room to divide the keys either, the run ends before the slice that they are
// in; where those of one slice do not fit, the partition is named.
func TestCompactionBuffer(t *testing.T) {
	r := newCleanRig(t, adopted, compacted)
	r.upkeep.clean.marks = 0
	p := at(compacted, 0)
	for i := range 3 {
		r.produce(p, r.keyed(fmt.Sprint("a", i, "=1"), fmt.Sprint("b", i, "=1"), "c=1"))
		r.sealAll()
	}
	r.cleaning.DedupeBytes = 6 * 16 // five keys
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	if got := r.records(p); len(got) != 8 {
		t.Fatalf("the first two slices have five keys: %q", got)
	}
	r.clean()
	if got := r.records(p); len(got) != 7 {
		t.Fatalf("then the third: %q", got)
	}
	r.produce(p, r.keyed("1=", "2=", "3=", "4=", "5=", "6="))
	r.sealAll()
	r.clock.advance(11 * time.Second)
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	if err := r.upkeep.clean.parts[p].uncleanOf; !errors.Is(err, errSmallBuffer) {
		t.Fatal(err)
	}
	r.restart()
	r.cleaning.DedupeBytes = 1 << 20
	r.produce(p, r.keyed("6=7"))
	r.sealAll()
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	if got := r.records(p); len(got) != 13 {
		t.Fatalf("with room: %q", got)
	}
}

// A rate is kept to, and a stop does not wait for it.
func TestCompactionPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		began := time.Now()
		for range 100 {
			if err := p.wait(t.Context(), 1<<20, 10<<20); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 8*time.Second || took > 10*time.Second {
			t.Fatalf("100 MiB at 10 MiB/s took %v", took)
		}
		if err := p.wait(t.Context(), 1<<40, math.MaxFloat64); err != nil || time.Since(began) > 10*time.Second {
			t.Fatal("no limit is one", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.wait(ctx, 1<<40, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	})
}

// As many compactions run at a time as the setting says; none with 0.
func TestCompactionThreads(t *testing.T) {
	many := compacted
	many.Partitions = 6
	for _, threads := range []int{0, 1, 3} {
		r := newCleanRig(t, adopted, many)
		r.cleaning.Threads = threads
		for i := range many.Partitions {
			for range 2 {
				r.produce(at(many, i), r.keyed("a=1"))
			}
		}
		r.sealAll()
		var mu sync.Mutex
		running, most := 0, 0
		r.seam = func(s string) error {
			if s == "map" {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				time.Sleep(20 * time.Millisecond)
				mu.Lock()
				running--
				mu.Unlock()
			}
			return nil
		}
		r.clean()
		r.upkeep.clean.alone = true // else six small partitions are one unit of work
		r.clock.advance(11 * time.Second)
		r.clean()
		if most != threads {
			t.Errorf("with %d threads %d ran at a time", threads, most)
		}
	}
}

// max.compaction.lag.ms does not wait for quiet, for the ratio or for an append.
func TestCompactionLag(t *testing.T) {
	lag := compacted
	lag.MinCleanableRatio, lag.MaxCompactionLagMs = 1, 10_000
	r := newCleanRig(t, adopted, lag)
	p := at(lag, 0)
	r.produce(p, r.keyed("a=0"))
	r.clean()
	for i := range 8 {
		r.clock.advance(time.Second)
		r.produce(p, r.keyed(fmt.Sprint("a=", i)))
		r.sealAll()
		r.clean()
	}
	if n := len(r.records(p)); n > 2 {
		t.Fatalf("%d records are left after the lag", n)
	}
}
