package workload

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamhouse/streamhouse/tests/history"
)

// Every client of a load does its work, and leaves its part of the history.
func TestEveryClientTakesPart(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var text bytes.Buffer
	w := history.NewWriter(&text)
	o := Default(c.ListenAddrs()[0])
	o.Pace = 2 * time.Millisecond
	if err := Run(t.Context(), o, 1500*time.Millisecond, w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	events, err := history.Read(&text)
	if err != nil {
		t.Fatal(err)
	}
	type did struct {
		client string
		op     history.Op
	}
	times := map[did]int{}
	for _, e := range events {
		if e.Outcome == history.OK {
			times[did{e.Client, e.Op}]++
		}
	}
	for _, want := range []did{
		{"setup", history.CreateTopic}, {"plain-0", history.Produce}, {"plain-1", history.Produce}, {"idempotent-0", history.Produce},
		{"txn-0", history.Begin}, {"txn-0", history.Produce}, {"txn-0", history.EndTxn}, {"txn-0", history.Poll},
		{"copier-0", history.Poll}, {"copier-0", history.Produce}, {"copier-0", history.Commit}, {"copier-0", history.EndTxn},
		{"member-0", history.Poll}, {"member-0", history.Commit}, {"uncommitted-0", history.Poll}, {"committed-0", history.Poll},
		{"committer-0", history.Commit}, {"committer-0", history.Committed}, {"watcher-0", history.Watermarks},
		{"admin-0", history.CreateTopic}, {"admin-0", history.Produce}, {"admin-0", history.DeleteRecords}, {"admin-0", history.DeleteTopic},
		{"final", history.Watermarks}, {"final", history.Committed}, {"final-read_uncommitted", history.Poll}, {"final-read_committed", history.Poll},
	} {
		if times[want] == 0 {
			t.Errorf("%s: no %s", want.client, want.op)
		}
	}
}
