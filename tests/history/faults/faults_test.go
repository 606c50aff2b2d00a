package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/faults/link"
	"github.com/streamhouse/streamhouse/tests/history/guests"
	"github.com/streamhouse/streamhouse/tests/history/workload"
	"github.com/streamhouse/streamhouse/tests/peers"
)

var (
	broker = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")
	total  = flag.Duration("for", 5*time.Minute, "how long the histories are in sum")
	seed   = flag.Uint64("seed", rand.Uint64(), "seed of the schedules of faults and of what the clients choose")
	keep   = flag.String("keep", "", "folder that keeps the histories of failed runs, with the commands that repeat them")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

// world is a kind of broker and of load that faults are done to.
type world struct {
	name string
	// start makes a broker with lanes of faults, for as long as the test lasts.
	start func(*testing.T) place
	txn   int   // workload's version of the transaction protocol; 0: what the broker offers
	level int16 // of transaction.version on the broker; 0: the highest
	plain bool  // no producer of ours compresses
	kafka bool  // runs against Apache Kafka as well
	// guest is a library that takes part in every run, beside those whose turn it is.
	guest string
}

// place is a broker of a world.
type place struct {
	addr  string // where clients find it
	http  string // host:port of its metrics; "" where it has none
	lanes []Lane
	// jumps says that its clock does: for a tombstone any time may have passed then.
	jumps bool
	// halt stops the broker, after which room is looked at; nil where there is nothing to look at.
	halt func() error
	room room
}

// runLength is that of one run, before its last reads.
const runLength = 25 * time.Second

// Whatever breaks, and heals, clients see nothing that a correct broker could not show
// them.
func TestHistories(t *testing.T) {
	var sum Sum
	c := invite(t)
	visited := map[string]bool{}
	for round := uint64(0); sum.Length < *total; round++ {
		for i, w := range worlds() {
			if sum.Length >= *total || peers.Kind(*broker) == peers.Kafka && !w.kafka {
				continue
			}
			seed, length := *seed+round, min(runLength, max(*total-sum.Length, runLength/5))
			t.Run(fmt.Sprintf("%s/seed %d", w.name, seed), func(t *testing.T) {
				sum.Add(w.run(t, seed, length, c.turn(w, i, seed)))
				visited[w.name] = true
			})
		}
		if sum.Length == 0 {
			t.Fatal("no run was chosen, or none came to its end")
		}
	}
	t.Logf("in all: %v", &sum)
	if len(visited) == len(worlds()) {
		for name := range c.expected() {
			if _, ok := sum.Guests[name]; !ok {
				t.Errorf("no run had %s", name)
			}
		}
	}
}

// run is one run in a world. It fails for any anomaly, and for a load or faults too thin
// to have shown one.
func (w world) run(t *testing.T, seed uint64, length time.Duration, turn []*guests.Guest) Sum {
	repeat := fmt.Sprintf("go test -count=1 ./tests/history/faults -v -run 'TestHistories/^%s$' -broker %s -seed %d -for %v", w.name, *broker, seed, length)
	t.Logf("repeat the schedule: %s", repeat)
	path := filepath.Join(peers.Folder(t), "history.jsonl")
	ctx := peers.Context(t, length+6*time.Minute)
	at := w.start(t)
	if w.level > 0 {
		lower(t, at.addr, w.level)
	}
	o := workload.Default(at.addr)
	if at.jumps {
		o.TombstonesStay = 1000 * 24 * time.Hour
	}
	o.Partitions, o.Pace, o.Patience, o.Call, o.TxnVersion, o.Compressed = 2, 5*time.Millisecond, 15*time.Second, 1500*time.Millisecond, w.txn, !w.plain
	o.Floors = []workload.Floor{
		workload.AtLeast(200, history.Produce, "plain"), workload.AtLeast(200, history.Produce, "idempotent"),
		workload.AtLeast(200, history.Produce, "txn"), workload.AtLeast(15, history.EndTxn, "txn"), workload.AtLeast(3, history.EndTxn, "copier"),
		workload.AtLeast(20, history.Commit, "member"), workload.AtLeast(20, history.Commit, "committer"),
		workload.AtLeast(100, history.Watermarks, "watcher"), workload.AtLeast(2, history.DeleteRecords, "admin"),
		workload.AtLeast(20, history.Poll, "again-uncommitted"), workload.AtLeast(20, history.Poll, "again-committed"),
	}
	if at.http != "" {
		o.Thinned = 5
	}
	for _, g := range turn {
		o.Guests = append(o.Guests, g)
		o.Compressed = o.Compressed && !g.Library().Plain
	}
	failed := record(ctx, path, Run{Load: o, Length: length, Seed: seed, Lanes: at.lanes, Least: 1})
	if failed == nil && at.http != "" {
		compacted(t, at.http)
		merged(ctx, t, at)
	}
	if failed == nil && at.halt != nil {
		if err := at.halt(); err != nil {
			t.Error(err)
		}
		at.room.audit(t)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, sum, err := Judge(f)
	sum.Guests = map[string]guests.Did{}
	for _, g := range turn {
		sum.Guests[w.as(g)] = g.Did()
	}
	if err = errors.Join(failed, err); err != nil {
		t.Error(err)
	}
	for _, a := range v.Anomalies {
		t.Errorf("%v", a)
	}
	t.Logf("%v\n%+v", &sum, v.Counts)
	if n := v.Counts; n.Covered < n.Acknowledged/2 || n.Committed < 10 || n.Aborted < 2 || n.ReadCommitted < 200 || n.Copied < 1 {
		t.Errorf("the load was too thin: %+v", n)
	}
	if n := v.Counts; failed == nil && at.http != "" && (n.Removed < 50 || n.Rereads < 5) {
		t.Errorf("too little was compacted, or read after that: %+v", n)
	}
	if t.Failed() && *keep != "" {
		dir, err := Keep(*keep, t.Name(), path, fmt.Sprintf("%s\n%v\n%v\n", repeat, err, v.Anomalies))
		t.Logf("kept in %s, %v", dir, err)
	}
	return sum
}

// record does a run and writes its history to a file, which is complete also when the
// run failed: what clients saw until then is judged all the same.
func record(ctx context.Context, path string, r Run) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := history.NewWriter(f)
	return errors.Join(r.Do(ctx, w), w.Close())
}

// connect runs a link for as long as a test lasts.
func connect(t *testing.T, upstream string) *link.Link {
	t.Helper()
	l, err := link.New(upstream)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var group errgroup.Group
	group.Go(func() error { return l.Run(ctx) })
	t.Cleanup(func() {
		stop()
		if err := group.Wait(); err != nil {
			t.Error(err)
		}
	})
	return l
}
