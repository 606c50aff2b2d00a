package clients

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var docs = flag.Bool("docs", false, "write what passed into testdata/results.jsonl, and the table of clients into docs/compatibility.md")

// page is where users find the clients, between two marks.
const (
	page  = "../../docs/compatibility.md"
	begin = "<!-- written by go test ./tests/clients -docs -->\n"
	end   = "<!-- end of what tests/clients writes -->\n"
)

// TestPage holds the page's table against the results, and the results against the clients:
// each has to have passed, in the version that is tested, over every storage and with
// Apache Kafka. It comes after the clients' tests, which with -docs renew the results.
func TestPage(t *testing.T) {
	all, err := readResults()
	if err != nil {
		t.Fatal(err)
	}
	if *docs {
		ran.Lock()
		all = renewed(all, ran.passed, ran.failed)
		ran.Unlock()
		if err := writeResults(all); err != nil {
			t.Fatal(err)
		}
	}
	table := table(t, all)
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(got), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place between %q and %q", page, begin, end)
	}
	if old == table {
		return
	}
	if !*docs {
		t.Fatalf("%s has another table of clients than the results; go test ./tests/clients -run TestPage -docs writes it", page)
	}
	if err := os.WriteFile(page, []byte(before+begin+table+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// table is the page's: a row per client, with how many of its tests have passed.
func table(t *testing.T, all []result) string {
	t.Helper()
	var table strings.Builder
	table.WriteString("| client | version | codecs | cases | has nothing for | passed here | with Kafka | runs |\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range clients {
		when := "every test"
		if c.slow {
			when = "acceptance"
		}
		var lacks []string
		for _, name := range slices.Sorted(maps.Keys(c.lacks)) {
			lacks = append(lacks, fmt.Sprintf("%s (%s)", name, c.lacks[name]))
		}
		var passed []string
		for _, kind := range kinds {
			want, have := c.expected(kind), 0
			for _, w := range want {
				if slices.ContainsFunc(all, func(r result) bool { return r.proves(w) }) {
					have++
				} else {
					t.Errorf("%s %s has not passed: %s, %s %s", c.title, c.version, w.Test, w.Broker, w.Storage)
				}
			}
			passed = append(passed, fmt.Sprintf("%d of %d", have, len(want)))
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s, %d of %d %s | %s | %s | %s |\n", c.title, c.version, strings.Join(c.codecs, ", "),
			story, len(demanded)-len(lacks), len(demanded), demands, strings.Join(lacks, "; "), strings.Join(passed, " | "), when)
	}
	return table.String()
}

// TestVersions holds the versions of the table against the files that say what programs are
// built with.
func TestVersions(t *testing.T) {
	for name, built := range map[string]struct{ file, with string }{
		"franz":       {"franz/go.mod", "github.com/twmb/franz-go v%s\n"},
		"sarama":      {"sarama/go.mod", "github.com/IBM/sarama v%s\n"},
		"kafkago":     {"kafkago/go.mod", "github.com/segmentio/kafka-go v%s\n"},
		"confluentgo": {"confluentgo/go.mod", "github.com/confluentinc/confluent-kafka-go/v2 v%s\n"},
		"rust":        {"rust/Cargo.lock", "name = \"rdkafka\"\nversion = \"%s\"\n"},
	} {
		i := slices.IndexFunc(clients, func(c client) bool { return c.name == name })
		if i < 0 {
			t.Fatalf("no client %s", name)
		}
		text, err := os.ReadFile(built.file)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(built.with, clients[i].version); !strings.Contains(string(text), want) {
			t.Errorf("%s has no %q", built.file, want)
		}
	}
}
