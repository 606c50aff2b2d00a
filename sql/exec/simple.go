package exec

import (
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// rowsIter gives rows that are there.
type rowsIter struct {
	q     *Query
	rows  [][]value.Value
	width int
	batch Batch
}

func (r *rowsIter) Next() (*Batch, error) {
	if len(r.rows) == 0 {
		return nil, r.q.stopped()
	}
	r.batch.reset(r.width)
	for len(r.rows) > 0 && r.batch.N < r.q.Rows {
		r.batch.add(r.rows[0])
		r.rows = r.rows[1:]
	}
	return &r.batch, r.q.stopped()
}

func (r *rowsIter) Close() {}

type valuesIter struct {
	q     *Query
	n     *plan.Values
	env   *plan.Env
	at    int
	batch Batch
}

func (v *valuesIter) Next() (*Batch, error) {
	if v.at >= len(v.n.Rows) {
		return nil, nil
	}
	v.batch.reset(len(v.n.Cols))
	for v.at < len(v.n.Rows) && v.batch.N < v.q.Rows {
		row := v.batch.Add()
		for i, x := range v.n.Rows[v.at] {
			row[i] = x.Eval(v.env)
		}
		v.at++
	}
	return &v.batch, v.env.Err
}

func (v *valuesIter) Close() {}

// filterIter lets rows through by moving them together within the batch.
type filterIter struct {
	q    *Query
	in   Iter
	cond plan.Expr
	env  *plan.Env
}

func (q *Query) filter(n *plan.Filter, env *plan.Env) (Iter, error) {
	var in Iter
	var err error
	if s, ok := n.In.(*plan.Scan); ok {
		in, err = q.scan(s, n.Cond, env)
	} else {
		in, err = q.Open(n.In, env.Outer)
	}
	if err != nil {
		return nil, err
	}
	return &filterIter{q, in, n.Cond, env}, nil
}

func (f *filterIter) Next() (*Batch, error) {
	for {
		b, err := f.in.Next()
		if b == nil || err != nil {
			return nil, err
		}
		n := 0
		for i := range b.N {
			f.env.Row = b.Row(i)
			if !f.cond.Eval(f.env).True() {
				if f.env.Err != nil {
					return nil, f.env.Err
				}
				continue
			}
			if n != i {
				copy(b.Row(n), f.env.Row)
				if b.Weights != nil {
					b.Weights[n] = b.Weights[i]
				}
			}
			n++
		}
		b.N, b.Vals = n, b.Vals[:n*b.Width]
		if err := f.q.stopped(); err != nil {
			return nil, err
		}
		if n > 0 {
			return b, f.env.Err
		}
	}
}

func (f *filterIter) Close() { f.in.Close() }

type projectIter struct {
	q     *Query
	in    Iter
	n     *plan.Project
	env   *plan.Env
	batch Batch
}

func (p *projectIter) Next() (*Batch, error) {
	b, err := p.in.Next()
	if b == nil || err != nil {
		return nil, err
	}
	p.batch.reset(len(p.n.Exprs))
	p.batch.Weights = b.Weights
	for i := range b.N {
		p.env.Row = b.Row(i)
		row := p.batch.Add()
		for j, x := range p.n.Exprs {
			row[j] = x.Eval(p.env)
		}
		if p.env.Err != nil {
			return nil, p.env.Err
		}
	}
	return &p.batch, p.q.stopped()
}

func (p *projectIter) Close() { p.in.Close() }

type limitIter struct {
	in         Iter
	skip, left int64 // left below zero: no bound
	batch      Batch
}

func (q *Query) limit(n *plan.Limit, env *plan.Env) (Iter, error) {
	l := &limitIter{left: -1}
	for _, e := range []struct {
		x    plan.Expr
		to   *int64
		what string
	}{{n.Count, &l.left, "LIMIT"}, {n.Skip, &l.skip, "OFFSET"}} {
		if e.x == nil {
			continue
		}
		v := e.x.Eval(env)
		if env.Err != nil {
			return nil, env.Err
		}
		if v.IsNull() {
			continue
		}
		if v.N < 0 {
			return nil, value.Errorf("2201W", "%s must not be negative", e.what)
		}
		*e.to = v.N
	}
	var err error
	l.in, err = q.Open(n.In, env.Outer)
	return l, err
}

func (l *limitIter) Next() (*Batch, error) {
	for l.left != 0 {
		b, err := l.in.Next()
		if b == nil || err != nil {
			return nil, err
		}
		from := min(l.skip, int64(b.N))
		l.skip -= from
		to := int64(b.N)
		if l.left >= 0 {
			to = min(to, from+l.left)
			l.left -= to - from
		}
		if from == to {
			continue
		}
		l.batch = Batch{Width: b.Width, N: int(to - from), Vals: b.Vals[from*int64(b.Width) : to*int64(b.Width)]}
		if b.Weights != nil {
			l.batch.Weights = b.Weights[from:to]
		}
		return &l.batch, nil
	}
	return nil, nil
}

func (l *limitIter) Close() { l.in.Close() }

// seen is a set of keys of rows.
type seen struct {
	q    *Query
	what string
	keys map[string]struct{}
	buf  []byte
}

// key is the key of values.
func rowKey(buf []byte, row []value.Value) []byte {
	for _, v := range row {
		buf = v.Key(buf)
	}
	return buf
}

// add says whether a key is new.
func (s *seen) add(key []byte) (bool, error) {
	if _, ok := s.keys[string(key)]; ok {
		return false, nil
	}
	if s.keys == nil {
		s.keys = map[string]struct{}{}
	}
	if err := s.q.Mem.Grow(s.what, int64(len(key))+48); err != nil {
		return false, err
	}
	s.keys[string(key)] = struct{}{}
	return true, nil
}

type distinctIter struct {
	q    *Query
	in   Iter
	n    *plan.Distinct
	env  *plan.Env
	seen seen
}

func (d *distinctIter) Next() (*Batch, error) {
	d.seen.q, d.seen.what = d.q, "DISTINCT"
	for {
		b, err := d.in.Next()
		if b == nil || err != nil {
			return nil, err
		}
		n := 0
		for i := range b.N {
			row := b.Row(i)
			key := d.seen.buf[:0]
			if len(d.n.On) == 0 {
				key = rowKey(key, row)
			} else {
				d.env.Row = row
				for _, x := range d.n.On {
					key = x.Eval(d.env).Key(key)
				}
			}
			d.seen.buf = key
			fresh, err := d.seen.add(key)
			if err != nil {
				return nil, err
			}
			if fresh {
				copy(b.Row(n), row)
				n++
			}
		}
		b.N, b.Vals, b.Weights = n, b.Vals[:n*b.Width], nil
		if n > 0 {
			return b, d.env.Err
		}
	}
}

func (d *distinctIter) Close() { d.in.Close() }

// setIter is UNION, INTERSECT and EXCEPT.
type setIter struct {
	q           *Query
	n           *plan.SetOp
	left, right Iter
	counts      map[string]int64 // of the right side's rows
	counted     bool
	done        bool // the left side, of a union
	seen        seen
	buf         []byte
}

func (q *Query) setOp(n *plan.SetOp, env *plan.Env) (Iter, error) {
	l, err := q.Open(n.Left, env.Outer)
	if err != nil {
		return nil, err
	}
	r, err := q.Open(n.Right, env.Outer)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &setIter{q: q, n: n, left: l, right: r, seen: seen{q: q, what: n.Op}}, nil
}

func (s *setIter) Next() (*Batch, error) {
	if s.n.Op != "UNION" && !s.counted {
		if err := s.count(); err != nil {
			return nil, err
		}
	}
	for {
		in := s.left
		if s.done {
			in = s.right
		}
		b, err := in.Next()
		if err != nil {
			return nil, err
		}
		if b == nil {
			if s.n.Op != "UNION" || s.done {
				return nil, nil
			}
			s.done = true
			continue
		}
		n := 0
		for i := range b.N {
			row := b.Row(i)
			keep, err := s.keeps(row)
			if err != nil {
				return nil, err
			}
			if keep {
				copy(b.Row(n), row)
				n++
			}
		}
		b.N, b.Vals, b.Weights = n, b.Vals[:n*b.Width], nil
		if n > 0 {
			return b, s.q.stopped()
		}
	}
}

func (s *setIter) keeps(row []value.Value) (bool, error) {
	if s.n.Op == "UNION" && s.n.All {
		return true, nil
	}
	s.buf = rowKey(s.buf[:0], row)
	if s.n.Op != "UNION" {
		have := s.counts[string(s.buf)]
		if s.n.All && have > 0 { // each row of the right side meets one of the left
			s.counts[string(s.buf)] = have - 1
		}
		if (s.n.Op == "INTERSECT") != (have > 0) {
			return false, nil
		}
		if s.n.All {
			return true, nil
		}
	}
	return s.seen.add(s.buf)
}

// count reads the right side. EXCEPT ALL takes away as many rows as it has.
func (s *setIter) count() error {
	s.counts, s.counted = map[string]int64{}, true
	for {
		b, err := s.right.Next()
		if b == nil || err != nil {
			return err
		}
		for i := range b.N {
			s.buf = rowKey(s.buf[:0], b.Row(i))
			n, ok := s.counts[string(s.buf)]
			if !ok {
				if err := s.q.Mem.Grow(s.n.Op, int64(len(s.buf))+56); err != nil {
					return err
				}
			}
			s.counts[string(s.buf)] = n + 1
		}
		if err := s.q.stopped(); err != nil {
			return err
		}
	}
}

func (s *setIter) Close() {
	s.left.Close()
	s.right.Close()
}
