package check

import (
	"fmt"

	"github.com/streamhouse/streamhouse/tests/history"
)

// names finds offsets that named two records, and records that lay at two offsets.
func (c *checker) names() {
	type home struct {
		place
		offset int64
		event  int
	}
	homes := map[record]home{}
	for _, p := range c.places() {
		for _, offset := range c.offsets[p] {
			said := c.at[p][offset]
			if len(said) > 1 {
				c.anomaly(TwoRecords, fmt.Sprintf("%v offset %d is %v, and it is %v", p, offset, said[0].record, said[1].record), said[0].event, said[1].event)
			}
			for _, s := range said {
				if s.marker() {
					continue
				}
				first, known := homes[s.record]
				if !known {
					homes[s.record] = home{p, offset, s.event}
					continue
				}
				if i, ok := c.sent[s.record]; !ok || c.events[i].Delivery != history.Retried {
					c.anomaly(Duplicated, fmt.Sprintf("%v is at %v offset %d and at %v offset %d", s.record, first.place, first.offset, p, offset), first.event, s.event)
				}
			}
		}
	}
}

// ordering finds records of one producer whose order in a partition is not that of their
// sending. A record of unknown outcome may arrive late, after its producer has given it
// up and gone on, under another producer id where it has one.
func (c *checker) ordering() {
	for _, p := range c.places() {
		latest := map[string]sighting{}
		for _, offset := range c.offsets[p] {
			for _, s := range c.at[p][offset] {
				i, ok := c.sent[s.record]
				if !ok || !c.ordered(i) {
					continue
				}
				before, known := latest[s.producer]
				if known && before.sequence > s.sequence {
					c.anomaly(Reordered, fmt.Sprintf("%v offset %d: %v lies behind %v", p, offset, s.record, before.record), i, c.sent[before.record], before.event, s.event)
					continue
				}
				latest[s.producer] = s
			}
		}
	}
}

func (c *checker) ordered(produce int) bool {
	e := &c.events[produce]
	return e.Delivery != history.Retried && e.Outcome == history.OK
}

// polls judges every record that was read by itself: was it sent, there, before, and
// may this reader see it?
func (c *checker) polls() {
	for _, i := range c.polled {
		e := &c.events[i]
		for _, r := range e.Records {
			if r.Corrupt != "" {
				c.anomaly(Corrupt, fmt.Sprintf("%v offset %d: %s", placeOf(e), r.Offset, r.Corrupt), i)
			} else if !r.Control {
				c.readRecord(i, e, r)
			}
		}
	}
}

func (c *checker) readRecord(i int, e *history.Event, r history.Record) {
	what := record{r.Producer, r.Sequence}
	produce, ok := c.sent[what]
	if !ok {
		c.anomaly(Phantom, fmt.Sprintf("%v offset %d: nobody sent %v", placeOf(e), r.Offset, what), i)
		return
	}
	sent := &c.events[produce]
	switch {
	case placeOf(sent) != placeOf(e):
		c.anomaly(Phantom, fmt.Sprintf("%v was sent to %v and read in %v", what, placeOf(sent), placeOf(e)), produce, i)
	case e.End < sent.Start:
		c.anomaly(Phantom, fmt.Sprintf("%v was read before it was sent", what), i, produce)
	case sent.Key != r.Key || sent.Tombstone != r.Tombstone:
		c.anomaly(Corrupt, fmt.Sprintf("%v offset %d: %v has key %q, tombstone %t", placeOf(e), r.Offset, what, r.Key, r.Tombstone), produce, i)
	case sent.Outcome == history.Fail:
		c.anomaly(FailedRead, fmt.Sprintf("%v offset %d: %v was refused", placeOf(e), r.Offset, what), produce, i)
	}
	if t := c.txns[sent.Txn]; t != nil && e.Isolation == history.ReadCommitted {
		c.readCommitted(i, e, what, t)
	}
}

// readCommitted judges a record of a transaction that a read_committed reader saw.
func (c *checker) readCommitted(i int, e *history.Event, what record, t *txn) {
	switch {
	case !t.mayCommit():
		c.anomaly(AbortedRead, fmt.Sprintf("%v of %s, which was never committed", what, t.id), c.sent[what], t.end, i)
	case e.End < t.ended.Start:
		c.anomaly(EarlyRead, fmt.Sprintf("%v of %s, %.1f ms before its commit", what, t.id, float64(t.ended.Start-e.End)/1e6), c.sent[what], i, t.end)
	case t.read < 0:
		t.read = i
	}
}
