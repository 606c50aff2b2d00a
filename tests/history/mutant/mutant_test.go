package mutant

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamhouse/streamhouse/tests/history/check"
	"github.com/streamhouse/streamhouse/tests/history/workload"
)

var runs = flag.Int("runs", 100, "how many times TestNoFalseAlarms loads a correct broker")

// caughtWithin bounds how long a mutant may live.
const caughtWithin = time.Minute

// options are a small, quick load of a correct broker in memory.
func options(t *testing.T, seed int) workload.Options {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	o := workload.Default(c.ListenAddrs()[0])
	o.Seed, o.Pace, o.TxnVersion, o.TxnTimeout, o.Settle = uint64(seed), 2*time.Millisecond, seed%2, 5*time.Second, 20*time.Second
	o.Patience = 5 * time.Second
	return o
}

// Every mutant is caught, by an anomaly of its kind.
func TestMutantsAreCaught(t *testing.T) {
	if len(Kinds) != 8 {
		t.Fatalf("%d mutants", len(Kinds))
	}
	for i, k := range Kinds {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), caughtWithin)
			defer cancel()
			o := options(t, i)
			o.Settle = 3 * time.Second
			c, err := Hunt(ctx, k, o, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("caught in %v, run %d, found %v: %v", c.Took.Round(time.Millisecond), c.Runs, c.Verdict.Found, c.Anomaly)
		})
	}
}

// A mutant that breaks nothing is not caught: the hunt is not won by itself.
func TestHuntCanFail(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	harmless := Kind{Name: "harmless", New: func() Mutant { return Correct{} }, Shows: []check.Kind{check.Lost, check.Torn, check.Duplicated, check.AbortedRead}}
	if c, err := Hunt(ctx, harmless, options(t, 0), 200*time.Millisecond); !errors.Is(err, ErrAlive) {
		t.Fatalf("%v, %v", err, c.Anomaly)
	}
}

// A correct broker gives no anomaly, however its clients' steps fall together and
// whenever their connections are cut.
func TestNoFalseAlarms(t *testing.T) {
	n := *runs
	if testing.Short() {
		n = min(n, 10)
	}
	const atOnce = 4
	places := make(chan struct{}, atOnce)
	var mu sync.Mutex
	var sum check.Counts
	t.Run("runs", func(t *testing.T) {
		for seed := range n {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				places <- struct{}{}
				defer func() { <-places }()
				counts := sound(t, seed)
				mu.Lock()
				defer mu.Unlock()
				sum.Acknowledged += counts.Acknowledged
				sum.Committed += counts.Committed
				sum.Aborted += counts.Aborted
				sum.Unresolved += counts.Unresolved
				sum.Copied += counts.Copied
				sum.Commits += counts.Commits
				sum.Faults += counts.Faults
			})
		}
	})
	t.Logf("%d runs: %+v", n, sum)
	if sum.Acknowledged < 200*n || sum.Committed < 20*n || sum.Aborted < 5*n || sum.Copied < 20*n || sum.Commits < 50*n || sum.Faults < n/2 {
		t.Errorf("the loads were too thin: %+v", sum)
	}
}

// sound is one run that must show nothing; every other one has its connections cut.
func sound(t *testing.T, seed int) check.Counts {
	disturb := Cuts(100 * time.Millisecond)
	if seed%4 < 2 {
		disturb = nil
	}
	v, failed, err := Judge(t.Context(), Correct{}, options(t, seed), 400*time.Millisecond, disturb)
	if err = errors.Join(failed, err); err != nil {
		t.Fatal(err)
	}
	for _, a := range v.Anomalies {
		t.Errorf("%v", a)
	}
	if n := v.Counts; n.Acknowledged < 50 || n.Read < 50 || n.ReadCommitted < 50 || n.Watermarks < 50 {
		t.Errorf("an empty history proves nothing: %+v", n)
	}
	return v.Counts
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
