package check

import (
	"fmt"

	"github.com/streamhouse/streamhouse/tests/history"
)

// trail is one row of polls that follow one another.
type trail struct {
	client     string
	assignment int64
	place
}

// positions checks that each reader's polls follow one another without a gap, and that
// the records of each are in it and rise.
func (c *checker) positions() {
	last := map[trail]int{}
	for _, i := range c.polled {
		e := &c.events[i]
		k := trail{e.Client, e.Assignment, placeOf(e)}
		if before, ok := last[k]; ok && c.events[before].Next != e.Offset {
			c.anomaly(WentBack, fmt.Sprintf("%v: %s stood at %d and reads at %d", k.place, e.Client, c.events[before].Next, e.Offset), before, i)
		}
		last[k] = i
		previous := e.Offset - 1
		for _, r := range e.Records {
			if r.Offset <= previous || r.Offset >= e.Next {
				c.anomaly(WentBack, fmt.Sprintf("%v: %s read offset %d after %d, in a poll from %d to %d", k.place, e.Client, r.Offset, previous, e.Offset, e.Next), i)
				break
			}
			previous = r.Offset
		}
	}
}

// missing is a record that a poll passed without returning it.
type missing struct {
	sighting
	place
	offset int64
	poll   int
}

// coverage finds what readers passed and did not get though it had to be there.
func (c *checker) coverage() {
	seen := map[record]int{} // first poll that returned it
	for _, i := range c.polled {
		for _, r := range c.events[i].Records {
			what := record{r.Producer, r.Sequence}
			if _, ok := seen[what]; !ok && !what.marker() {
				seen[what] = i
			}
		}
	}
	first := map[record]missing{}
	var order []record
	passed := map[record]bool{}
	for _, i := range c.polled {
		c.passed(i, func(m missing) {
			if _, known := first[m.record]; !known && !c.compactedAway(m) && c.mustSee(m, seen) {
				first[m.record], order = m, append(order, m.record)
			}
		}, passed)
	}
	c.verdict.Counts.Covered = len(passed)
	torn := map[*txn]bool{}
	for _, what := range order {
		c.judgeMissing(first[what], seen, torn)
	}
}

// passed calls miss for each record within a poll's range that the poll did not return,
// and notes the acknowledged ones that it passed.
func (c *checker) passed(i int, miss func(missing), passed map[record]bool) {
	e := &c.events[i]
	p := placeOf(e)
	got := make(map[record]bool, len(e.Records))
	for _, r := range e.Records {
		got[record{r.Producer, r.Sequence}] = true
	}
	for _, offset := range c.within(p, max(e.Offset, c.trimmed[p]), e.Next) {
		for _, s := range c.at[p][offset] {
			if s.marker() {
				continue
			}
			if produce, ok := c.sent[s.record]; ok && c.events[produce].Outcome == history.OK {
				passed[s.record] = true
			}
			if !got[s.record] {
				miss(missing{s, p, offset, i})
			}
		}
	}
}

// mustSee says whether the reader had to see the record: it is certain that it is
// there, for readers of this isolation.
func (c *checker) mustSee(m missing, seen map[record]int) bool {
	produce, ok := c.sent[m.record]
	if !ok {
		return false // a phantom, which is reported as such
	}
	_, read := seen[m.record]
	there := read || c.events[produce].Outcome == history.OK
	if c.events[m.poll].Isolation == history.ReadUncommitted {
		return there
	}
	t := c.txnOf(m.record)
	return there && (t == nil || t.committed() || t.mayCommit() && t.read >= 0)
}

// judgeMissing names what is missing. A transaction of which a part was seen is torn,
// which says more than a lost record.
func (c *checker) judgeMissing(m missing, seen map[record]int, torn map[*txn]bool) {
	t := c.txnOf(m.record)
	by, read := seen[m.record]
	committedRead := c.events[m.poll].Isolation == history.ReadCommitted
	switch {
	case t != nil && committedRead && t.read >= 0 && !c.readCommittedly(m.record):
		if !torn[t] {
			c.anomaly(Torn, fmt.Sprintf("%s is committed in part: %v, at %v offset %d, is not", t.id, m.record, m.place, m.offset), t.end, t.read, c.sent[m.record], m.poll)
		}
		torn[t] = true
	case read && (!committedRead || t == nil || c.readCommittedly(m.record)):
		c.anomaly(Skipped, fmt.Sprintf("%v: %s passed offset %d without %v", m.place, c.events[m.poll].Client, m.offset, m.record), c.sent[m.record], by, m.poll)
	default:
		end := -1
		if t != nil {
			end = t.end
		}
		c.anomaly(Lost, fmt.Sprintf("%v: %v was acknowledged at offset %d, and is not there", m.place, m.record, m.offset), c.sent[m.record], end, m.poll)
	}
}

// readCommittedly says whether any read_committed poll returned a record.
func (c *checker) readCommittedly(what record) bool {
	if c.readByCommitted == nil {
		c.readByCommitted = map[record]bool{}
		for _, i := range c.polled {
			if e := &c.events[i]; e.Isolation == history.ReadCommitted {
				for _, r := range e.Records {
					c.readByCommitted[record{r.Producer, r.Sequence}] = true
				}
			}
		}
	}
	return c.readByCommitted[what]
}
