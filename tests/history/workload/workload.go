// Package workload loads a Kafka broker at an address with producers, transactions,
// readers, groups and administration, and records what they see as a history
// (tests/history). It judges nothing, and knows nothing of which broker it is.
package workload

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/tests/history"
)

// Options say what a load consists of. Counts may be zero.
type Options struct {
	Addr   string // host:port
	Seed   uint64 // of what the clients choose; not of their timing
	Prefix string // of topics, groups and transactional ids: runs on one broker differ in it

	Topics, Partitions int // that all producers write to, and partitions of each topic
	Compacted          int // topics beside those, compacted after a second or two; of them readers read all again and again
	// TombstonesStay is how long the compacted topics keep those; 3 s if zero.
	TombstonesStay time.Duration

	Plain         int // producers that send each batch once, without sequence numbers
	Idempotent    int
	Transactional int
	Copiers       int // members of one group that copy a topic, exactly once
	Members       int // of one group that commits what it has read
	Readers       int // of each isolation level
	Committers    int // that commit for a group without members
	Watchers      int // that ask for watermarks
	Admins        int // that create, fill, cut and delete topics of their own

	Guests []Guest // clients that are not of this package

	// TxnVersion 1 makes transactional clients speak the protocol from before KIP-890
	// (every partition added by request, no epoch per transaction). With 0 they speak what
	// the broker offers.
	TxnVersion int
	TxnTimeout time.Duration // 20 s if zero; must exceed the outages that faults make

	// Patience is how long a client waits for a step of its own, a flush or the end of a
	// transaction; its outcome is unknown then. 1 minute if zero.
	Patience time.Duration

	// Call is how long a client waits for one answer before it connects anew; the
	// library's own time if zero. What it gave up may take effect afterwards.
	Call time.Duration

	Pace       time.Duration // average pause between a client's steps; 10 ms if zero
	Compressed bool          // idempotent producers compress, each in its own way
	ValueBytes int           // average size of a record; 100 if zero
	Settle     time.Duration // how long the final read may stand still; 1 minute if zero

	// Floors are what has to happen before the load ends, however slow the machine is. A
	// load that does not get there within FloorsMax (2 minutes if zero) fails.
	Floors    []Floor
	FloorsMax time.Duration
	// Thinned is one more: how many readings of the compacted topics from their beginnings
	// have to meet gaps, each read_uncommitted, which only compaction makes.
	Thinned int64
}

// Floor is a number of operations with outcome ok.
type Floor struct {
	Clients string // whose names begin so
	Op      history.Op
	Count   int
}

// Default is a load of every kind, small enough for one machine beside a broker.
func Default(addr string) Options {
	return Options{Addr: addr, Prefix: "history", Topics: 2, Partitions: 3, Compacted: 1, Plain: 2, Idempotent: 2, Transactional: 3, Copiers: 2,
		Members: 2, Readers: 1, Committers: 1, Watchers: 1, Admins: 1, Compressed: true}
}

// WithoutTransactions is o for a broker that has none.
func (o Options) WithoutTransactions() Options {
	o.Transactional, o.Copiers = 0, 0
	return o
}

func (o Options) filled() Options {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&o.TombstonesStay, 3*time.Second)
	set(&o.TxnTimeout, 20*time.Second)
	set(&o.Pace, 10*time.Millisecond)
	set(&o.Settle, time.Minute)
	set(&o.Patience, time.Minute)
	set(&o.FloorsMax, 2*time.Minute)
	if o.ValueBytes == 0 {
		o.ValueBytes = 100
	}
	return o
}

// AtLeast is a floor.
func AtLeast(count int, op history.Op, clients string) Floor { return Floor{clients, op, count} }

// Load is one run of a workload. Its steps are Setup, Clients, Final, in this order; a
// test that injects faults does so while Clients runs, and records them in the same
// history.
type Load struct {
	Options
	w *history.Writer
	// thinned counts readings of the compacted topics with gaps.
	thinned atomic.Int64
	topics  []topic // that everybody reads
	keyed   []topic // the compacted ones, also among topics
	in      topic   // what copiers read, also among topics
	out     topic   // what they write, also among topics
}

// New makes a load that writes to w, which stays the caller's to close.
func New(o Options, w *history.Writer) *Load { return &Load{Options: o.filled(), w: w} }

// Run loads the broker for some time, longer if that is not enough for the floors, and
// reads everything in the end. The history is complete, though not closed, when it
// returns without error.
func Run(ctx context.Context, o Options, length time.Duration, w *history.Writer) error {
	l := New(o, w)
	if err := l.Setup(ctx); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error {
		defer stop()
		return l.Enough(loading, length)
	})
	err := l.Clients(loading)
	stop()
	if err = errors.Join(err, group.Wait()); err != nil {
		return err
	}
	return l.Final(ctx)
}

// Enough returns when a load has run for some time and has reached its floors, or ctx
// has ended.
func (l *Load) Enough(ctx context.Context, length time.Duration) error {
	const look = 10 * time.Millisecond
	pause(ctx, length)
	for deadline := time.Now().Add(l.FloorsMax); ctx.Err() == nil; pause(ctx, look) {
		missing := l.missing()
		if len(missing) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the load is too thin: %v", missing)
		}
	}
	return nil
}

// missing are the floors that are not reached yet, with what is there.
func (l *Load) missing() []string {
	var all []string
	for _, f := range l.Floors {
		if n := l.w.Done(f.Clients, f.Op); n < f.Count {
			all = append(all, fmt.Sprintf("%d of %d times %s by %q", n, f.Count, f.Op, f.Clients))
		}
	}
	if n := l.thinned.Load(); n < l.Thinned {
		all = append(all, fmt.Sprintf("%d of %d readings of compacted topics with gaps", n, l.Thinned))
	}
	for _, g := range l.Guests {
		if what := g.Missing(); what != "" {
			all = append(all, fmt.Sprintf("%s: %s", g.Name(), what))
		}
	}
	return all
}

// Clients runs all clients until ctx ends, and what they have under way then.
func (l *Load) Clients(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	start := func(kind string, count int, client func(context.Context, string, uint64) error) {
		for i := range count {
			name := fmt.Sprintf("%s-%d", kind, i)
			group.Go(func() error {
				if err := client(ctx, name, l.Seed+uint64(i)); err != nil {
					return fmt.Errorf("client %s: %w", name, err)
				}
				return nil
			})
		}
	}
	start("plain", l.Plain, l.plain)
	start("idempotent", l.Idempotent, l.idempotent)
	start("txn", l.Transactional, l.transactional)
	start("copier", l.Copiers, l.copier)
	start("member", l.Members, l.member)
	start("uncommitted", l.Readers, l.reader(history.ReadUncommitted))
	start("committed", l.Readers, l.reader(history.ReadCommitted))
	if l.Compacted > 0 {
		start("again-uncommitted", l.Readers, l.rereader(history.ReadUncommitted))
		start("again-committed", l.Readers, l.rereader(history.ReadCommitted))
	}
	start("committer", l.Committers, l.committer)
	start("watcher", l.Watchers, l.watcher)
	start("admin", l.Admins, l.admin)
	for i, g := range l.Guests {
		group.Go(func() error {
			if err := g.Run(ctx, l.seat(g.Name(), l.Seed+uint64(i))); err != nil {
				return fmt.Errorf("guest %s: %w", g.Name(), err)
			}
			return nil
		})
	}
	return group.Wait()
}

// Groups that Clients uses.
func (l *Load) memberGroup() string { return l.Prefix + "-members" }
func (l *Load) copyGroup() string   { return l.Prefix + "-copiers" }
func (l *Load) plainGroup(name string) string {
	return l.Prefix + "-" + name
}
