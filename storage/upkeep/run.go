package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// Run does the jobs until ctx ends and then returns nil; a job under way is broken
// off at its next step. A job that fails is reported and tried again after a pause:
// upkeep that is late costs room, never data. Only damage ends Run with an error.
//
// At the end it leaves little for the next start to read, as far as StopMax allows.
//
// It owns five goroutines: seals, lifts, compactions, merges, and retention with sweeping; a
// pass of compactions has as many more as log.cleaner.threads says.
func (u *Upkeep) Run(ctx context.Context) error {
	if err := u.jobs(ctx); err != nil || u.cfg.StopMax <= 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.cfg.StopMax)
	defer cancel()
	began := time.Now()
	err := u.finish(ctx)
	switch {
	case damaged(err):
		return err
	case err != nil:
		u.logger.Info("not everything is sealed, the next start reads more", zap.Error(err))
	default:
		u.logger.Debug("sealed for the stop", zap.Duration("took", time.Since(began)))
	}
	return nil
}

// finish lifts what is left, and has the open volume closed and sealed. The log must
// still run, and nobody append to it.
func (u *Upkeep) finish(ctx context.Context) error {
	if err := u.liftPending(ctx); err != nil {
		return fmt.Errorf("lift: %w", err)
	}
	if volumes := u.cfg.Journal.Volumes(); len(volumes) == 0 || !used(volumes[len(volumes)-1]) {
		return u.Seal(ctx)
	}
	u.cfg.Log.RequestRoll()
	for {
		if volumes := u.cfg.Journal.Volumes(); !used(volumes[len(volumes)-1]) {
			return u.Seal(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the open volume is not closed: %w", ctx.Err())
		case <-time.After(rollPoll):
		}
	}
}

// rollPoll is how often a stop looks whether the log has closed the volume.
const rollPoll = 2 * time.Millisecond

// jobs does the jobs until ctx ends.
func (u *Upkeep) jobs(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return u.every(ctx, u.cfg.SealInterval, job{"seal", u.Seal})
	})
	g.Go(func() error {
		return u.liftWhenDue(ctx)
	})
	g.Go(func() error {
		return u.every(ctx, u.cfg.CleanInterval, job{"compaction", u.Clean})
	})
	g.Go(func() error {
		return u.every(ctx, u.cfg.MergeInterval, job{"merge", u.Merge})
	})
	g.Go(func() error {
		tick := min(u.cfg.RetentionInterval, u.cfg.SweepInterval)
		return u.every(ctx, tick,
			job{"retention", spaced(u.cfg.Now, u.cfg.RetentionInterval, u.Retain)},
			job{"sweep", spaced(u.cfg.Now, u.cfg.SweepInterval, u.Sweep)},
			job{"tombstones", spaced(u.cfg.Now, u.cfg.SweepInterval, u.DropTombstones)})
	})
	return g.Wait()
}

type job struct {
	name string
	run  func(context.Context) error
}

// every runs the jobs one after the other at an interval.
func (u *Upkeep) every(ctx context.Context, interval time.Duration, jobs ...job) error {
	pause := interval
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		failed := false
		for _, j := range jobs {
			err := j.run(ctx)
			switch {
			case err == nil:
				continue
			case ctx.Err() != nil:
				return nil
			case damaged(err):
				return err
			}
			failed = true
			u.failed(j.name, err)
		}
		if failed {
			pause = min(max(2*pause, retryMin), retryMax)
		} else {
			pause = interval
		}
	}
}

// damaged says that something durable does not check, or that another process works
// on the same bucket: trying again cannot help, and going on would carry it further.
func damaged(err error) bool {
	for _, final := range []error{journal.ErrDamaged, pack.ErrCorrupt, segment.ErrDamaged, ErrBehind, ErrForeign, ErrOld, ErrTwin} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}

// liftWhenDue lifts as soon as the debt asks for it, and looks in any case once per
// interval. While lifts fail, coordinators do not wait for them.
func (u *Upkeep) liftWhenDue(ctx context.Context) error {
	pause, due := time.Duration(0), u.cfg.Debts.due
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due:
		case <-time.After(pause):
		}
		err := u.LiftIfDue(ctx)
		switch {
		case err == nil:
			pause, due = u.cfg.LiftInterval, u.cfg.Debts.due
			continue
		case ctx.Err() != nil:
			return nil
		case damaged(err):
			return err
		}
		for _, d := range u.cfg.Debts.all() {
			d.stall()
		}
		u.failed("lift", err)
		pause, due = min(max(2*pause, retryMin), retryMax), nil
	}
}

// failed reports a job that will be tried again.
func (u *Upkeep) failed(job string, err error) {
	u.metrics.failures.WithLabelValues(job).Inc()
	u.logger.Warn("upkeep failed, will be tried again", zap.String("job", job), zap.Error(err))
}

// spaced keeps a job from running again before the interval is over; the first call
// runs.
func spaced(now func() time.Time, interval time.Duration, run func(context.Context) error) func(context.Context) error {
	var last time.Time
	return func(ctx context.Context) error {
		if t := now(); last.IsZero() || t.Sub(last) >= interval {
			last = t
			return run(ctx)
		}
		return nil
	}
}
