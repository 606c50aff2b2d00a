package check

import "github.com/streamhouse/streamhouse/tests/history"

// Check judges a whole history. An error means that the history contradicts itself (its
// clients are broken, not the broker).
func Check(events []history.Event) (Verdict, error) {
	x, err := newIndex(events)
	if err != nil {
		return Verdict{}, err
	}
	c := &checker{index: x, verdict: Verdict{Found: map[Kind]int{}}}
	c.count()
	c.names()
	c.ordering()
	c.polls()
	c.positions()
	c.superseded()
	c.coverage()
	c.returned()
	c.openTxns()
	c.watermarks()
	c.commits()
	c.copies()
	c.cycles()
	return c.verdict, nil
}

// checker folds an index into a verdict.
type checker struct {
	*index
	verdict Verdict
	// readByCommitted are the records that some read_committed poll returned.
	readByCommitted map[record]bool
	// gone is from when on compaction may have taken a record out, noticed what the first
	// poll was that passed it without returning it, then.
	gone    map[record]int64
	noticed map[record]int
}

// anomaly notes one, with the events (by number) that show it.
func (c *checker) anomaly(kind Kind, summary string, evidence ...int) {
	c.verdict.Found[kind]++
	if c.verdict.Found[kind] <= maxPerKind {
		c.verdict.Anomalies = append(c.verdict.Anomalies, c.shown(kind, summary, evidence))
	}
}

// note is an anomaly that a correct broker may show.
func (c *checker) note(kind Kind, summary string, evidence ...int) {
	c.verdict.Found[kind]++
	if c.verdict.Found[kind] == 1 {
		c.verdict.Notes = append(c.verdict.Notes, c.shown(kind, summary, evidence))
	}
}

func (c *checker) shown(kind Kind, summary string, evidence []int) Anomaly {
	a := Anomaly{Kind: kind, Summary: summary}
	for _, i := range evidence {
		if i >= 0 {
			a.Events = append(a.Events, c.events[i])
		}
	}
	return a
}

func (c *checker) count() {
	n := &c.verdict.Counts
	for _, e := range c.events {
		switch e.Op {
		case history.Produce:
			tally(e.Outcome, &n.Acknowledged, &n.Refused, &n.Open)
		case history.Poll:
			if e.Isolation == history.ReadCommitted {
				n.ReadCommitted += len(e.Records)
			} else {
				n.Read += len(e.Records)
			}
			if e.Txn != "" {
				n.TxnReads++
			}
		case history.Commit:
			tally(e.Outcome, &n.Commits, new(int), new(int))
		case history.Committed:
			n.Answers++
		case history.Watermarks:
			n.Watermarks++
		case history.Fault:
			n.Faults++
		}
	}
	for _, t := range c.txns {
		switch {
		case t.committed():
			n.Committed++
		case t.mayCommit():
			n.Unresolved++
		default:
			n.Aborted++
		}
	}
}

func tally(o history.Outcome, ok, fail, unknown *int) {
	switch o {
	case history.OK:
		*ok++
	case history.Fail:
		*fail++
	default:
		*unknown++
	}
}
