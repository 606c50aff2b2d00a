package mutant

import (
	"bytes"
	"context"
	"flag"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/check"
	"github.com/streamhouse/streamhouse/tests/history/workload"
)

var addr = flag.String("addr", "", "a correct broker to put the mutants in front of; kfake in memory if empty")

// caughtWithin bounds how long a mutant may live.
const caughtWithin = time.Minute

// behind starts a proxy with a mutant in front of a correct broker.
func behind(t *testing.T, m Mutant) string {
	t.Helper()
	upstream := *addr
	if upstream == "" {
		c, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		upstream = c.ListenAddrs()[0]
	}
	p, err := New(upstream, m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return p.Run(ctx) })
	t.Cleanup(func() {
		stop()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return p.Addr()
}

// run loads the broker behind a mutant and judges the history. The load may fail, as
// clients of a broken broker do; what they saw until then is judged all the same.
func run(t *testing.T, m Mutant, prefix string) (check.Verdict, error) {
	t.Helper()
	o := workload.Default(behind(t, m))
	o.Prefix, o.Pace, o.Settle = prefix, 2*time.Millisecond, 3*time.Second
	ctx, cancel := context.WithTimeout(t.Context(), caughtWithin)
	defer cancel()
	var text bytes.Buffer
	w := history.NewWriter(&text)
	failed := workload.Run(ctx, o, time.Second, w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	events, err := history.Read(&text)
	if err != nil {
		t.Fatal(err)
	}
	v, err := check.Check(events)
	if err != nil {
		t.Fatal(err)
	}
	return v, failed
}

// prefix makes the topics of one run its own, also on a broker that other runs use.
func prefix(t *testing.T) string {
	return "m" + time.Now().Format("150405.000000")
}

// Every mutant is caught, by an anomaly of its kind.
func TestMutantsAreCaught(t *testing.T) {
	if len(Kinds) != 8 {
		t.Fatalf("%d mutants", len(Kinds))
	}
	for _, k := range Kinds {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			for runs := 1; ; runs++ {
				v, failed := run(t, k.New(), prefix(t))
				caught := slices.IndexFunc(v.Anomalies, func(a check.Anomaly) bool { return slices.Contains(k.Shows, a.Kind) })
				took := time.Since(began).Round(time.Millisecond)
				if caught >= 0 && took <= caughtWithin {
					t.Logf("caught in %v, run %d, found %v: %v", took, runs, v.Found, v.Anomalies[caught])
					return
				}
				if took > caughtWithin {
					t.Fatalf("not caught in %v: %+v, found %v (the load: %v)", took, v.Counts, v.Found, failed)
				}
			}
		})
	}
}

// The proxy by itself is no fault.
func TestProxyIsTransparent(t *testing.T) {
	v, err := run(t, Correct{}, prefix(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range v.Anomalies {
		t.Errorf("%v", a)
	}
	if v.Counts.Acknowledged < 100 || v.Counts.Committed < 10 || v.Counts.ReadCommitted < 100 {
		t.Errorf("the load was too thin: %+v", v.Counts)
	}
}

// swap is tested by itself: a batch that it broke would be caught for the wrong reason.
func TestSwapKeepsTheBatchWhole(t *testing.T) {
	b := testBatch("one", "two and more", "three")
	before := append(batch{}, b...)
	b.swap()
	if bytes.Equal(before, b) {
		t.Fatal("nothing changed")
	}
	if got := values(t, b); !slices.Equal(got, []string{"two and more", "one", "three"}) {
		t.Fatalf("%q", got)
	}
	b.swap()
	if !bytes.Equal(before, b) {
		t.Fatal("swapped twice, it is not as before")
	}
}
