package exactlyonce

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// One process begins a transaction and is gone, the broker is killed, and another process
// commits it, as Apache Flink does after a checkpoint.
func TestResumedTransaction(t *testing.T) {
	java, err := peers.KafkaClients(t.Context(), peers.JavaNewest)
	if err != nil {
		t.Fatal(err)
	}
	program := compileJava(t, java, "resume")
	for _, level := range []int16{2, 1} {
		t.Run(fmt.Sprintf("transaction.version %d", level), func(t *testing.T) {
			b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker)})
			setTransactionVersion(t, b.Addr(), level)
			makeTopics(t, b.Addr(), 2, "out")
			out, err := program.Command("Resume", 128, "begin", b.Addr(), "flink", "out").Run(peers.Context(t, time.Minute), "")
			if err != nil {
				t.Fatal(err)
			}
			is := strings.Fields(out)
			if len(is) != 2 {
				t.Fatalf("no producer id and epoch in %q", out)
			}
			kill(t, b.Kill)
			restart(t, b)
			if got := readTopic(t, b.Addr(), "out", kgo.ReadUncommitted()); len(got) != 2 {
				t.Fatalf("%d records are there before the commit", len(got))
			}
			resume := program.Command("Resume", 128, "resume", b.Addr(), "flink", is[0], is[1])
			if _, err := resume.Run(peers.Context(t, time.Minute), ""); err != nil {
				t.Fatal(err)
			}
			got := readTopic(t, b.Addr(), "out", kgo.ReadCommitted())
			if len(got) != 2 || string(got[0].Value) != "written by the first" || got[0].Partition == got[1].Partition {
				t.Errorf("committed: %v", got)
			}
		})
	}
}
