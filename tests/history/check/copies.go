package check

import (
	"fmt"

	"github.com/streamhouse/streamhouse/tests/history"
)

// copies checks exactly-once processing: records that a group makes from others, within
// transactions that commit the group's offsets as well. Of each source there is at most
// one visible copy, and exactly one once the group's offset is behind it.
func (c *checker) copies() {
	made := map[history.Source]int{} // source -> produce of a visible copy
	groups := map[string]bool{}
	for i := range c.events {
		e := &c.events[i]
		if e.Op != history.Produce || e.Source == nil {
			continue
		}
		groups[e.Source.Group] = true
		if !c.visible(i) {
			continue
		}
		if first, twice := made[*e.Source]; twice {
			c.anomaly(CopiedTwice, fmt.Sprintf("group %s made two records from %s-%d offset %d", e.Source.Group, e.Source.Topic, e.Source.Partition, e.Source.Offset), first, i)
			continue
		}
		made[*e.Source] = i
	}
	c.verdict.Counts.Copied = len(made)
	for group := range groups {
		c.uncopied(group, made)
	}
}

// visible says that a record is certainly there for read_committed.
func (c *checker) visible(produce int) bool {
	e := &c.events[produce]
	t := c.txns[e.Txn]
	if c.readCommittedly(record{e.Producer, e.Sequence}) {
		return true
	}
	return e.Outcome == history.OK && (t == nil || t.committed())
}

// uncopied looks for source records below a committed offset of the group from which
// nothing was made. A copy of unknown outcome may be there all the same.
func (c *checker) uncopied(group string, made map[history.Source]int) {
	behind := map[place]int{} // the answer with the largest offset
	for i := range c.events {
		e := &c.events[i]
		if e.Op != history.Committed || e.Group != group {
			continue
		}
		if j, ok := behind[placeOf(e)]; !ok || c.events[j].Offset < e.Offset {
			behind[placeOf(e)] = i
		}
	}
	open := map[history.Source]bool{}
	for i := range c.events {
		if e := &c.events[i]; e.Op == history.Produce && e.Source != nil && (e.Txn == "" || c.txns[e.Txn].mayCommit()) {
			open[*e.Source] = true
		}
	}
	for p, answer := range behind {
		for _, offset := range c.within(p, c.trimmed[p], c.events[answer].Offset) {
			source := history.Source{Group: group, Topic: p.topic, TopicID: p.id, Partition: p.partition, Offset: offset}
			s := c.at[p][offset][0]
			if produce, ok := c.sent[s.record]; !ok || !c.visible(produce) || open[source] {
				continue
			}
			if _, ok := made[source]; !ok {
				c.anomaly(NotCopied, fmt.Sprintf("group %s is behind %v offset %d and made nothing from it", group, p, offset), s.event, answer)
			}
		}
	}
}
