// Command run loads a Kafka broker, writes the history of what its clients saw, and
// judges it; or judges a history that was kept. It exits with 1 when it finds an anomaly.
//
//	go run ./tests/history/run -addr 127.0.0.1:9092 -for 20s -history /tmp/seen.jsonl
//	go run ./tests/history/run -check /tmp/seen.jsonl
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/check"
	"github.com/streamhouse/streamhouse/tests/history/workload"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	sound, err := command(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if !sound {
		os.Exit(1)
	}
}

// command does what the arguments say and prints the verdict. It says whether the
// history is sound.
func command(ctx context.Context, args []string, out io.Writer) (sound bool, err error) {
	o := workload.Default("127.0.0.1:9092")
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&o.Addr, "addr", o.Addr, "broker to load")
	flags.Uint64Var(&o.Seed, "seed", rand.Uint64(), "seed of what the clients choose")
	flags.StringVar(&o.Prefix, "prefix", time.Now().UTC().Format("history-150405"), "of the names of topics, groups and transactional ids")
	flags.DurationVar(&o.Pace, "pace", 5*time.Millisecond, "average pause of each client")
	flags.IntVar(&o.TxnVersion, "txn-version", 0, "1 for transactions as before KIP-890; 0 for what the broker offers")
	length := flags.Duration("for", 10*time.Second, "how long to load the broker")
	keep := flags.String("history", "", "file that takes the history; a temporary one if empty")
	anomalies := flags.String("anomalies", "", "folder that takes a file for each anomaly: what it is, and its events as lines of the history")
	old := flags.String("check", "", "judge this history and load nothing")
	transactions := flags.Bool("transactions", true, "run transactions")
	if err := flags.Parse(args); err != nil {
		return errors.Is(err, flag.ErrHelp), err
	}
	if *old != "" {
		return judge(*old, *anomalies, out)
	}
	if !*transactions {
		o = o.WithoutTransactions()
	}
	path := *keep
	if path == "" {
		f, err := os.CreateTemp("", "history-*.jsonl")
		if err != nil {
			return false, err
		}
		defer os.Remove(f.Name())
		path = f.Name()
		if err := f.Close(); err != nil {
			return false, err
		}
	}
	fmt.Fprintf(out, "seed %d\n", o.Seed)
	if err := record(ctx, path, o, *length); err != nil {
		return false, err
	}
	return judge(path, *anomalies, out)
}

// record loads a broker and writes the history to a file.
func record(ctx context.Context, path string, o workload.Options, length time.Duration) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := history.NewWriter(f)
	return errors.Join(workload.Run(ctx, o, length, w), w.Close(), f.Sync())
}

// judge reads a history and prints what it shows.
func judge(path, anomalies string, out io.Writer) (sound bool, err error) {
	v, err := verdict(path)
	if err != nil {
		return false, err
	}
	if anomalies != "" {
		if err := write(anomalies, v.Anomalies); err != nil {
			return false, err
		}
	}
	for _, a := range slices.Concat(v.Notes, v.Anomalies) {
		fmt.Fprintln(out, a)
	}
	fmt.Fprintf(out, "%+v\n", v.Counts)
	for _, kind := range slices.Sorted(maps.Keys(v.Found)) {
		fmt.Fprintf(out, "%s: %d\n", kind, v.Found[kind])
	}
	return len(v.Anomalies) == 0, nil
}

// write makes a file of each anomaly.
func write(folder string, anomalies []check.Anomaly) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for i, a := range anomalies {
		text := []byte(a.Summary + "\n")
		for _, e := range a.Events {
			line, err := json.Marshal(e)
			if err != nil {
				return err
			}
			text = append(append(text, line...), '\n')
		}
		name := fmt.Sprintf("%02d-%s.jsonl", i+1, strings.ReplaceAll(string(a.Kind), " ", "-"))
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func verdict(path string) (check.Verdict, error) {
	f, err := os.Open(path)
	if err != nil {
		return check.Verdict{}, err
	}
	defer f.Close()
	events, err := history.Read(f)
	if err != nil {
		return check.Verdict{}, fmt.Errorf("%s: %w", path, err)
	}
	return check.Check(events)
}
