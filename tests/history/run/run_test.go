package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/mutant"
	"github.com/streamhouse/streamhouse/tests/history/workload"
	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

var (
	broker = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")
	length = flag.Duration("for", 10*time.Second, "how long each load runs")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

// What clients see of an undisturbed broker has no anomaly, in either version of the
// transaction protocol.
func TestUndisturbed(t *testing.T) {
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker), Settings: map[string]string{"group.initial.rebalance.delay.ms": "0"}})
	for name, version := range map[string]int{"transactions as offered": 0, "transactions before KIP-890": 1} {
		t.Run(name, func(t *testing.T) {
			o := workload.Default(b.Addr())
			o.Prefix, o.TxnVersion, o.Pace = strings.ReplaceAll(name, " ", "-"), version, 5*time.Millisecond
			with := transactions(t, b.Addr())
			if !with {
				t.Log("the broker offers no EndTxn: no transactions in this run")
				o = o.WithoutTransactions()
			}
			path := filepath.Join(peers.Folder(t), "history.jsonl")
			if err := record(peers.Context(t, *length+3*time.Minute), path, o, *length); err != nil {
				t.Fatal(err)
			}
			v, err := verdict(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range v.Anomalies {
				t.Errorf("%v", a)
			}
			t.Logf("%+v, found %v", v.Counts, v.Found)
			// A load that did little proves little.
			n, seconds := v.Counts, int(length.Seconds())
			if n.Acknowledged < 100*seconds || n.Covered < n.Acknowledged*9/10 || n.Commits < 10*seconds || n.Answers < 10*seconds || n.Watermarks < 100*seconds {
				t.Errorf("the load was too thin: %+v", n)
			}
			if with && (n.Committed < 5*seconds || n.Aborted < seconds || n.TxnReads < seconds) {
				t.Errorf("too few transactions: %+v", n)
			}
		})
	}
}

// transactions says whether the broker offers them. Apache Kafka does.
func transactions(t *testing.T, addr string) bool {
	t.Helper()
	conn := &wire.Redial{Addr: addr, ClientID: "versions"}
	defer conn.Close()
	resp, err := conn.Call(peers.Context(t, time.Minute), kmsg.NewPtrApiVersionsRequest())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
		if k.ApiKey == kmsg.EndTxn.Int16() {
			return true
		}
	}
	return false
}

// The checker is not blind in front of this broker either: it catches what a mutant
// makes of its answers.
func TestMutantsInFront(t *testing.T) {
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker), Settings: map[string]string{"group.initial.rebalance.delay.ms": "0"}})
	with := transactions(t, b.Addr())
	for i, k := range mutant.Kinds {
		t.Run(k.Name, func(t *testing.T) {
			if k.Transactions && !with {
				t.Skip("the broker offers no EndTxn")
			}
			o := workload.Default(b.Addr())
			o.Prefix, o.Pace, o.Settle, o.Patience = fmt.Sprintf("mutant-%d", i), 2*time.Millisecond, 5*time.Second, 10*time.Second
			if !with {
				o = o.WithoutTransactions()
			}
			c, err := mutant.Hunt(peers.Context(t, time.Minute), k, o, 2*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("caught in %v, run %d: %s", c.Took.Round(time.Millisecond), c.Runs, c.Anomaly.Summary)
		})
	}
}

// Connections are cut under load, again and again; the history has no anomaly.
func TestCut(t *testing.T) {
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker), Settings: map[string]string{"group.initial.rebalance.delay.ms": "0"}})
	o := workload.Default(b.Addr())
	o.Pace, o.Patience, o.TxnTimeout = 5*time.Millisecond, 30*time.Second, 15*time.Second
	if !transactions(t, b.Addr()) {
		o = o.WithoutTransactions()
	}
	v, failed, err := mutant.Judge(peers.Context(t, *length+3*time.Minute), mutant.Correct{}, o, *length, mutant.Cuts(300*time.Millisecond))
	if err = errors.Join(failed, err); err != nil {
		t.Fatal(err)
	}
	for _, a := range v.Anomalies {
		t.Errorf("%v", a)
	}
	t.Logf("%+v, found %v", v.Counts, v.Found)
	if n := v.Counts; n.Faults < 5 || n.Acknowledged < 500 || n.Covered < n.Acknowledged/2 {
		t.Errorf("the load was too thin: %+v", n)
	}
}

// The broker is killed under load, again and again; the history has no anomaly.
func TestKilled(t *testing.T) {
	const kills = 6
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker), Settings: map[string]string{"group.initial.rebalance.delay.ms": "0"}})
	ctx := peers.Context(t, 5*time.Minute)
	o := workload.Default(b.Addr())
	o.Pace, o.Patience, o.TxnTimeout = 5*time.Millisecond, 30*time.Second, 15*time.Second
	if !transactions(t, b.Addr()) {
		o = o.WithoutTransactions()
	}
	path := filepath.Join(peers.Folder(t), "history.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := history.NewWriter(f)
	l := workload.New(o, w)
	if err := l.Setup(ctx); err != nil {
		t.Fatal(err)
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error { return l.Clients(loading) })
	for range kills {
		time.Sleep(500*time.Millisecond + rand.N(time.Second)) // something to lose
		if err := killAndStart(ctx, b, w); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := errors.Join(group.Wait(), l.Final(ctx), w.Close()); err != nil {
		t.Fatal(err)
	}
	v, err := verdict(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range v.Anomalies {
		t.Errorf("%v", a)
	}
	t.Logf("%+v, found %v", v.Counts, v.Found)
	if n := v.Counts; n.Faults != kills || n.Acknowledged < 500*kills || n.Covered < n.Acknowledged/2 {
		t.Errorf("the load was too thin: %+v", n)
	}
}

// killAndStart kills the broker, starts it again, and records it as one fault.
func killAndStart(ctx context.Context, b *peers.Broker, w *history.Writer) error {
	e := history.Event{Start: w.Now(), Client: "faults", Op: history.Fault, Outcome: history.OK, Fault: "kill"}
	if err := b.Kill(); err != nil {
		return err
	}
	if err := b.Start(ctx); err != nil {
		return err
	}
	e.End = w.Now()
	w.Add(e)
	return nil
}

// The command loads, keeps the history, and judges it again from the file.
func TestCommand(t *testing.T) {
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker)})
	path := filepath.Join(peers.Folder(t), "seen.jsonl")
	var first, again strings.Builder
	ctx := peers.Context(t, 2*time.Minute)
	sound, err := command(ctx, []string{"-addr", b.Addr(), "-for", "1s", "-transactions=false", "-history", path}, &first)
	if err != nil || !sound || !strings.Contains(first.String(), "Acknowledged:") {
		t.Fatalf("%v, %v\n%s", sound, err, first.String())
	}
	if sound, err = command(ctx, []string{"-check", path}, &again); err != nil || !sound || !strings.HasSuffix(first.String(), again.String()) {
		t.Fatalf("%v, %v\n%s\n%s", sound, err, first.String(), again.String())
	}
	broken := filepath.Join(filepath.Dir(path), "broken.jsonl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// A record that nobody sent.
	text = []byte(strings.Replace(string(text), `{"offset":1,"producer":"`, `{"offset":1,"producer":"un`, 1))
	if err := os.WriteFile(broken, text, 0o644); err != nil {
		t.Fatal(err)
	}
	again.Reset()
	if sound, err := command(ctx, []string{"-check", broken, "-anomalies", filepath.Join(filepath.Dir(path), "found")}, &again); err != nil || sound || !strings.Contains(again.String(), "phantom") {
		t.Fatalf("%v, %v\n%s", sound, err, again.String())
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "found", "*-phantom.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatal("no file of the anomaly: ", err)
	}
	if text, err := os.ReadFile(files[0]); err != nil || !strings.Contains(string(text), `"op":"poll"`) {
		t.Errorf("%v\n%s", err, text)
	}
}
