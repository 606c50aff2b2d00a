package guests

import (
	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/history/workload"
)

// member is the program's member of a group of its own.
type member struct {
	since int64 // before it was made
	spots map[workload.Place]*spot
	batch []taken // not copied yet
	polls []history.Event
}

// spot is where a member stands in a partition.
type spot struct {
	assignment, number int64 // the program's, the history's
	next               int64 // -1 before the first record
}

// taken is a record to be copied.
type taken struct {
	at     workload.Place
	offset int64
}

// copy copies what one poll gave, exactly once: the copies and the group's offsets are
// in one transaction. A fifth are aborted, and come again.
func (g *Guest) copy() error {
	// A member begins where the group's offsets are. Most libraries do not ask for offsets
	// that wait for open transactions; with them nothing may be left open or half ended,
	// and a new producer waits for that.
	if g.member == nil && g.producer && !g.fresh && !g.library.Stable {
		if err := g.drop("producer"); err != nil {
			return err
		}
	}
	if ok, err := g.open(); !ok {
		return err
	}
	if ok, err := g.take(); !ok {
		return err
	}
	txn, err := g.begin()
	if g.member != nil {
		for _, e := range g.member.polls {
			e.Txn = txn
			g.w.Add(e)
		}
		g.member.polls = nil
	}
	if txn == "" {
		return err
	}
	batch := g.member.batch
	good, err := g.send(txn, g.copies(batch))
	if err != nil {
		return err
	}
	commit := good && g.random.IntN(5) > 0
	var offsets []history.Event
	refused := false // of a member that its group has gone on without
	if commit && g.producer {
		if offsets, err = g.offsets(txn, batch); err != nil {
			return err
		}
		refused = offsets == nil
	}
	became, err := g.end(txn, commit && offsets != nil, offsets)
	switch {
	case err != nil:
		return err
	case became == committed:
		g.note(func(d *Did) { d.Copied += len(batch) })
		g.member.batch = nil
	case became == open || refused:
		return g.drop("member") // the next one begins at what the group has committed
	}
	return nil
}

// copies are records made from a batch.
func (g *Guest) copies(batch []taken) []outgoing {
	var all []outgoing
	for _, t := range batch {
		all = append(all, outgoing{g.seat.Out[g.random.IntN(len(g.seat.Out))],
			&history.Source{Group: g.seat.Group, Topic: t.at.Topic, TopicID: t.at.TopicID, Partition: t.at.Partition, Offset: t.offset}})
	}
	return all
}

// offsets puts those of a batch into the transaction, and returns their commits, without
// times and outcome; nil if the library refused.
func (g *Guest) offsets(txn string, batch []taken) ([]history.Event, error) {
	ends := map[workload.Place]int64{}
	for _, t := range batch {
		ends[t.at] = t.offset + 1
	}
	r := request{Do: "offsets"}
	var all []history.Event
	for at, offset := range ends {
		r.Offsets = append(r.Offsets, place{at.Topic, at.Partition, offset})
		all = append(all, at.Event(history.Event{Client: g.Name(), Op: history.Commit, Group: g.seat.Group, Offset: offset, Txn: txn}))
	}
	got, err := g.do(r)
	if err != nil || got.Error != "" {
		return nil, err
	}
	return all, nil
}

// take makes sure that there is a batch, and says whether there is one.
func (g *Guest) take() (bool, error) {
	if g.member != nil && len(g.member.batch) > 0 {
		return true, nil
	}
	m := g.member
	if m == nil {
		m = &member{since: g.w.Now(), spots: map[workload.Place]*spot{}}
	}
	r, err := g.do(request{Do: "take"})
	if err != nil {
		return false, err
	}
	if r.Error != "" {
		return false, g.drop("member")
	}
	g.member = m
	for _, p := range r.Parts {
		if len(p.Records) > 0 {
			g.took(m, g.find(g.seat.In, p), p)
		}
	}
	return len(m.batch) > 0, nil
}

// took notes what a member got of a partition.
func (g *Guest) took(m *member, at workload.Place, p part) {
	s := m.spots[at]
	if s == nil || s.assignment != p.Assignment {
		g.numbers++
		s = &spot{p.Assignment, g.numbers, -1}
		m.spots[at] = s
	}
	from := s.next
	if from < 0 {
		from = p.Records[0].Offset
	}
	s.next = p.Records[len(p.Records)-1].Offset + 1
	m.polls = append(m.polls, at.Event(history.Event{Start: m.since, End: g.w.Now(), Client: g.Name(), Op: history.Poll, Outcome: history.OK,
		Offset: from, Next: max(from, s.next), Isolation: history.ReadCommitted, Assignment: s.number, Records: records(p.Records), Group: g.seat.Group}))
	for _, r := range p.Records {
		m.batch = append(m.batch, taken{at, r.Offset})
	}
}
