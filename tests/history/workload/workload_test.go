package workload

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamhouse/streamhouse/tests/history"
)

// Every client of a load does its work, and leaves its part of the history.
func TestEveryClientTakesPart(t *testing.T) {
	o := Default(fake(t))
	o.Pace = 2 * time.Millisecond
	for client, ops := range map[string][]history.Op{
		"plain-0": {history.Produce}, "plain-1": {history.Produce}, "idempotent-0": {history.Produce},
		"txn-0":    {history.Begin, history.Produce, history.EndTxn, history.Poll},
		"copier-0": {history.Begin, history.Produce, history.EndTxn, history.Poll, history.Commit},
		"member-0": {history.Poll, history.Commit}, "uncommitted-0": {history.Poll}, "committed-0": {history.Poll},
		"again-uncommitted-0": {history.Poll}, "again-committed-0": {history.Poll},
		"committer-0": {history.Commit, history.Committed}, "watcher-0": {history.Watermarks},
		"admin-0": {history.CreateTopic, history.Produce, history.DeleteRecords, history.DeleteTopic},
	} {
		for _, op := range ops {
			o.Floors = append(o.Floors, Floor{client, op, 1})
		}
	}
	var text bytes.Buffer
	w := history.NewWriter(&text)
	if err := Run(t.Context(), o, 100*time.Millisecond, w); err != nil {
		t.Fatal(err)
	}
	for client, op := range map[string]history.Op{"setup": history.CreateTopic, "final": history.Committed,
		"final-read_uncommitted": history.Poll, "final-read_committed": history.Poll} {
		if w.Done(client, op) == 0 {
			t.Errorf("%s: no %s", client, op)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := history.Read(&text); err != nil {
		t.Fatal(err)
	}
}

// A load that can not reach its floors says so.
func TestThinLoadFails(t *testing.T) {
	o := Default(fake(t)).WithoutTransactions()
	o.Floors, o.FloorsMax = []Floor{{"txn", history.EndTxn, 1}}, 100*time.Millisecond
	w := history.NewWriter(io.Discard)
	if err := Run(t.Context(), o, 0, w); err == nil || !strings.Contains(err.Error(), "0 of 1 times end") {
		t.Fatal(err)
	}
}

func fake(t *testing.T) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}
