package check

import (
	"fmt"

	"github.com/streamhouse/streamhouse/tests/history"
)

// groupPlace is what an offset is committed for.
type groupPlace struct {
	group string
	place
}

// effect is a commit, and the times between which it took effect if it did.
type effect struct {
	offset      int64
	from, until int64
	certain     bool
	event       int
}

// commits checks each answer to "what is committed?": not below a commit or an answer
// that was certain when the question was asked, and one that somebody had committed.
func (c *checker) commits() {
	effects, answers := map[groupPlace][]effect{}, map[groupPlace][]int{}
	var keys []groupPlace
	for i := range c.events {
		e := &c.events[i]
		k := groupPlace{e.Group, placeOf(e)}
		switch e.Op {
		case history.Commit:
			if f, ok := c.effectOf(i, e); ok {
				effects[k] = append(effects[k], f)
			}
		case history.Committed:
			if answers[k] == nil {
				keys = append(keys, k)
			}
			answers[k] = append(answers[k], i)
		}
	}
	for _, k := range keys {
		c.answers(k, effects[k], answers[k])
	}
}

// effectOf says when a commit may have taken effect. One in a transaction does so after
// its end was asked for, at an unknown time: the end is acknowledged when it is
// decided, not when its markers are written (KIP-98).
func (c *checker) effectOf(i int, e *history.Event) (effect, bool) {
	if e.Outcome == history.Fail {
		return effect{}, false
	}
	f := effect{offset: e.Offset, from: e.Start, until: e.End, certain: e.Outcome == history.OK, event: i}
	if e.Txn == "" {
		return f, true
	}
	t := c.txns[e.Txn]
	if !t.mayCommit() {
		return effect{}, false
	}
	f.from, f.until = t.ended.Start, t.ended.End
	f.certain = f.certain && t.committed()
	return f, true
}

// answers judges the answers for one group and partition, given all effects. Those that
// did not ask for stable offsets may miss what a transaction has just committed. A
// commit that its client gave up may lie in a dead connection's buffer and take effect
// after a later one.
func (c *checker) answers(k groupPlace, effects []effect, answers []int) {
	earliest := map[int64]int64{-1: -1} // by offset: the first moment that explains an answer
	for _, f := range effects {
		if from, ok := earliest[f.offset]; !ok || f.from < from {
			earliest[f.offset] = f.from
		}
	}
	for _, i := range answers {
		e := &c.events[i]
		if from, ok := earliest[e.Offset]; !ok || from >= e.End {
			c.anomaly(CommitPhantom, fmt.Sprintf("group %s, %v: %d, which nobody had committed", k.group, k.place, e.Offset), i)
		}
	}
	late := map[int64]int64{} // by offset: since when a commit of unknown outcome may take effect
	for _, f := range effects {
		if from, ok := late[f.offset]; !f.certain && (!ok || f.from < from) {
			late[f.offset] = f.from
		}
	}
	for _, stable := range []bool{false, true} {
		below(c.certainties(effects, answers, stable), func(o, certain observation) {
			if from, ok := late[o.value]; ok && from < o.end {
				return
			}
			c.anomaly(CommitBack, fmt.Sprintf("group %s, %v: %d, after %d was certain", k.group, k.place, o.value, certain.value), certain.event, o.event)
		})
	}
}

// certainties are what is known of a committed offset, for judging the answers that
// asked for stable offsets or those that did not.
func (c *checker) certainties(effects []effect, answers []int, stable bool) []observation {
	var all []observation
	for _, f := range effects {
		if f.certain && (stable || c.events[f.event].Txn == "") {
			all = append(all, observation{f.from, f.until, f.offset, false, f.event})
		}
	}
	for _, i := range answers {
		e := &c.events[i]
		all = append(all, observation{e.Start, e.End, e.Offset, e.Stable == stable, i})
	}
	return all
}
