package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/tests/history"
)

// edge says that one transaction comes before another.
type edge struct {
	to  int
	why string
	// event shows it: the poll for a write-read edge, the later write for a write-write edge.
	event int
}

// graph is a dependency graph over transactions, by their number in index.order.
type graph [][]edge

// cycles looks for transactions that depend on one another. A write-read edge says that
// the second read, committedly, what the first wrote: a cycle of these alone is
// impossible, since each would have had to be committed before the other. A write-write
// edge says that the second's record lies behind the first's: Kafka does not isolate
// writes, so cycles with these are notes.
func (c *checker) cycles() {
	reads, writes := c.readEdges(), c.writeEdges()
	for _, cycle := range reads.cycles() {
		c.reportCycle(c.anomaly, WriteReadCycle, reads, cycle)
	}
	for _, cycle := range writes.cycles() {
		c.reportCycle(c.note, WriteCycle, writes, cycle)
	}
	both := make(graph, len(reads))
	for i := range both {
		both[i] = slices.Concat(reads[i], writes[i])
	}
	for _, cycle := range both.cycles() {
		if cycleHas(both, cycle, "reads") && cycleHas(both, cycle, "follows") {
			c.reportCycle(c.note, WriteAndReadLoop, both, cycle)
		}
	}
}

// counts says that a transaction took place, as far as anybody can tell.
func (t *txn) counts() bool { return t.committed() || t.mayCommit() && t.read >= 0 }

func (c *checker) numbers() map[*txn]int {
	numbers := map[*txn]int{}
	for n, t := range c.order {
		numbers[t] = n
	}
	return numbers
}

func (c *checker) readEdges() graph {
	g, numbers := make(graph, len(c.order)), c.numbers()
	for n, t := range c.order {
		if !t.counts() {
			continue
		}
		for _, i := range t.polls {
			e := &c.events[i]
			if e.Isolation != history.ReadCommitted {
				continue
			}
			for _, r := range e.Records {
				what := record{r.Producer, r.Sequence}
				if from := c.txnOf(what); !r.Control && from != nil && from != t && from.counts() {
					g.add(numbers[from], edge{n, fmt.Sprintf("reads %v of", what), i})
				}
			}
		}
	}
	return g
}

func (c *checker) writeEdges() graph {
	g, numbers := make(graph, len(c.order)), c.numbers()
	for _, p := range c.places() {
		last := -1
		for _, offset := range c.offsets[p] {
			s := c.at[p][offset][0]
			t := c.txnOf(s.record)
			if s.marker() || t == nil || !t.counts() {
				continue
			}
			if n := numbers[t]; n != last {
				if last >= 0 {
					g.add(last, edge{n, fmt.Sprintf("follows, at %v offset %d,", p, offset), c.sent[s.record]})
				}
				last = n
			}
		}
	}
	return g
}

// add keeps the first edge between two transactions.
func (g graph) add(from int, e edge) {
	if !slices.ContainsFunc(g[from], func(known edge) bool { return known.to == e.to }) {
		g[from] = append(g[from], e)
	}
}

func cycleHas(g graph, cycle []int, word string) bool {
	for i, n := range cycle {
		if strings.HasPrefix(g.between(n, cycle[(i+1)%len(cycle)]).why, word) {
			return true
		}
	}
	return false
}

// between is an edge that is known to be there.
func (g graph) between(from, to int) edge {
	return g[from][slices.IndexFunc(g[from], func(e edge) bool { return e.to == to })]
}

func (c *checker) reportCycle(report func(Kind, string, ...int), kind Kind, g graph, cycle []int) {
	var text strings.Builder
	var evidence []int
	for i, n := range cycle {
		e := g.between(n, cycle[(i+1)%len(cycle)])
		if i > 0 {
			text.WriteString("; ")
		}
		fmt.Fprintf(&text, "%s %s %s", c.order[e.to].id, e.why, c.order[n].id)
		evidence = append(evidence, e.event)
	}
	report(kind, text.String(), evidence...)
}
