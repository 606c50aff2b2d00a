// Package faults does harm to a broker while a load runs on it (tests/history/workload),
// and has the checker judge what the clients saw. What harm, and when, follows from a
// seed; the timing of everything else is the machine's.
//
// A fault belongs to a lane: the process, its network, its disk, its bucket, its clock.
// Those of one lane follow one another, those of several lanes overlap. Each is recorded
// in the history, and healed before the last read.
package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/workload"
)

// Fault is one kind of harm.
type Fault struct {
	// Name is its lane and what it is: "disk: a sync fails".
	Name string
	// Min and Max bound how long it lasts; both zero: it is over at once.
	Min, Max time.Duration
	// Begin does it, and must return soon.
	Begin func(context.Context, *rand.Rand) error
	// End heals it, and returns when it is healed. Nil: nothing is left to heal.
	End func(context.Context) error
}

// Lane is what faults of one kind are done to, one at a time.
type Lane struct {
	Faults []Fault
}

// calm is how long the load goes on after the last fault has healed.
const calm = time.Second

// Run is one load with its faults.
type Run struct {
	Load   workload.Options
	Length time.Duration // of the load, without what its floors add
	Seed   uint64
	Lanes  []Lane
	// Least is how often each fault has to happen, however slow the machine is.
	Least int
}

// Do runs it and writes the history, which stays the caller's to close.
func (r Run) Do(ctx context.Context, w *history.Writer) error {
	r.Load.Seed = r.Seed
	l := workload.New(r.Load, w)
	if err := l.Setup(ctx); err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error {
		defer stop()
		return r.harm(loading, l, w)
	})
	err := l.Clients(loading)
	stop()
	if err = errors.Join(err, group.Wait()); err != nil {
		return err
	}
	if err := l.Final(ctx); err != nil {
		return fmt.Errorf("final read: %w", err)
	}
	return nil
}

// harm does what the schedule says until the load has lasted and every fault has
// happened, heals, and gives the load a moment more, longer if it lacks its floors.
func (r Run) harm(ctx context.Context, l *workload.Load, w *history.Writer) error {
	harming, heal := context.WithCancel(ctx)
	defer heal()
	c := counts{least: r.Least, done: map[string]int{}}
	for _, lane := range r.Lanes {
		for _, f := range lane.Faults {
			c.done[f.Name] = 0
		}
	}
	var group errgroup.Group
	for i, lane := range r.Lanes {
		group.Go(func() error {
			err := r.run(ctx, harming, newSchedule(r.Seed, i, lane), w, &c)
			if err != nil {
				heal()
			}
			return err
		})
	}
	pause(harming, r.Length)
	few := c.wait(harming, r.Load.FloorsMax)
	heal()
	if err := errors.Join(group.Wait(), few); err != nil {
		return err
	}
	// What chance and a slow machine kept from happening has to happen now that
	// nothing stands in its way: a client that still gets nowhere is stuck.
	return l.Enough(ctx, calm)
}

// run does the faults of one lane until harming ends. What has begun is healed, and
// recorded, under ctx.
func (r Run) run(ctx, harming context.Context, s *schedule, w *history.Writer, c *counts) error {
	for {
		step := s.next()
		f := s.lane.Faults[step.Fault]
		if !pause(harming, step.Wait) {
			return nil
		}
		e := history.Event{Start: w.Now(), Client: "faults", Op: history.Fault, Outcome: history.OK, Fault: f.Name}
		err := f.Begin(ctx, rand.New(rand.NewPCG(step.Seed, 1)))
		if err == nil {
			pause(harming, step.Length)
		}
		if f.End != nil {
			err = errors.Join(err, f.End(ctx))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		e.End = w.Now()
		w.Add(e)
		c.add(f.Name)
	}
}

// counts is how often each fault has happened.
type counts struct {
	least int
	mu    sync.Mutex
	done  map[string]int
}

func (c *counts) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done[name]++
}

// missing names a fault that has not happened often enough.
func (c *counts) missing() (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, n := range c.done {
		if n < c.least {
			return fmt.Sprintf("%d of %d times %q", n, c.least, name), true
		}
	}
	return "", false
}

// wait returns when every fault has happened often enough, or ctx has ended.
func (c *counts) wait(ctx context.Context, most time.Duration) error {
	const look = 10 * time.Millisecond
	if most == 0 {
		most = 2 * time.Minute
	}
	for deadline := time.Now().Add(most); ; {
		what, missing := c.missing()
		switch {
		case !missing || !pause(ctx, look):
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("too few faults: %s", what)
		}
	}
}

// pause says whether ctx still lasts after d.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
