// Command sizing measures what one more of each thing costs a broker: a connection, a
// partition, a producer id, a consumer, a committed offset, a batch that is not sealed
// yet. docs/sizing.md has its figures and says how to use them.
//
// Each case starts a broker of its own on an empty folder, makes many of one thing, and
// divides the growth by their number. Memory is Go's heap and stacks in use while garbage
// is collected eagerly (GOGC=10), so that it is what is kept and not what happened to lie
// about. Resident memory with Go's default may be twice that.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

func main() {
	only := flag.String("only", "", "regular expression of the cases to run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, *only)
	if cleanup := peers.Cleanup(); err == nil {
		err = cleanup
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sizing:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) error {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	fmt.Printf("%-24s %10s %14s %14s %14s %12s\n", "what", "number", "memory each", "resident each", "disk each", "descriptors")
	for _, c := range cases() {
		if !chosen.MatchString(c.name) {
			continue
		}
		if err := c.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

// sizingCase makes number of one thing on a broker.
type sizingCase struct {
	name   string
	number int
	// before is what has to be there first. It is not counted. May be nil.
	before func(b *peers.Broker) error
	// make does it and returns what ends it. What it opened stays open until then.
	make func(b *peers.Broker, number int) (end func(), err error)
}

func (c sizingCase) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "streamhouse-sizing-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := peers.New(ctx, peers.Options{Kind: peers.StreamHouse, Dir: dir, Env: []string{"GOGC=10"}, Settings: map[string]string{
		"group.initial.rebalance.delay.ms": "0",
		"seal.max.age.ms":                  "3600000", // nothing is sealed meanwhile
		"max.connections":                  "1000000",
	}})
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Start(ctx); err != nil {
		return err
	}
	if c.before != nil {
		if err := c.before(b); err != nil {
			return err
		}
	}
	from, err := look(ctx, b)
	if err != nil {
		return err
	}
	end, err := c.make(b, c.number)
	if err != nil {
		return err
	}
	defer end()
	to, err := look(ctx, b)
	if err != nil {
		return err
	}
	n := int64(c.number)
	fmt.Printf("%-24s %10d %12d B %12d B %12d B %5d to %d\n", c.name, n,
		(to.inUse-from.inUse)/n, (to.resident-from.resident)/n, (to.disk-from.disk)/n, from.descriptors, to.descriptors)
	return nil
}

// settle is how long a broker is left alone before it is looked at.
const settle = 2 * time.Second
