package upkeep

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamhouse/streamhouse/storage/journal"
)

// TestRunBesideProducers runs all jobs at short intervals while clients produce,
// commit and read, and then looks at everything.
func TestRunBesideProducers(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newRig(t, k)
		r.topics.change(clicks.ID, func(x *Topic) { x.RetentionBytes = 2000 })
		cfg := &r.upkeep.cfg
		cfg.SealInterval, cfg.LiftInterval = time.Millisecond, time.Millisecond
		cfg.RetentionInterval, cfg.SweepInterval, cfg.Grace = time.Millisecond, time.Millisecond, time.Second
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan error, 1)
		go func() { ran <- r.upkeep.Run(ctx) }()
		for i := range 30 {
			r.some()
			for range 4 {
				r.commits(at(consumers, int32(i%4)), 1000, 7)
			}
			if i%3 == 0 {
				r.log.RequestRoll()
			}
			r.clock.advance(100 * time.Millisecond)
			if i%10 == 9 {
				r.checkTables()
			}
		}
		r.waitFor("seals", func() bool { return len(r.journal.Volumes()) == 1 })
		if testutil.ToFloat64(r.upkeep.metrics.seals) < 2 {
			t.Error("fewer than 2 seals")
		}
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run ends with %v", err)
		}
		r.checkAcked(orders, clicks)
		r.checkTables()
		r.stop()
		r.begin()
		r.checkAcked(orders, clicks)
		r.checkTables()
		if start, _ := r.store.LogStart(context.Background(), at(clicks, 1)); start == 0 {
			t.Error("retention by size did nothing")
		}
		if n := r.checkTables(); n > 2*int(groupsAllowance.due) {
			t.Errorf("%d bytes of internal topics to load", n)
		}
	})
}

// waitFor polls until ok holds.
func (r *rig) waitFor(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited too long for %s", what)
		}
	}
}

// TestRunTriesAgain: a job that fails is counted and repeated.
func TestRunTriesAgain(t *testing.T) {
	r := newRig(t, adopted)
	r.some()
	r.roll()
	failures := 0
	r.seam = func(step string) error {
		if step == "register" && failures < 1 {
			failures++
			return fmt.Errorf("not now")
		}
		return nil
	}
	r.upkeep.cfg.SealInterval = time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ran := make(chan error, 1)
	go func() { ran <- r.upkeep.Run(ctx) }()
	r.waitFor("the seal", func() bool { return len(r.journal.Volumes()) == 1 })
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("Run ends with %v", err)
	}
	if n := testutil.ToFloat64(r.upkeep.metrics.failures.WithLabelValues("seal")); n != 1 {
		t.Errorf("%v failures counted, want 1", n)
	}
	r.checkAcked()
}

// TestRunEndsOnDamage: what trying again cannot heal ends Run.
func TestRunEndsOnDamage(t *testing.T) {
	r := newRig(t, adopted)
	r.some()
	r.roll()
	r.seam = func(step string) error {
		return fmt.Errorf("%w: volume 1", journal.ErrDamaged)
	}
	r.upkeep.cfg.SealInterval = time.Millisecond
	if err := r.upkeep.Run(context.Background()); !errors.Is(err, journal.ErrDamaged) {
		t.Errorf("Run ends with %v", err)
	}
}
