package check

import (
	"fmt"
	"slices"

	"github.com/streamhouse/streamhouse/tests/history"
)

// place is one partition of one topic.
type place struct {
	topic, id string
	partition int32
}

func (p place) String() string { return fmt.Sprintf("%s-%d", p.topic, p.partition) }

// record is who made a record, and which of theirs it is; the zero producer is a
// transaction marker.
type record struct {
	producer string
	sequence int64
}

func (r record) marker() bool { return r.producer == "" }

func (r record) String() string {
	if r.marker() {
		return "a marker"
	}
	return fmt.Sprintf("record %s %d", r.producer, r.sequence)
}

// sighting is a record that an event put at an offset.
type sighting struct {
	record
	event int
}

// txn is one transaction. Numbers are events'.
type txn struct {
	id     string
	begin  int
	end    int // -1: its client never asked for an end
	ended  history.Event
	writes []int // produces
	polls  []int
	// read is the first read_committed poll outside the transaction that returned a
	// record of it, -1 for none.
	read int
}

// committed says that the client was told so.
func (t *txn) committed() bool {
	return t.end >= 0 && t.ended.Commit && t.ended.Outcome == history.OK
}

// mayCommit says that somebody asked for the commit, and it was not refused.
func (t *txn) mayCommit() bool {
	return t.end >= 0 && t.ended.Commit && t.ended.Outcome != history.Fail
}

// index is a history, sorted out.
type index struct {
	events []history.Event
	sent   map[record]int // the produce
	txns   map[string]*txn
	order  []*txn // by beginning
	// at holds, for each partition, what was said to lie at each offset: every distinct
	// record once, with the first event that said so.
	at      map[place]map[int64][]sighting
	offsets map[place][]int64 // the keys of at, sorted
	polled  []int             // polls, in the order of the file
	trimmed map[place]int64   // records below may be gone
	// compacted are the topics that are, without a partition, and how long each keeps a
	// tombstone, in ns.
	compacted map[place]int64
}

func placeOf(e *history.Event) place { return place{e.Topic, e.TopicID, e.Partition} }

func newIndex(events []history.Event) (*index, error) {
	x := &index{events: events, sent: map[record]int{}, txns: map[string]*txn{},
		at: map[place]map[int64][]sighting{}, offsets: map[place][]int64{}, trimmed: map[place]int64{}, compacted: map[place]int64{}}
	for i := range events {
		if e := &events[i]; e.Op == history.Begin {
			if err := x.begin(i, e); err != nil {
				return nil, err
			}
		}
	}
	for i := range events {
		if err := x.add(i, &events[i]); err != nil {
			return nil, fmt.Errorf("event %d (%s): %w", i, describe(events[i]), err)
		}
	}
	for p, at := range x.at {
		for offset := range at {
			x.offsets[p] = append(x.offsets[p], offset)
		}
		slices.Sort(x.offsets[p])
	}
	return x, nil
}

func (x *index) begin(i int, e *history.Event) error {
	if x.txns[e.Txn] != nil {
		return fmt.Errorf("transaction %s began twice", e.Txn)
	}
	t := &txn{id: e.Txn, begin: i, end: -1, read: -1}
	x.txns[e.Txn], x.order = t, append(x.order, t)
	return nil
}

func (x *index) add(i int, e *history.Event) error {
	t := x.txns[e.Txn]
	if e.Txn != "" && t == nil {
		return fmt.Errorf("transaction %s never began", e.Txn)
	}
	switch e.Op {
	case history.Produce:
		return x.produced(i, e, t)
	case history.EndTxn:
		if t.end >= 0 {
			return fmt.Errorf("transaction %s ended twice", t.id)
		}
		t.end, t.ended = i, *e
	case history.Poll:
		x.polled = append(x.polled, i)
		if t != nil {
			t.polls = append(t.polls, i)
		}
		for _, r := range e.Records {
			if r.Corrupt == "" {
				x.see(placeOf(e), r.Offset, sighting{record{r.Producer, r.Sequence}, i})
			}
		}
		x.trim(e)
	case history.Watermarks:
		x.trim(e)
	case history.CreateTopic:
		if e.Compacted {
			x.compacted[place{topic: e.Topic, id: e.TopicID}] = e.DeleteRetention
		}
	case history.DeleteRecords:
		if e.Outcome != history.Fail {
			x.trimmed[placeOf(e)] = max(x.trimmed[placeOf(e)], e.Offset)
		}
	}
	return nil
}

func (x *index) trim(e *history.Event) {
	if e.Marks != nil {
		x.trimmed[placeOf(e)] = max(x.trimmed[placeOf(e)], e.Marks.LogStart)
	}
}

func (x *index) produced(i int, e *history.Event, t *txn) error {
	r := record{e.Producer, e.Sequence}
	if _, twice := x.sent[r]; twice {
		return fmt.Errorf("%v was sent twice", r)
	}
	x.sent[r] = i
	if t != nil {
		t.writes = append(t.writes, i)
	}
	if e.Outcome == history.OK {
		x.see(placeOf(e), e.Offset, sighting{r, i})
	}
	return nil
}

func (x *index) see(p place, offset int64, s sighting) {
	if x.at[p] == nil {
		x.at[p] = map[int64][]sighting{}
	}
	for _, known := range x.at[p][offset] {
		if known.record == s.record {
			return
		}
	}
	x.at[p][offset] = append(x.at[p][offset], s)
}

// within are the known offsets of p in [from, to).
func (x *index) within(p place, from, to int64) []int64 {
	all := x.offsets[p]
	low, _ := slices.BinarySearch(all, from)
	high, _ := slices.BinarySearch(all, to)
	return all[low:max(low, high)]
}

// txnOf is the transaction of a record that was sent, nil for none.
func (x *index) txnOf(r record) *txn {
	if i, ok := x.sent[r]; ok {
		return x.txns[x.events[i].Txn]
	}
	return nil
}

// places are the partitions, in an order that does not change.
func (x *index) places() []place {
	var all []place
	for p := range x.at {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b place) int {
		return slices.Compare([]string{a.topic, a.id, fmt.Sprintf("%08d", a.partition)}, []string{b.topic, b.id, fmt.Sprintf("%08d", b.partition)})
	})
	return all
}
