package exactlyonce

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var fresh = flag.Bool("fresh", false, "with -broker kafka: record what clients are told, instead of comparing it")

// In mode fence a program has two producers with one transactional id, the second of which
// takes it from the first, and then ends transactions that were never begun, are empty, or
// are given up. What its library says of each step is a fact, which is recorded from Apache
// Kafka in testdata and has to be the same with ours.
//
//	fence ADDR TRANSACTIONAL-ID TOPIC
func TestFencing(t *testing.T) {
	for _, level := range []int16{2, 1} {
		b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker)})
		setTransactionVersion(t, b.Addr(), level)
		for _, c := range append(clients, javaClient) {
			t.Run(fmt.Sprintf("%s/transaction.version %d", c.name, level), func(t *testing.T) { fences(t, b.Addr(), c, level) })
		}
	}
}

func fences(t *testing.T, addr string, c client, level int16) {
	topic := fmt.Sprintf("%s-%d", c.name, level)
	makeTopics(t, addr, 1, topic)
	out, err := c.build(t)("fence", addr, topic, topic).Run(peers.Context(t, 2*time.Minute), "")
	if err != nil {
		t.Fatal(err)
	}
	facts := slices.DeleteFunc(strings.Split(strings.TrimSpace(out), "\n"), func(line string) bool { return !strings.Contains(line, `"fact"`) })
	if len(facts) < 5 {
		t.Fatalf("only %d facts: %s", len(facts), out)
	}
	got := strings.Join(facts, "\n") + "\n"
	path := filepath.Join("testdata", fmt.Sprintf("%s-%d.jsonl", c.name, level))
	if *fresh {
		if peers.Kind(*broker) != peers.Kafka {
			t.Fatal("what clients are told is recorded from Apache Kafka: -broker kafka")
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is told\n%swith Apache Kafka\n%s", c.version, got, want)
	}
	var values []string
	for _, r := range readTopic(t, addr, topic, kgo.ReadCommitted()) {
		values = append(values, string(r.Value))
	}
	if !slices.Equal(values, []string{"second"}) {
		t.Errorf("committed are %q, not the second producer's record alone", values)
	}
}
