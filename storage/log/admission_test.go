package log

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
)

// bulk is a payload of which two do not fit one pack of the rig, and one does not beside
// filling.
const (
	bulk    = 200 << 10
	filling = 150 << 10
)

// crowd is a log on which appends queue up: its journal holds a pack up until the gate
// opens, and the pack behind that one is more than half full.
type crowd struct {
	*rig
	t     *testing.T
	gate  chan struct{}
	clear func() // opens the gate
}

// newCrowd calls before with the log while nothing is held up.
func newCrowd(t *testing.T, before func(*rig)) *crowd {
	c := &crowd{t: t, gate: make(chan struct{})}
	c.clear = sync.OnceFunc(func() { close(c.gate) })
	open := make(chan struct{})
	close(open)
	gate := open
	j := newScriptedJournal(1)
	j.before = func(uint64) error { <-gate; return nil }
	c.rig = newRig(t, j)
	t.Cleanup(c.clear)
	before(c.rig)
	gate = c.gate // the committer is idle
	p := c.partition(9)
	c.send(p, batch(-1, 0, 1, 10))
	waitFor(t, func() bool { return c.log.flights() == 1 })
	c.send(p, batch(8, 0, 1, filling))
	return c
}

// wait runs an append and returns once n wait.
func (c *crowd) wait(n int, append func() error) <-chan error {
	out := make(chan error, 1)
	go func() { out <- append() }()
	waitFor(c.t, func() bool { return c.waiting() == n })
	return out
}

func (c *crowd) waiting() int {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	return len(c.log.waiting)
}

// Whoever was let in and puts nothing lets in the next, whatever it left for.
func TestWhoLeavesAdmissionLetsInTheNext(t *testing.T) {
	for _, c := range []struct {
		name string
		want error
		last func(r *rig, p *Partition) error // puts nothing
	}{
		{"out of order", protocol.OutOfOrderSequenceNumber, func(r *rig, p *Partition) error {
			return (<-r.send(p, batch(5, 7, 1, bulk))).Err
		}},
		{"a duplicate", nil, func(r *rig, p *Partition) error {
			return (<-r.send(p, batch(5, 0, 1, bulk))).Err
		}},
		{"a duplicate of what is on its way", nil, func(r *rig, _ *Partition) error {
			return (<-r.send(r.partition(9), batch(8, 0, 1, bulk))).Err
		}},
		{"fenced", protocol.InvalidProducerEpoch, func(r *rig, p *Partition) error {
			b := batch(5, 1, 1, bulk)
			b.Header.ProducerEpoch = -1
			return (<-r.send(p, b)).Err
		}},
		{"in no transaction", protocol.InvalidTxnState, func(r *rig, p *Partition) error {
			b := batch(5, 1, 1, bulk)
			b.Header.Attributes |= 0x10
			return (<-r.send(p, b)).Err
		}},
		{"a topic that was deleted", protocol.UnknownTopicOrPartition, func(r *rig, _ *Partition) error {
			return (<-r.send(r.partition(1), batch(-1, 0, 1, bulk))).Err
		}},
		{"an atomic append", protocol.TransactionCoordinatorFenced, func(r *rig, p *Partition) error {
			return r.atomic(AtomicBatch{p, large(bulk)}, AtomicBatch{p, markerBatch(2, true, 6)})[1].Err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newCrowd(t, func(r *rig) {
				p := r.partition(0)
				r.must(p, batch(5, 0, 1, bulk), 0)
				r.must(p, markerBatch(2, true, 7), 1)
			})
			p, gone := r.partition(0), r.partition(1)
			leaves := r.wait(1, func() error { return c.last(r.rig, p) })
			next := r.wait(2, func() error { return (<-r.send(p, batch(-1, 0, 1, bulk))).Err })
			r.log.mu.Lock()
			gone.deleted = true
			r.log.mu.Unlock()
			r.clear()
			if err := <-leaves; !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			waitFor(t, func() bool { return r.waiting() == 0 })
			if err := <-next; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// An append whose context ends makes room for a smaller one behind it at once.
func TestWhoGivesUpLetsInTheNext(t *testing.T) {
	r := newCrowd(t, func(*rig) {})
	p := r.partition(0)
	ctx, giveUp := context.WithCancel(context.Background())
	large := r.wait(1, func() error {
		out := make(chan error, 1)
		r.log.NewAppender().Append(ctx, NewTicket(1, func(t *Ticket) { out <- t.Results()[0].Err }), 0, p, batch(-1, 0, 1, bulk))
		return <-out
	})
	small := r.wait(2, func() error { return (<-r.send(p, batch(-1, 0, 1, 70<<10))).Err })
	giveUp()
	if err := <-large; !errors.Is(err, protocol.RequestTimedOut) {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return r.waiting() == 0 })
	r.clear()
	if err := <-small; err != nil {
		t.Fatal(err)
	}
}
