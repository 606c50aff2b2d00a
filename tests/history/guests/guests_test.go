package guests

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/check"
	"github.com/streamhouse/streamhouse/tests/history/workload"
	"github.com/streamhouse/streamhouse/tests/peers"
)

var (
	broker = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")
	length = flag.Duration("for", 3*time.Second, "how long each load runs, and longer until the guest has done its part")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

// Every library does its part in a load that nothing disturbs, and what it says of it is
// what the others see.
func TestEveryLibrary(t *testing.T) {
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker), Settings: map[string]string{
		"group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "1000"}})
	for _, l := range Libraries() {
		t.Run(l.Name, func(t *testing.T) {
			if err := l.Install(peers.Context(t, 10*time.Minute), peers.Folder(t)); err != nil {
				t.Fatal(err)
			}
			g := l.New()
			o := workload.Options{Addr: b.Addr(), Prefix: "with-" + l.Name, Topics: 2, Partitions: 2, Idempotent: 1, Transactional: 1, Readers: 1,
				Committers: 1, Guests: []workload.Guest{g}}
			path := filepath.Join(peers.Folder(t), "history.jsonl")
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			w := history.NewWriter(f)
			if err := workload.Run(peers.Context(t, *length+4*time.Minute), o, *length, w); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			t.Logf("%v", g.Did())
			if _, err := f.Seek(0, 0); err != nil {
				t.Fatal(err)
			}
			events, err := history.Read(f)
			if err != nil {
				t.Fatal(err)
			}
			v, err := check.Check(events)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range v.Anomalies {
				t.Errorf("%v", a)
			}
			if d := g.Did(); d.Errors > 0 || d.Overdue > 0 {
				t.Errorf("errors of the library though nothing disturbed it: %v", d)
			}
			if v.Counts.Copied != g.Did().Copied {
				t.Errorf("%d records are copied, the guest says %d", v.Counts.Copied, g.Did().Copied)
			}
		})
	}
}
