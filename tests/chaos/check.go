package chaos

import (
	"fmt"
	"slices"
)

// partition names one partition of the run.
type partition struct {
	topic  string
	number int32
}

// record is who made a record, and which of theirs it is.
type record struct {
	producer string
	sequence int64
}

// Verdict is what a history shows.
type Verdict struct {
	Acknowledged int      // produce operations with outcome ok
	Unknown      int      // produce operations with outcome unknown
	Stored       int      // records that the final read found
	Reads        int      // records read while the load ran
	Commits      int      // acknowledged commits
	Asked        int      // answers to "what is committed?"
	Kills        int      //
	Violations   []string // what may never happen; the first of each kind's many
}

// maxPerKind bounds how many violations of one kind are spelled out.
const maxPerKind = 8

// checker folds a history into a Verdict.
type checker struct {
	verdict Verdict
	kinds   map[string]int
	stored  map[partition][]record // by offset
}

// Check judges a whole history. It expects that the final read saw every partition from
// offset 0 to its end, that topics are not compacted and nothing expired.
func Check(events []Event) Verdict {
	c := &checker{kinds: map[string]int{}, stored: map[partition][]record{}}
	for _, e := range events {
		if e.Op == OpFinal {
			c.store(e)
		}
	}
	c.checkStored()
	last := map[string]map[partition]int64{} // per reader: the offset it read last
	for _, e := range events {
		switch e.Op {
		case OpProduce:
			c.produced(e)
		case OpRead:
			c.read(e, last)
		case OpKill:
			c.verdict.Kills++
		}
	}
	c.checkCommits(events)
	for kind, n := range c.kinds {
		if n > maxPerKind {
			c.verdict.Violations = append(c.verdict.Violations, fmt.Sprintf("%s: %d times in all", kind, n))
		}
	}
	return c.verdict
}

func (c *checker) violation(kind, format string, args ...any) {
	c.kinds[kind]++
	if c.kinds[kind] <= maxPerKind {
		c.verdict.Violations = append(c.verdict.Violations, kind+": "+fmt.Sprintf(format, args...))
	}
}

// store notes a record of the final read. Offsets begin at 0 and have no holes.
func (c *checker) store(e Event) {
	p := partition{e.Topic, e.Partition}
	c.verdict.Stored++
	if e.Outcome == Corrupt {
		c.violation("corrupt", "%v offset %d: %s", p, e.Offset, e.Error)
	}
	if want := int64(len(c.stored[p])); e.Offset != want {
		c.violation("hole", "%v: offset %d after %d", p, e.Offset, want-1)
		for int64(len(c.stored[p])) < e.Offset {
			c.stored[p] = append(c.stored[p], record{})
		}
	}
	c.stored[p] = append(c.stored[p], record{e.Producer, e.Sequence})
}

// checkStored looks for records that are there twice or out of their producer's order.
func (c *checker) checkStored() {
	for p, records := range c.stored {
		latest := map[string]int64{}
		for offset, r := range records {
			before, known := latest[r.producer]
			switch {
			case !known || r.sequence > before:
				latest[r.producer] = r.sequence
			case r.sequence == before:
				c.violation("doubled", "%v offset %d: %v again", p, offset, r)
			default:
				c.violation("reordered or doubled", "%v offset %d: %v after %d", p, offset, r, before)
			}
		}
	}
}

// produced checks that an acknowledged record lies at its acknowledged offset.
func (c *checker) produced(e Event) {
	if e.Outcome != OK {
		c.verdict.Unknown++
		return
	}
	c.verdict.Acknowledged++
	want := record{e.Producer, e.Sequence}
	p := partition{e.Topic, e.Partition}
	switch got, ok := c.at(p, e.Offset); {
	case !ok:
		c.violation("lost", "%v offset %d: %v was acknowledged, the partition ends at %d", p, e.Offset, want, len(c.stored[p]))
	case got != want:
		c.violation("lost or renumbered", "%v offset %d: %v was acknowledged, %v is there", p, e.Offset, want, got)
	}
}

// read checks that what a consumer saw is what is there in the end, and that a reader
// never goes back.
func (c *checker) read(e Event, last map[string]map[partition]int64) {
	c.verdict.Reads++
	p := partition{e.Topic, e.Partition}
	if e.Outcome == Corrupt {
		c.violation("corrupt", "%v offset %d: %s", p, e.Offset, e.Error)
		return
	}
	saw := record{e.Producer, e.Sequence}
	if got, ok := c.at(p, e.Offset); !ok || got != saw {
		c.violation("two records at one offset", "%v offset %d: %s read %v, in the end it is %v", p, e.Offset, e.Client, saw, got)
	}
	if e.Group != "" {
		return // a group's member starts again at the committed offset
	}
	if last[e.Client] == nil {
		last[e.Client] = map[partition]int64{}
	}
	if before, ok := last[e.Client][p]; ok && e.Offset != before+1 {
		c.violation("reader jumped", "%v: %s read offset %d after %d", p, e.Client, e.Offset, before)
	}
	last[e.Client][p] = e.Offset
}

func (c *checker) at(p partition, offset int64) (record, bool) {
	records := c.stored[p]
	if offset < 0 || offset >= int64(len(records)) {
		return record{}, false
	}
	return records[offset], true
}

// committedKey is what an offset is committed for.
type committedKey struct {
	group string
	partition
}

// checkCommits checks each answer to "what is committed?": not below any commit that
// had been acknowledged, or any answer that had been given, when the question was
// asked; not above everything that had been tried when it was answered.
func (c *checker) checkCommits(events []Event) {
	byKey := map[committedKey][]Event{}
	for _, e := range events {
		if e.Op == OpCommit || e.Op == OpCommitted {
			k := committedKey{e.Group, partition{e.Topic, e.Partition}}
			byKey[k] = append(byKey[k], e)
		}
	}
	for k, list := range byKey {
		slices.SortStableFunc(list, func(a, b Event) int { return int(a.End - b.End) })
		c.checkKey(k, list)
	}
}

func (c *checker) checkKey(k committedKey, list []Event) {
	for _, e := range list {
		if e.Op == OpCommit && e.Outcome == OK {
			c.verdict.Commits++
		}
		if e.Op != OpCommitted || e.Outcome != OK {
			continue
		}
		c.verdict.Asked++
		floor, ceiling := int64(-1), int64(-1)
		for _, other := range list {
			certain := other.Outcome == OK && other.End < e.Start
			if certain && other.Offset > floor {
				floor = other.Offset
			}
			if other.Op == OpCommit && other.Start < e.End {
				ceiling = max(ceiling, other.Offset)
			}
		}
		if e.Offset < floor {
			c.violation("commit taken back", "%v: committed %d, %d was certain before", k, e.Offset, floor)
		}
		if e.Offset > ceiling {
			c.violation("commit made up", "%v: committed %d, at most %d was tried", k, e.Offset, ceiling)
		}
	}
}
