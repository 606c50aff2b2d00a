package exec

import (
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// groupIter aggregates: all rows come in before the first goes out.
type groupIter struct {
	q      *Query
	in     Iter
	n      *plan.Group
	env    *plan.Env
	groups map[string]int // places in keys and accs
	keys   []value.Value
	accs   []acc
	count  int
	read   bool
	at     int
	buf    []byte
	row    []value.Value
	batch  Batch
}

func newGroup(q *Query, in Iter, n *plan.Group, env *plan.Env) *groupIter {
	return &groupIter{q: q, in: in, n: n, env: env, groups: map[string]int{}, row: make([]value.Value, len(n.Keys))}
}

func (g *groupIter) Next() (*Batch, error) {
	if !g.read {
		if err := g.readAll(); err != nil {
			return nil, err
		}
		g.read = true
	}
	if g.at >= g.count {
		return nil, nil
	}
	keys, aggs := len(g.n.Keys), len(g.n.Aggs)
	g.batch.reset(keys + aggs)
	for g.at < g.count && g.batch.N < g.q.Rows {
		row := g.batch.Add()
		copy(row, g.keys[g.at*keys:(g.at+1)*keys])
		for i := range g.n.Aggs {
			v, err := g.accs[g.at*aggs+i].result(&g.n.Aggs[i], g.env)
			if err != nil {
				return nil, err
			}
			row[keys+i] = v
		}
		g.at++
	}
	return &g.batch, g.q.stopped()
}

func (g *groupIter) readAll() error {
	for {
		b, err := g.in.Next()
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		for i := range b.N {
			if err := g.take(b.Row(i), b.Weight(i)); err != nil {
				return err
			}
		}
		if err := g.q.stopped(); err != nil {
			return err
		}
	}
	if len(g.n.Keys) == 0 && g.count == 0 { // nothing still is one group
		return g.add(nil)
	}
	return nil
}

// take adds a row to its group.
func (g *groupIter) take(row []value.Value, weight int64) error {
	g.env.Row = row
	key := g.buf[:0]
	for i, k := range g.n.Keys {
		g.row[i] = k.Eval(g.env)
		key = g.row[i].Key(key)
	}
	g.buf = key
	at, ok := g.groups[string(key)]
	if !ok {
		at = g.count
		if err := g.add(key); err != nil {
			return err
		}
	}
	aggs := len(g.n.Aggs)
	for i := range g.n.Aggs {
		if err := g.accs[at*aggs+i].add(g.q, &g.n.Aggs[i], g.env, weight); err != nil {
			return err
		}
	}
	return g.env.Err
}

// add makes a group of the key in row.
func (g *groupIter) add(key []byte) error {
	size := int64(len(key)) + 48 + int64(len(g.n.Aggs))*accSize
	for _, v := range g.row {
		size += v.Size()
	}
	if err := g.q.Mem.Grow("GROUP BY", size); err != nil {
		return err
	}
	g.groups[string(key)] = g.count
	g.count++
	for _, v := range g.row {
		g.keys = append(g.keys, v.Clone())
	}
	for range g.n.Aggs {
		g.accs = append(g.accs, acc{})
	}
	return nil
}

func (g *groupIter) Close() { g.in.Close() }
