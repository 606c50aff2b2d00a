package check

import (
	"fmt"
	"math"

	"github.com/streamhouse/streamhouse/tests/history"
)

// never is later than any event.
const never = math.MaxInt64

// version is a key in a partition of a compacted topic.
type version struct {
	place
	key string
}

// rivals are, of one key, what may have superseded a record: from when on, in ns.
type rivals struct {
	certain  int64 // a record that is, or was, behind it
	possible int64 // one of unknown effect, which must have been superseded itself if it was there
	expired  int64 // a tombstone of unknown effect, which may have gone with what it superseded
}

func (c *checker) retention(p place) (ns int64, compacted bool) {
	ns, compacted = c.compacted[place{topic: p.topic, id: p.id}]
	return ns, compacted
}

// superseded notes for each record of a compacted topic from when on it may be gone: a
// later version of its key was there and not aborted, it was aborted itself, or it is a
// tombstone and has had its time. The latest version that counts is never gone.
func (c *checker) superseded() {
	c.gone, c.noticed = map[record]int64{}, map[record]int{}
	all := c.unsighted()
	for _, p := range c.places() {
		if _, compacted := c.retention(p); !compacted {
			continue
		}
		for n := len(c.offsets[p]) - 1; n >= 0; n-- {
			said := c.at[p][c.offsets[p][n]]
			for _, s := range said {
				if i, ok := c.sent[s.record]; ok {
					c.gone[s.record] = c.goneFrom(i, rivalsOf(all, versionOf(&c.events[i])))
				}
			}
			for _, s := range said {
				if i, ok := c.sent[s.record]; ok {
					v := versionOf(&c.events[i])
					all[v] = c.outdone(rivalsOf(all, v), i)
				}
			}
		}
	}
}

func versionOf(e *history.Event) version { return version{placeOf(e), e.Key} }

func rivalsOf(all map[version]rivals, v version) rivals {
	if r, ok := all[v]; ok {
		return r
	}
	return rivals{never, never, never}
}

// unsighted are the rivals that nobody has seen anywhere: they may lie behind any record
// of their key.
func (c *checker) unsighted() map[version]rivals {
	sighted := map[record]bool{}
	for _, at := range c.at {
		for _, said := range at {
			for _, s := range said {
				sighted[s.record] = true
			}
		}
	}
	all := map[version]rivals{}
	for what, i := range c.sent {
		e := &c.events[i]
		if _, compacted := c.retention(placeOf(e)); compacted && !sighted[what] && e.Outcome == history.Unknown {
			v := versionOf(e)
			all[v] = c.maybe(rivalsOf(all, v), i)
		}
	}
	return all
}

// outdone adds a record with a known offset to the rivals of those before it.
func (c *checker) outdone(r rivals, produce int) rivals {
	if !c.counts(produce) {
		return c.maybe(r, produce)
	}
	r.certain = min(r.certain, c.effective(produce))
	return r
}

// maybe adds one that may not be there, or not count.
func (c *checker) maybe(r rivals, produce int) rivals {
	e := &c.events[produce]
	at := c.effective(produce)
	r.possible = min(r.possible, at)
	if retention, _ := c.retention(placeOf(e)); e.Tombstone && at != never {
		r.expired = min(r.expired, at+retention)
	}
	return r
}

// counts says that a record whose offset is known takes the place of earlier ones.
func (c *checker) counts(produce int) bool {
	t := c.txns[c.events[produce].Txn]
	return t == nil || t.counts()
}

// effective is the first moment at which a record can have superseded another: compaction
// stays below open transactions.
func (c *checker) effective(produce int) int64 {
	e := &c.events[produce]
	t := c.txns[e.Txn]
	switch {
	case t == nil:
		return e.Start
	case t.mayCommit():
		return max(e.Start, t.ended.Start)
	}
	return never
}

// goneFrom is the first moment at which a record may be gone.
func (c *checker) goneFrom(produce int, r rivals) int64 {
	e := &c.events[produce]
	from := min(r.certain, r.expired)
	if r.certain != never {
		from = min(from, r.possible)
	}
	if retention, _ := c.retention(placeOf(e)); e.Tombstone && c.effective(produce) != never {
		from = min(from, c.effective(produce)+retention)
	}
	if !c.counts(produce) {
		// Aborted, perhaps long before its client knew.
		from = min(from, c.events[c.txns[e.Txn].begin].Start)
	}
	return from
}

// compactedAway says whether a record that a poll passed may have been gone, and takes
// note of it.
func (c *checker) compactedAway(m missing) bool {
	from, ok := c.gone[m.record]
	poll := &c.events[m.poll]
	if !ok || poll.End < from {
		return false
	}
	if poll.Isolation == history.ReadCommitted && !c.counts(c.sent[m.record]) {
		return true // which need not be compaction's doing
	}
	if first, known := c.noticed[m.record]; !known || poll.End < c.events[first].End {
		c.noticed[m.record] = m.poll
	}
	return true
}

// returned finds records that were read after readers had noticed that they, or a later
// version of their key, were taken out: old versions go first. It counts what was taken
// out, and the reads from the beginning after that.
func (c *checker) returned() {
	c.verdict.Counts.Removed = len(c.noticed)
	first := map[place]int64{}
	bar := map[record]int{} // the poll that ended first of those that noticed
	for _, p := range c.places() {
		if _, compacted := c.retention(p); compacted {
			first[p] = c.bars(p, bar)
		}
	}
	for _, i := range c.polled {
		e := &c.events[i]
		at, compacted := first[placeOf(e)]
		if !compacted {
			continue
		}
		if e.Offset == 0 && len(e.Records) > 0 && e.Start > at {
			c.verdict.Counts.Rereads++
		}
		for _, r := range e.Records {
			what := record{r.Producer, r.Sequence}
			if noticed, ok := bar[what]; ok && c.events[noticed].End < e.Start {
				c.anomaly(CameBack, fmt.Sprintf("%v offset %d: %v of key %q is read, and was gone, or a later version was", placeOf(e), r.Offset, what, r.Key),
					c.sent[what], noticed, i)
			}
		}
	}
}

// bars puts into bar, for each record of a partition, the first poll to notice that it or
// a later version that counts is gone, and returns when the first of all ended.
func (c *checker) bars(p place, bar map[record]int) (first int64) {
	first = never
	keys := map[string]int{}
	for n := len(c.offsets[p]) - 1; n >= 0; n-- {
		for _, s := range c.at[p][c.offsets[p][n]] {
			i, ok := c.sent[s.record]
			if !ok {
				continue
			}
			key := c.events[i].Key
			by, known := keys[key]
			if own, ok := c.noticed[s.record]; ok {
				first = min(first, c.events[own].End)
				if !known || c.events[own].End < c.events[by].End {
					by, known = own, true
				}
				if c.counts(i) {
					keys[key] = by
				}
			}
			if known {
				bar[s.record] = by
			}
		}
	}
	return first
}
