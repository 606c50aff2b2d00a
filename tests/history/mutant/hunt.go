package mutant

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/check"
	"github.com/streamhouse/streamhouse/tests/history/workload"
)

// Catch is how a mutant was found out.
type Catch struct {
	Runs    int // loads that it took
	Took    time.Duration
	Anomaly check.Anomaly
	Verdict check.Verdict
}

// ErrAlive is that a mutant was not caught.
var ErrAlive = errors.New("the mutant was not caught")

// Hunt puts a mutant in front of the broker at o.Addr and loads it, each time for
// length, until an anomaly that the mutant shows is found or ctx ends.
func Hunt(ctx context.Context, k Kind, o workload.Options, length time.Duration) (Catch, error) {
	began := time.Now()
	var loads error
	for runs := 1; ctx.Err() == nil; runs++ {
		v, failed, err := Judge(ctx, k.New(), o, length, nil)
		if err != nil {
			return Catch{}, err
		}
		loads = failed
		i := slices.IndexFunc(v.Anomalies, func(a check.Anomaly) bool { return slices.Contains(k.Shows, a.Kind) })
		if i >= 0 {
			return Catch{runs, time.Since(began), v.Anomalies[i], v}, nil
		}
		o.Prefix += "x"
	}
	return Catch{}, errors.Join(ErrAlive, ctx.Err(), loads)
}

// Judge loads the broker at o.Addr through a mutant and judges the history. The load
// may fail, as clients of a broken broker do; what they saw until then is judged all
// the same. While it runs, disturb may do something to the proxy, until its context ends.
func Judge(ctx context.Context, m Mutant, o workload.Options, length time.Duration, disturb func(context.Context, *Proxy, *history.Writer)) (v check.Verdict, failed, err error) {
	p, err := New(o.Addr, m)
	if err != nil {
		return v, nil, err
	}
	o.Addr = p.Addr()
	var text bytes.Buffer
	w := history.NewWriter(&text)
	passing, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return p.Run(passing) })
	failed = load(ctx, p, o, length, w, disturb)
	stop()
	if err := errors.Join(group.Wait(), w.Close()); err != nil {
		return v, failed, err
	}
	events, err := history.Read(&text)
	if err != nil {
		return v, failed, err
	}
	v, err = check.Check(events)
	return v, failed, err
}

func load(ctx context.Context, p *Proxy, o workload.Options, length time.Duration, w *history.Writer, disturb func(context.Context, *Proxy, *history.Writer)) error {
	l := workload.New(o, w)
	if err := l.Setup(ctx); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error {
		defer stop()
		return l.Enough(loading, length)
	})
	if disturb != nil {
		group.Go(func() error {
			disturb(loading, p, w)
			return nil
		})
	}
	err := l.Clients(loading)
	stop()
	return errors.Join(err, group.Wait(), l.Final(ctx))
}

// Cuts cuts all connections again and again, and records it.
func Cuts(every time.Duration) func(context.Context, *Proxy, *history.Writer) {
	return func(ctx context.Context, p *Proxy, w *history.Writer) {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(every):
			}
			e := history.Event{Start: w.Now(), Client: "proxy", Op: history.Fault, Outcome: history.OK, Fault: "cut"}
			p.Cut()
			e.End = w.Now()
			w.Add(e)
		}
	}
}
