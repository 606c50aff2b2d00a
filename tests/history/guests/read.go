package guests

import (
	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/workload"
)

// reader is the program's consumer of a topic's partitions, without a group.
type reader struct {
	since, number int64 // before it was made; of its assignment
	isolation     history.Isolation
	places        []workload.Place
	next          map[workload.Place]int64
}

// readerOneIn is how many polls there are to one after which a reader makes room for
// another.
const readerOneIn = 25

// read polls once, within a transaction or outside, and records what each partition gave.
func (g *Guest) read(txn string) error {
	if g.reader == nil {
		if ok, err := g.newReader(); !ok {
			return err
		}
	}
	f := g.reader
	r, err := g.do(request{Do: "poll"})
	if err != nil {
		return err
	}
	if r.Error != "" {
		return g.drop("reader")
	}
	for _, p := range r.Parts {
		g.polled(f, g.find(f.places, p), p, txn)
	}
	if g.random.IntN(readerOneIn) == 0 {
		return g.drop("reader")
	}
	return nil
}

// newReader has the program make one, at the beginning of a topic.
func (g *Guest) newReader() (bool, error) {
	topics := [][]workload.Place{g.seat.Out}
	for i := 0; i < len(g.seat.Data); i += g.seat.Partitions {
		topics = append(topics, g.seat.Data[i:i+g.seat.Partitions])
	}
	g.numbers++
	f := &reader{since: g.w.Now(), number: g.numbers, isolation: history.ReadCommitted, places: topics[g.random.IntN(len(topics))], next: map[workload.Place]int64{}}
	if g.random.IntN(4) == 0 || g.library.Leaks != "" {
		f.isolation = history.ReadUncommitted
	}
	ask := request{Do: "read", Isolation: string(f.isolation)}
	for _, p := range f.places {
		ask.Offsets = append(ask.Offsets, place{p.Topic, p.Partition, 0})
	}
	r, err := g.do(ask)
	if err != nil {
		return false, err
	}
	if r.Error != "" {
		return false, g.drop("reader")
	}
	g.reader = f
	return true, nil
}

// polled records what a reader got of a partition, unless it is nothing. A library that
// does not tell its position stands behind the last record that it gave.
func (g *Guest) polled(f *reader, at workload.Place, p part, txn string) {
	from, next := f.next[at], f.next[at]
	if p.From != nil {
		from = *p.From
	}
	if n := len(p.Records); n > 0 {
		next = p.Records[n-1].Offset + 1
	}
	if p.Next != nil {
		next = *p.Next
	}
	if from == next && from == f.next[at] && len(p.Records) == 0 {
		return
	}
	f.next[at] = next
	// A position that goes back within a poll is for the checker to see: it reads on where
	// nobody stood.
	from = min(from, next)
	g.w.Add(at.Event(history.Event{Start: f.since, End: g.w.Now(), Client: g.Name(), Op: history.Poll, Outcome: history.OK,
		Offset: from, Next: next, Isolation: f.isolation, Assignment: f.number, Records: records(p.Records), Txn: txn}))
	g.note(func(d *Did) { d.Read += len(p.Records) })
}

// find is a partition that a program names. One that nobody asked for has no topic id: the
// checker finds its records to be phantoms.
func (g *Guest) find(places []workload.Place, p part) workload.Place {
	for _, at := range places {
		if at.Topic == p.Topic && at.Partition == p.Partition {
			return at
		}
	}
	return workload.Place{Topic: p.Topic, Partition: p.Partition}
}

// records are what a program got, as a history has them.
func records(all []got) []history.Record {
	var list []history.Record
	for _, r := range all {
		producer, sequence, err := history.ParseValue(r.Value)
		h := history.Record{Offset: r.Offset, Producer: producer, Sequence: sequence}
		if err != nil {
			h = history.Record{Offset: r.Offset, Corrupt: err.Error()}
		}
		list = append(list, h)
	}
	return list
}
