package workload

import (
	"context"

	"github.com/streamhouse/streamhouse/tests/history"
)

// Guest is a client of a load that is not of this package: a library in a process of its
// own (tests/history/guests). It records what it sees as the others do, under its name.
type Guest interface {
	// Name is unlike that of any other client.
	Name() string
	// Run is the client, until ctx ends. It finishes what it has under way then, and
	// returns an error only if it can not go on.
	Run(ctx context.Context, s Seat) error
	// Missing says what it has to do before the load may end, "" for nothing. It may be
	// asked at any time.
	Missing() string
}

// Seat is what a load offers a guest.
type Seat struct {
	Options
	Seed   uint64 // of this guest
	Writer *history.Writer
	Data   []Place // that all producers write to
	In     []Place // what copiers read, and idempotent producers write
	Out    []Place // what copiers write
	Group  string  // the guest's own; its offsets are asked for like those of all groups
}

// Place is one partition.
type Place struct {
	Topic, TopicID string
	Partition      int32
}

// Event is e at this partition.
func (p Place) Event(e history.Event) history.Event {
	e.Topic, e.TopicID, e.Partition = p.Topic, p.TopicID, p.Partition
	return e
}

func (l *Load) seat(name string, seed uint64) Seat {
	return Seat{Options: l.Options, Seed: seed, Writer: l.w, Data: places(l.writable()...), In: places(l.in), Out: places(l.out), Group: l.plainGroup(name)}
}

func places(topics ...topic) []Place {
	var all []Place
	for _, p := range parts(topics...) {
		all = append(all, Place{p.name, p.id, p.number})
	}
	return all
}
