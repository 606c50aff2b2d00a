package log

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/journal"
)

// clocks are a wall clock that can be set and a monotonic one that cannot.
type clocks struct {
	mu   sync.Mutex
	wall time.Time
	up   time.Duration
}

func newClocks() *clocks { return &clocks{wall: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clocks) configure(cfg *Config) {
	cfg.Now = func() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.wall }
	cfg.Uptime = func() time.Duration { c.mu.Lock(); defer c.mu.Unlock(); return c.up }
	cfg.ProducerExpiry = func() time.Duration { return 24 * time.Hour }
}

// pass lets time pass; set moves the hands.
func (c *clocks) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.up = c.wall.Add(d), c.up+d
}
func (c *clocks) set(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.wall = c.wall.Add(d) }

// A clock that is set forgets no producer that was not idle for its expiry, and one that
// was is forgotten at last, whatever the clock does.
func TestProducersWhenTheClockIsSet(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name string
		step time.Duration
		left time.Duration // until the producer is forgotten
	}{
		{"not at all", 0, day},
		{"a day ahead", day + time.Hour, day},
		{"a year ahead", 365 * day, day},
		{"a day back", -day, 2 * day},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := newClocks()
			r := newRigWith(t, newScriptedJournal(1), clock.configure)
			p := r.partition(0)
			clock.pass(time.Hour)
			r.must(p, batch(5, 0, 1, 10), 0)
			clock.pass(time.Minute)
			clock.set(c.step)
			for range 3 {
				if n := r.log.ExpireProducers(); n != 0 {
					t.Fatal("the producer is forgotten at once")
				}
				clock.pass(10 * time.Minute)
			}
			r.must(p, batch(5, 0, 1, 10), 0) // a retry, and not a new batch
			r.must(p, batch(5, 1, 1, 10), 1)
			clock.pass(c.left - time.Hour)
			if n := r.log.ExpireProducers(); n != 0 {
				t.Fatal("the producer is forgotten before it was idle for a day")
			}
			for range 4 {
				clock.pass(time.Hour)
				r.log.ExpireProducers()
			}
			if p.state.Producers() != 0 {
				t.Error("the producer is never forgotten")
			}
		})
	}
}

func TestExpiryWaitsForUptime(t *testing.T) {
	clock := newClocks()
	r := newRigWith(t, newScriptedJournal(1), clock.configure)
	if got := r.log.ExpiredBefore(); got != math.MinInt64 {
		t.Errorf("%d", got)
	}
	clock.pass(expiryUptime)
	if got, want := r.log.ExpiredBefore(), clock.wall.Add(-24*time.Hour).UnixMilli(); got != want {
		t.Errorf("%d, want %d", got, want)
	}
}

// A volume closes by the time that it has been open, although the clock was set back.
func TestVolumeClosesByAge(t *testing.T) {
	clock := newClocks()
	j := newScriptedJournal(1)
	j.volumes[0] = journal.Info{ID: 1, FirstSeq: 1, Created: clock.wall}
	l := newRigWith(t, j, func(cfg *Config) { clock.configure(cfg); cfg.RollAge = time.Hour })
	l.must(l.partition(0), batch(-1, 0, 1, 10), 0)
	clock.set(-24 * time.Hour)
	if l.stop() != nil || l.log.volumeOld() {
		t.Fatal("closed at once")
	}
	clock.pass(59 * time.Minute)
	if l.log.volumeOld() {
		t.Fatal("closed too early")
	}
	clock.pass(time.Minute)
	if !l.log.volumeOld() {
		t.Error("not closed although it has been open for an hour")
	}
}

// The broker's time in a partition never goes back, in whatever order requests came and
// wherever the clock was set to.
func TestLogAppendTimeNeverGoesBack(t *testing.T) {
	clock := newClocks()
	r := newRigWith(t, newScriptedJournal(1), clock.configure)
	p := r.partition(0)
	start := clock.wall.UnixMilli()
	for i, c := range []struct{ came, step, want int64 }{
		{start, 0, start}, {start + 90, 100, start + 100}, {start + 10, 0, start + 100}, {start, -50, start + 100}, {start, 60, start + 110},
	} {
		clock.set(time.Duration(c.step) * time.Millisecond)
		b := batch(-1, int32(i), 1, 10)
		record.SetMaxTimestamp(b.Bytes, c.came, true)
		h, err := record.ParseHeader(b.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		b.Header = h
		if res := <-r.send(p, b); res.Err != nil || res.LogAppendTime != c.want {
			t.Fatalf("batch %d: %+v, want %d", i, res, c.want-start)
		}
	}
	if got := r.offsets(p, 0, 1<<20); len(got) != 5 { // it checks the CRCs
		t.Errorf("%v", got)
	}
	res, err := r.log.Read(t.Context(), p, ReadRequest{Offset: 4, MaxBytes: 1, AtLeastOne: true})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Release()
	if got := record.MaxTimestamp(res.Chunks[0].Mem); got != start+110 {
		t.Errorf("the last one is stored with %d", got-start)
	}
}
