package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/streamhouse/streamhouse/tests/history"
)

// observation is a lower bound, or the value itself, of one mark of a partition, true
// at some moment between start and end.
type observation struct {
	start, end int64
	value      int64
	exact      bool
	event      int
}

// watermarks finds marks that went back: an answer that is below what another event,
// which had ended before the question was asked, had shown already.
func (c *checker) watermarks() {
	high, stable, start := map[place][]observation{}, map[place][]observation{}, map[place][]observation{}
	for i := range c.events {
		e := &c.events[i]
		p := placeOf(e)
		add := func(to map[place][]observation, value int64, exact bool) {
			if value >= 0 {
				to[p] = append(to[p], observation{e.Start, e.End, value, exact, i})
			}
		}
		if m := e.Marks; m != nil {
			add(high, m.HighWatermark, true)
			add(high, m.LastStable, false)
			add(stable, m.LastStable, true)
			add(start, m.LogStart, true)
		}
		switch {
		case e.Op == history.Produce && e.Outcome == history.OK:
			add(high, e.Offset+1, false)
		case e.Op == history.Poll && len(e.Records) > 0:
			next := e.Records[len(e.Records)-1].Offset + 1
			add(high, next, false)
			if e.Isolation == history.ReadCommitted {
				add(stable, next, false)
			}
		case e.Op == history.DeleteRecords && e.Outcome == history.OK:
			add(start, e.Offset, false)
		}
	}
	c.monotonic(HighWatermark, high)
	c.monotonic(LastStable, stable)
	c.monotonic(LogStart, start)
}

func (c *checker) monotonic(kind Kind, all map[place][]observation) {
	for _, p := range c.placesOf(all) {
		below(all[p], func(o, certain observation) {
			c.anomaly(kind, fmt.Sprintf("%v: %d, at least %d was certain before", p, o.value, certain.value), certain.event, o.event)
		})
	}
}

// below calls found for each exact observation that lies below one which had ended
// before it began, with the largest of those.
func below(all []observation, found func(o, certain observation)) {
	byStart, byEnd := slices.Clone(all), slices.Clone(all)
	slices.SortStableFunc(byStart, func(a, b observation) int { return cmp.Compare(a.start, b.start) })
	slices.SortStableFunc(byEnd, func(a, b observation) int { return cmp.Compare(a.end, b.end) })
	highest, n := observation{value: -1}, 0
	for _, o := range byStart {
		for ; n < len(byEnd) && byEnd[n].end < o.start; n++ {
			if byEnd[n].value > highest.value {
				highest = byEnd[n]
			}
		}
		if o.exact && o.value < highest.value {
			found(o, highest)
		}
	}
}

func (c *checker) placesOf(all map[place][]observation) []place {
	var places []place
	for p := range all {
		places = append(places, p)
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.id, b.id), cmp.Compare(a.partition, b.partition))
	})
	return places
}

// open is a committed transaction's first record in a partition, and the moment until
// which the transaction was open for certain: the commit was not even asked for.
type open struct {
	offset, until int64
	txn           *txn
	write         int
	// last is, over all with this offset or a lower one, the one open longest.
	last int
}

// openTxns finds read_committed positions, and last stable offsets, beyond a record
// whose transaction was open at that time.
func (c *checker) openTxns() {
	all := map[place][]open{}
	for _, t := range c.order {
		if !t.committed() {
			continue // it may have been aborted before its client knew
		}
		first := map[place]open{}
		for _, w := range t.writes {
			e := &c.events[w]
			if o, ok := first[placeOf(e)]; e.Outcome == history.OK && (!ok || e.Offset < o.offset) {
				first[placeOf(e)] = open{offset: e.Offset, until: t.ended.Start, txn: t, write: w}
			}
		}
		for p, o := range first {
			all[p] = append(all[p], o)
		}
	}
	for p := range all {
		slices.SortFunc(all[p], func(a, b open) int { return cmp.Compare(a.offset, b.offset) })
		for i := range all[p] {
			all[p][i].last = i
			if i > 0 && all[p][all[p][i-1].last].until > all[p][i].until {
				all[p][i].last = all[p][i-1].last
			}
		}
	}
	for i := range c.events {
		c.beyondOpen(i, all[placeOf(&c.events[i])])
	}
}

// beyondOpen checks one event against the open transactions of its partition.
func (c *checker) beyondOpen(i int, transactions []open) {
	e := &c.events[i]
	bound, what := int64(-1), ""
	if e.Marks != nil {
		bound, what = e.Marks.LastStable, "the last stable offset"
	}
	if e.Op == history.Poll && e.Isolation == history.ReadCommitted && e.Next > bound {
		bound, what = e.Next, "a read_committed position"
	}
	if bound < 0 {
		return
	}
	// The last one whose first record lies below the bound.
	n, _ := slices.BinarySearchFunc(transactions, bound, func(o open, bound int64) int { return cmp.Compare(o.offset, bound) })
	if n == 0 {
		return
	}
	o := transactions[transactions[n-1].last]
	if e.End < o.until {
		c.anomaly(PastLastStable, fmt.Sprintf("%v: %s is %d, and %s with offset %d was open", placeOf(e), what, bound, o.txn.id, o.offset), o.write, i, o.txn.end)
	}
}
