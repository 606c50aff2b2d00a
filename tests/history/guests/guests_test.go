package guests

import (
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/check"
	"github.com/streamhouse/streamhouse/tests/history/workload"
	"github.com/streamhouse/streamhouse/tests/peers"
)

var (
	broker = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")
	slow   = flag.Bool("acceptance", false, "those too that take a compiler, and long to build")
	length = flag.Duration("for", 2*time.Second, "how long each load runs, and longer until the guest has done its part")
)

func TestMain(m *testing.M) {
	if script := os.Getenv(scripted); script != "" {
		answerAsScripted(script)
		return
	}
	flag.Parse()
	os.Exit(peers.Main(m))
}

func start(t *testing.T) *peers.Broker {
	t.Helper()
	return peers.Start(t, peers.Options{Kind: peers.Kind(*broker), Settings: map[string]string{
		"group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "1000"}})
}

// Every library does its part in a load that nothing disturbs, and what it says of it is
// what the others see.
func TestEveryLibrary(t *testing.T) {
	b := start(t)
	for _, l := range Libraries() {
		t.Run(l.Name, func(t *testing.T) {
			if l.Slow && !*slow {
				t.Skip("takes long to build: only in acceptance")
			}
			g, v := load(t, b, l, "with-"+l.Name)
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

// The versions of Go's libraries are those of their programs.
func TestVersions(t *testing.T) {
	paths := map[string]string{"sarama": "github.com/IBM/sarama", "kafkago": "github.com/segmentio/kafka-go", "confluentgo": "github.com/confluentinc/confluent-kafka-go/v2"}
	for _, l := range Libraries() {
		path, ok := paths[l.Name]
		if !ok {
			continue
		}
		text, err := os.ReadFile(filepath.Join(l.Name, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if want := path + " v" + l.Version + "\n"; !strings.Contains(string(text), want) {
			t.Errorf("%s is said to be %s, which its go.mod does not have", l.Name, l.Version)
		}
		delete(paths, l.Name)
	}
	if len(paths) > 0 {
		t.Errorf("no such libraries: %v", paths)
	}
}

// A library that is said to leak does, whoever's broker it reads from: what guests say is
// enough to find a record that nobody may see. One that is mended may read like the others.
func TestLeaks(t *testing.T) {
	b := start(t)
	for _, l := range Libraries() {
		if l.Leaks == "" {
			continue
		}
		t.Run(l.Name, func(t *testing.T) {
			name := "leaks-" + l.Name
			l.Leaks = ""
			for deadline := time.Now().Add(time.Minute); ; name += "-more" {
				_, v := load(t, b, l, name)
				for _, a := range v.Anomalies {
					if a.Kind != check.AbortedRead && a.Kind != check.EarlyRead {
						t.Errorf("%v", a)
					}
				}
				switch {
				case v.Has(check.AbortedRead):
					t.Logf("%v", v.Found)
					return
				case time.Now().After(deadline):
					t.Fatal("no record of an aborted transaction was read within a minute")
				}
			}
		})
	}
}

// load runs a load with one guest, and has it judged.
func load(t *testing.T, b *peers.Broker, l *Library, prefix string) (*Guest, check.Verdict) {
	t.Helper()
	if err := l.Install(peers.Context(t, 10*time.Minute), peers.Folder(t)); err != nil {
		t.Fatal(err)
	}
	g := l.New(10 * time.Second)
	o := workload.Options{Addr: b.Addr(), Prefix: prefix, Seed: rand.Uint64(), Topics: 2, Partitions: 2, Idempotent: 1, Transactional: 2, Readers: 1,
		Committers: 1, Guests: []workload.Guest{g}}
	f, err := os.Create(filepath.Join(peers.Folder(t), "history.jsonl"))
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
	t.Logf("%v", g.Did())
	return g, v
}
