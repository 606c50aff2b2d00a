// Command bench measures the broker against Apache Kafka on the same machine with the
// same client, and prints ratios. With -against it takes turns with an older binary of ours
// instead, and says what has become worse.
//
// Each case starts a broker on an empty folder, warms it up, measures a window, stops it
// and deletes its data; ours and Kafka take turns within a case, so that both meet the
// same state of the machine's memory, and each figure is the median of the rounds. Bulk
// and latency never run in the same case unless the case is about just that.
//
// The load is made of requests that are built once and sent again and again, by plain
// connections with five requests in flight as producers have: building and compressing
// batches would cost more than the broker does, and the machine has few cores. The
// broker checks every batch as it does in production. One case uses franz-go's producer
// with its defaults, whose batches are compressed with snappy.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// settings are the command's flags.
type settings struct {
	only     *regexp.Regexp
	rounds   int
	sides    []side
	judge    bool // say what is worse than the other side
	dir      string
	warmup   time.Duration
	window   time.Duration
	maxBytes int64
	journal  string
	flush    bool // Kafka flushes each message
	pace     int  // transactions per second in all; 0: the case's own
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	s, list, err := parse(os.Args[1:])
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case list:
		for _, c := range cases() {
			fmt.Printf("%-24s %s\n", c.name, c.about)
		}
		return
	}
	err = s.run(ctx)
	if cleanup := peers.Cleanup(); err == nil {
		err = cleanup
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, list bool, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := flags.String("only", "", "regular expression: run the cases whose names match")
	flags.BoolVar(&list, "list", false, "list the cases and exit")
	flags.IntVar(&s.rounds, "rounds", 3, "rounds of which the median is taken")
	ours := flags.Bool("ours-only", false, "leave Apache Kafka out")
	against := flags.String("against", "", "an older binary of ours to take turns with, in place of Apache Kafka; rounds are 7 then unless they are given")
	flags.StringVar(&s.dir, "dir", os.TempDir(), "folder for the brokers' data; must be on a disk, not in memory")
	flags.DurationVar(&s.warmup, "warmup", 4*time.Second, "load before the measured window")
	flags.DurationVar(&s.window, "window", 8*time.Second, "measured window")
	maxMiB := flags.Int64("max-mib", 4096, "end a window of bulk load after so many MiB")
	flags.StringVar(&s.journal, "journal", "file", "our broker's journal")
	flags.BoolVar(&s.flush, "kafka-flush", false, "let Kafka sync each message before it answers, as ours does (log.flush.interval.messages=1)")
	flags.IntVar(&s.pace, "pace", 0, "transactions per second in all, in place of a case's own pace or of none")
	if err := flags.Parse(args); err != nil {
		return s, false, err
	}
	if s.only, err = regexp.Compile(*only); err != nil {
		return s, false, fmt.Errorf("-only: %w", err)
	}
	s.maxBytes = *maxMiB << 20
	s.sides, s.judge = sidesOf(*ours, *against), *against != ""
	if s.judge {
		given := false
		flags.Visit(func(f *flag.Flag) { given = given || f.Name == "rounds" })
		if !given {
			s.rounds = 7
		}
		if _, err := os.Stat(*against); err != nil {
			return s, false, fmt.Errorf("-against: %w", err)
		}
	}
	return s, list, nil
}

func (s settings) run(ctx context.Context) error {
	selected := slices.DeleteFunc(cases(), func(c benchCase) bool { return !s.only.MatchString(c.name) })
	if len(selected) == 0 {
		return fmt.Errorf("no case matches %q; -list shows them", s.only)
	}
	fmt.Printf("# %s rounds=%d window=%v; medians; user and sys are CPU seconds of the broker per GiB\n\n",
		strings.Join(names(s.sides), " against "), s.rounds, s.window)
	table := newTable(s.sides, s.judge)
	for _, c := range selected {
		results := map[string][]result{}
		for round := range s.rounds {
			for _, side := range turn(s.sides, round) {
				r, err := s.once(ctx, c, side)
				if err != nil {
					return fmt.Errorf("%s, %s, round %d: %w", c.name, side.name, round+1, err)
				}
				results[side.name] = append(results[side.name], r)
			}
		}
		table.add(c.name, results)
	}
	if s.judge {
		fmt.Printf("\n%s\n", verdict(table.exceeded))
	}
	return nil
}

// once runs a case against a broker of its own, and leaves the machine as it was.
func (s settings) once(ctx context.Context, c benchCase, side side) (result, error) {
	dir, err := os.MkdirTemp(s.dir, "streamhouse-bench-")
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = os.RemoveAll(dir) // a scratch folder; what matters was reported
		unix.Sync()           // deletes and late writes must not run into the next window
		time.Sleep(500 * time.Millisecond)
	}()
	o := peers.Options{Kind: side.kind, Binary: side.binary, Dir: filepath.Join(dir, "broker"), HeapMiB: 1024}
	if side.kind == peers.StreamHouse {
		o.Journal = s.journal
	} else if s.flush {
		o.Settings = map[string]string{"log.flush.interval.messages": "1"}
	}
	b, err := peers.New(ctx, o)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := b.Start(ctx); err != nil {
		return nil, err
	}
	started := time.Since(began)
	m := &measured{Broker: b, settings: s, result: result{}, started: started}
	if err := ownsPort(b.PID(), b.Port()); err != nil {
		return nil, fmt.Errorf("refused to measure: %w", err)
	}
	err = c.run(ctx, m)
	if err == nil {
		err = b.Stop()
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, b.LogTail(2000))
	}
	if e := b.Close(); err == nil {
		err = e
	}
	return m.result, err
}

func names(sides []side) []string {
	var names []string
	for _, s := range sides {
		names = append(names, s.name)
	}
	return names
}
