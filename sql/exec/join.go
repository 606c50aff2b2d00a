package exec

import (
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// joinIter is a hash join: the right side is kept, the left one streams by. Without keys all
// rows of the right side are candidates.
type joinIter struct {
	q           *Query
	n           *plan.Join
	left, right Iter
	env         *plan.Env
	built       bool
	width       int // of the left side
	rows        [][]value.Value
	matched     []bool // of rows, where the right side's unmatched ones come out
	table       map[string][]int32
	all         []int32
	buf         []byte
	row         []value.Value
	batch       Batch
	in          *Batch
	at          int     // of the row of in
	todo        []int32 // candidates of that row not looked at yet
	hit         bool
	drained     bool
	rest        int // of rows, once the left side has ended
}

func (q *Query) join(n *plan.Join, env *plan.Env) (Iter, error) {
	l, err := q.Open(n.Left, env.Outer)
	if err != nil {
		return nil, err
	}
	r, err := q.Open(n.Right, env.Outer)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &joinIter{q: q, n: n, left: l, right: r, env: env, width: len(n.Left.Columns())}, nil
}

// build reads the right side. A key with NULL meets nobody.
func (j *joinIter) build() error {
	j.table = map[string][]int32{}
	for {
		b, err := j.right.Next()
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		for i := range b.N {
			row, size := cloned(b.Row(i))
			key, ok := j.key(row, j.n.RightKeys)
			if err := j.q.Mem.Grow("JOIN", size+int64(len(key))+24); err != nil {
				return err
			}
			at := int32(len(j.rows))
			j.rows = append(j.rows, row)
			if len(j.n.RightKeys) == 0 {
				j.all = append(j.all, at)
			} else if ok {
				j.table[string(key)] = append(j.table[string(key)], at)
			}
		}
		if err := j.q.stopped(); err != nil {
			return err
		}
	}
	if j.n.Kind == "RIGHT" || j.n.Kind == "FULL" {
		j.matched = make([]bool, len(j.rows))
	}
	j.row = make([]value.Value, j.width+len(j.n.Right.Columns()))
	return j.env.Err
}

func (j *joinIter) key(row []value.Value, keys []plan.Expr) ([]byte, bool) {
	j.env.Row = row
	b := j.buf[:0]
	for _, k := range keys {
		v := k.Eval(j.env)
		if v.IsNull() {
			return nil, false
		}
		b = v.Key(b)
	}
	j.buf = b
	return b, true
}

func (j *joinIter) Next() (*Batch, error) {
	if !j.built {
		if err := j.build(); err != nil {
			return nil, err
		}
		j.built = true
	}
	j.batch.reset(len(j.row))
	for j.batch.N < j.q.Rows {
		more, err := j.step()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if err := j.q.stopped(); err != nil { // one row may match a million
			return nil, err
		}
	}
	if j.batch.N == 0 {
		return nil, nil
	}
	return &j.batch, nil
}

// step looks at some candidates of the present row, or goes on to the next.
func (j *joinIter) step() (more bool, err error) {
	if j.drained {
		return j.unmatched()
	}
	if j.in == nil || j.at >= j.in.N {
		if j.in, err = j.left.Next(); err != nil {
			return false, err
		}
		if j.in == nil {
			j.drained = true
			return true, nil
		}
		j.at = -1
		j.advance()
		return true, j.env.Err
	}
	for looked := 0; len(j.todo) > 0; looked++ {
		if looked == 4*j.q.Rows || j.batch.N >= j.q.Rows {
			return true, nil
		}
		at := j.todo[0]
		j.todo = j.todo[1:]
		copy(j.row[j.width:], j.rows[at])
		if j.n.On != nil {
			j.env.Row = j.row
			ok := j.n.On.Eval(j.env).True()
			if j.env.Err != nil {
				return false, j.env.Err
			}
			if !ok {
				continue
			}
		}
		j.hit = true
		if j.matched != nil {
			j.matched[at] = true
		}
		j.batch.add(j.row)
	}
	if !j.hit && (j.n.Kind == "LEFT" || j.n.Kind == "FULL") {
		clear(j.row[j.width:])
		j.batch.add(j.row)
	}
	j.advance()
	return true, j.env.Err
}

// advance makes the next row of the left side the present one.
func (j *joinIter) advance() {
	j.at++
	j.hit = false
	if j.at >= j.in.N {
		if j.batch.N > 0 { // its text lies in this batch of the left side: it goes out first
			j.own()
		}
		return
	}
	row := j.in.Row(j.at)
	copy(j.row, row)
	if len(j.n.LeftKeys) == 0 {
		j.todo = j.all
		return
	}
	j.todo = nil
	if key, ok := j.key(row, j.n.LeftKeys); ok {
		j.todo = j.table[string(key)]
	}
}

// own copies the text of rows that wait while the left side goes on.
func (j *joinIter) own() {
	for i, v := range j.batch.Vals {
		if v.S != "" {
			j.batch.Vals[i] = v.Clone()
		}
	}
}

// unmatched gives the rows of the right side that met nobody.
func (j *joinIter) unmatched() (bool, error) {
	if j.matched == nil {
		return false, nil
	}
	for ; j.rest < len(j.rows); j.rest++ {
		if j.matched[j.rest] {
			continue
		}
		clear(j.row[:j.width])
		copy(j.row[j.width:], j.rows[j.rest])
		j.batch.add(j.row)
		j.rest++
		return true, nil
	}
	return false, nil
}

func (j *joinIter) Close() {
	j.left.Close()
	j.right.Close()
}

// applyIter runs the right side anew for each row.
type applyIter struct {
	q     *Query
	in    Iter
	n     *plan.Apply
	env   *plan.Env
	batch Batch
}

func (a *applyIter) Next() (*Batch, error) {
	for {
		b, err := a.in.Next()
		if b == nil || err != nil {
			return nil, err
		}
		right := len(a.n.Right.Columns())
		a.batch.reset(b.Width + right)
		for i := range b.N {
			row := b.Row(i)
			rows, err := a.q.within(&plan.Env{Ctx: a.q.Ctx, Row: row, Outer: a.env.Outer, Shared: a.q.Shared}, a.n.Right, 0, false)
			if err != nil {
				return nil, err
			}
			if len(rows) == 0 && a.n.Outer {
				rows = [][]value.Value{make([]value.Value, right)}
			}
			for _, r := range rows {
				out := a.batch.Add()
				copy(out, row)
				copy(out[b.Width:], r)
			}
		}
		if err := a.q.stopped(); err != nil {
			return nil, err
		}
		if a.batch.N > 0 {
			return &a.batch, nil
		}
	}
}

func (a *applyIter) Close() { a.in.Close() }
