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

	"github.com/streamhouse/streamhouse/tests/history"
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
	o.Patience, o.Compressed = 5*time.Second, false // decoders cost more than all the rest
	o.Floors = []workload.Floor{
		workload.AtLeast(50, history.Produce, "plain"), workload.AtLeast(50, history.Produce, "idempotent"), workload.AtLeast(50, history.Produce, "txn"), workload.AtLeast(20, history.EndTxn, "txn"),
		workload.AtLeast(2, history.EndTxn, "copier"), workload.AtLeast(5, history.Produce, "copier"), workload.AtLeast(5, history.Commit, "member"), workload.AtLeast(10, history.Commit, "committer"),
		workload.AtLeast(10, history.Poll, "uncommitted"), workload.AtLeast(10, history.Poll, "committed"), workload.AtLeast(100, history.Watermarks, "watcher")}
	return o
}

// Every mutant is caught, by an anomaly of its kind.
func TestMutantsAreCaught(t *testing.T) {
	if len(Kinds) != 8 {
		t.Fatalf("%d mutants", len(Kinds))
	}
	for i, k := range slices.Concat(Kinds, More) {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), caughtWithin)
			defer cancel()
			o := options(t, i)
			// Its clients may never get anywhere: what they saw is judged soon.
			o.Settle, o.FloorsMax = 3*time.Second, 5*time.Second
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
	o := options(t, 0)
	o.Patience = 300 * time.Millisecond
	if c, err := Hunt(ctx, harmless, o, 200*time.Millisecond); !errors.Is(err, ErrAlive) {
		t.Fatalf("%v, %v", err, c.Anomaly)
	}
}

// A correct broker gives no anomaly, however its clients' steps fall together. (With
// connections cut it is a real broker's turn: kfake under kgo stores records of an
// idempotent producer twice then, now and then.)
func TestNoFalseAlarms(t *testing.T) {
	n := *runs
	if testing.Short() {
		n = min(n, 4)
	}
	const atOnce = 3
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
				sum.Copied += counts.Copied
				sum.Commits += counts.Commits
			})
		}
	})
	t.Logf("%d runs: %+v", n, sum)
	if sum.Acknowledged < 150*n || sum.Committed < 10*n || sum.Aborted < 2*n || sum.Copied < n || sum.Commits < 15*n {
		t.Errorf("the loads were too thin: %+v", sum)
	}
}

// sound is one run that must show nothing.
func sound(t *testing.T, seed int) check.Counts {
	v, failed, err := Judge(t.Context(), Correct{}, options(t, seed), 300*time.Millisecond, nil)
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
