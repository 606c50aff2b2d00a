package workload

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/check"
)

var runs = flag.Int("runs", 100, "how many correct runs TestNoFalseAlarms makes")

// small is a load that does something of each kind within half a second.
func small(addr string, seed uint64) Options {
	o := Default(addr)
	o.Seed, o.Pace, o.Plain, o.Idempotent, o.Transactional, o.Copiers = seed, 2*time.Millisecond, 1, 1, 2, 1
	if seed%2 == 1 {
		o.TxnVersion = 1
	}
	return o
}

// fake is a broker in memory.
func fake(t testing.TB) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

// judged runs a load and judges its history.
func judged(ctx context.Context, o Options, length time.Duration) (check.Verdict, error) {
	var text bytes.Buffer
	w := history.NewWriter(&text)
	if err := Run(ctx, o, length, w); err != nil {
		return check.Verdict{}, err
	}
	if err := w.Close(); err != nil {
		return check.Verdict{}, err
	}
	events, err := history.Read(io.Reader(&text))
	if err != nil {
		return check.Verdict{}, err
	}
	return check.Check(events)
}

// A correct broker gives no anomaly, however its clients' steps fall together.
func TestNoFalseAlarms(t *testing.T) {
	const atOnce = 4
	places := make(chan struct{}, atOnce)
	sums := make(chan check.Counts, *runs)
	t.Run("runs", func(t *testing.T) {
		for seed := range *runs {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				places <- struct{}{}
				defer func() { <-places }()
				v, err := judged(t.Context(), small(fake(t), uint64(seed)), 400*time.Millisecond)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range v.Anomalies {
					t.Errorf("%v", a)
				}
				t.Logf("%+v notes %v", v.Counts, v.Found)
				sums <- v.Counts
			})
		}
	})
	close(sums)
	for n := range sums {
		t.Logf("%+v", n)
	}
}
