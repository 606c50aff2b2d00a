package compat

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var record = flag.Bool("record", false, "ask Apache Kafka and keep its answers under testdata")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

// settings make both brokers small and quick to answer; none of them changes an answer
// that is compared.
var settings = map[string]string{
	"group.initial.rebalance.delay.ms": "0",
}

var suites = []struct {
	name  string
	cases []testCase
}{
	{"topics", topicCases},
	{"records", recordCases},
	{"groups", groupCases},
}

func TestAnswers(t *testing.T) {
	kind := peers.StreamHouse
	if *record {
		kind = peers.Kafka
	}
	broker := peers.Start(t, peers.Options{Kind: kind, Settings: settings})
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) {
			w := newWorld(broker.Addr())
			defer w.close()
			answers := make(map[string][]answer)
			for _, c := range s.cases {
				if _, twice := answers[c.name]; twice {
					t.Fatalf("two cases are called %s", c.name)
				}
				got, err := w.run(c)
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				answers[c.name] = got
			}
			path := filepath.Join("testdata", s.name+".json")
			if *record {
				write(t, path, answers)
				return
			}
			compare(t, s.name, read(t, path), answers)
		})
	}
}

// compare reports each answer that is not Kafka's, and each known difference that is
// none any more.
func compare(t *testing.T, suite string, kafka, ours map[string][]answer) {
	for name := range kafka {
		if _, ok := ours[name]; !ok {
			t.Errorf("%s: recorded, but no case", name)
		}
	}
	for name, got := range ours {
		t.Run(name, func(t *testing.T) {
			want, ok := kafka[name]
			if !ok {
				t.Fatal("not recorded")
			}
			a, b := text(t, want), text(t, got)
			why, known := known[suite+"/"+name]
			switch {
			case a == b && known:
				t.Errorf("equal to Kafka now, but listed as a difference: %s", why)
			case a != b && !known:
				t.Errorf("Kafka answers\n%s\nwe answer\n%s", a, b)
			}
		})
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func write(t *testing.T, path string, answers map[string][]answer) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text(t, answers)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) map[string][]answer {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string][]answer
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// patience bounds one request, and how long a case with until may ask again.
const patience = 20 * time.Second
