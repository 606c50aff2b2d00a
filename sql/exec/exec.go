// Package exec runs plans: operators that pull batches of rows from those below them. Rows carry
// weights, +1 where nothing is said: operators work on changes, of which a bounded query has
// only insertions. It reads no topic itself and knows no clock: both are handed in.
package exec

import (
	"context"
	"fmt"

	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// Batch is a run of rows, one behind the other. It is valid until the next one is asked for,
// with all text in it: who keeps a value clones it.
type Batch struct {
	Width   int
	N       int
	Vals    []value.Value // N times Width
	Weights []int32       // of each row; nil: +1
}

// Row is one row of a batch.
func (b *Batch) Row(i int) []value.Value { return b.Vals[i*b.Width : (i+1)*b.Width : (i+1)*b.Width] }

// Weight is what a row counts.
func (b *Batch) Weight(i int) int64 {
	if b.Weights == nil {
		return 1
	}
	return int64(b.Weights[i])
}

// reset empties a batch for rows of a width and keeps its memory.
func (b *Batch) reset(width int) {
	b.Width, b.N, b.Vals, b.Weights = width, 0, b.Vals[:0], nil
}

// Add appends an empty row and returns it.
func (b *Batch) Add() []value.Value {
	n := len(b.Vals)
	for range b.Width {
		b.Vals = append(b.Vals, value.Value{})
	}
	b.N++
	return b.Vals[n:]
}

func (b *Batch) add(row []value.Value) {
	b.Vals = append(b.Vals, row...)
	b.N++
}

// Iter gives batches. Next returns nil after the last one.
type Iter interface {
	Next() (*Batch, error)
	Close()
}

// Source opens what a scan reads. The scan is as the plan has it, with its bounds.
type Source interface {
	Scan(q *Query, s *plan.Scan) (Iter, error)
}

// DefaultRows is how many rows a batch has.
const DefaultRows = 1024

// Query is one run of a plan.
type Query struct {
	Ctx    context.Context
	Shared *plan.Shared
	Mem    *Account
	Source Source
	Rows   int // of a batch
	// Yield lets others compute, between batches of a scan; nil: there are none.
	Yield func(ctx context.Context) error
}

// Open makes the operators of a plan. outer is the row around it, if it is a query within.
func (q *Query) Open(n plan.Node, outer *plan.Env) (Iter, error) {
	if q.Rows == 0 {
		q.Rows = DefaultRows
	}
	if q.Shared.Run == nil {
		q.Shared.Run = q.within
	}
	env := &plan.Env{Ctx: q.Ctx, Outer: outer, Shared: q.Shared}
	switch n := n.(type) {
	case *plan.Scan:
		return q.scan(n, nil, env)
	case *plan.Virtual:
		return &rowsIter{q: q, rows: n.Rows(), width: len(n.Cols)}, nil
	case *plan.Values:
		return &valuesIter{q: q, n: n, env: env}, nil
	case *plan.Filter:
		return q.filter(n, env)
	case *plan.Limit:
		return q.limit(n, env)
	case *plan.Join:
		return q.join(n, env)
	case *plan.SetOp:
		return q.setOp(n, env)
	case *plan.Series:
		return q.above(n.In, env, func(in Iter) Iter { return &seriesIter{q: q, in: in, n: n, env: env} })
	case *plan.Apply:
		return q.above(n.Left, env, func(in Iter) Iter { return &applyIter{q: q, in: in, n: n, env: env} })
	case *plan.Project:
		return q.above(n.In, env, func(in Iter) Iter { return &projectIter{q: q, in: in, n: n, env: env} })
	case *plan.Group:
		return q.above(n.In, env, func(in Iter) Iter { return newGroup(q, in, n, env) })
	case *plan.Sort:
		return q.above(n.In, env, func(in Iter) Iter { return &sortIter{q: q, in: in, n: n, env: env} })
	case *plan.Distinct:
		return q.above(n.In, env, func(in Iter) Iter { return &distinctIter{q: q, in: in, n: n, env: env} })
	case *plan.Window:
		return q.above(n.In, env, func(in Iter) Iter {
			if n.Kind == plan.Session {
				return &sessionIter{q: q, in: in, n: n, env: env}
			}
			return &hopIter{q: q, in: in, n: n, env: env}
		})
	case *plan.Over:
		return q.above(n.In, env, func(in Iter) Iter { return &overIter{q: q, in: in, n: n, env: env} })
	case *plan.Recent:
		return q.above(n.In, env, func(in Iter) Iter { return &recentIter{q: q, in: in, n: n, env: env} })
	case *plan.Stats:
		return &statsIter{q: q, n: n, env: env}, nil
	}
	return nil, fmt.Errorf("no operator for %T", n)
}

func (q *Query) above(n plan.Node, env *plan.Env, make func(Iter) Iter) (Iter, error) {
	in, err := q.Open(n, env.Outer)
	if err != nil {
		return nil, err
	}
	return make(in), nil
}

// scan opens a scan with bounds out of the conditions above it.
func (q *Query) scan(s *plan.Scan, conds plan.Expr, env *plan.Env) (Iter, error) {
	own := *s
	if conds != nil && !s.Latest {
		plan.Bounds(&own, plan.Conjuncts(conds), env)
	}
	return q.Source.Scan(q, &own)
}

// within runs a query within an expression.
func (q *Query) within(e *plan.Env, n plan.Node, limit int, keep bool) ([][]value.Value, error) {
	before := q.Mem.used
	it, err := q.Open(n, e)
	if err != nil {
		return nil, err
	}
	defer func() {
		it.Close()
		if !keep { // what its operators took, too
			q.Mem.Shrink(q.Mem.used - before)
		}
	}()
	var out [][]value.Value
	for {
		b, err := it.Next()
		if err != nil || b == nil {
			return out, err
		}
		for i := range b.N {
			row, size := cloned(b.Row(i))
			if err := q.Mem.Grow("subquery", size); err != nil {
				return nil, err
			}
			out = append(out, row)
			if len(out) == limit {
				return out, nil
			}
		}
	}
}

// cloned is a row that lives by itself, and its size.
func cloned(row []value.Value) ([]value.Value, int64) {
	out := make([]value.Value, len(row))
	size := int64(24)
	for i, v := range row {
		out[i] = v.Clone()
		size += v.Size()
	}
	return out, size
}

// stopped is the error of a query that was cancelled.
func (q *Query) stopped() error {
	select {
	case <-q.Ctx.Done():
		return context.Cause(q.Ctx)
	default:
		return nil
	}
}

// Account counts the memory of a query.
type Account struct {
	Limit   int64
	Setting string // whose limit it is
	Parent  interface {
		Take(n int64) error
		Give(n int64)
	}
	used, peak int64
}

// Grow takes memory for an operator, or fails with 53200.
func (a *Account) Grow(operator string, n int64) error {
	if a.used+n > a.Limit {
		return value.Errorf(value.OutOfMemory, "%s needs more than the %d bytes that a query may hold", operator, a.Limit).
			WithHint("raise %s, or ask for less: fewer groups, a shorter time", a.Setting)
	}
	if a.Parent != nil {
		if err := a.Parent.Take(n); err != nil {
			return err
		}
	}
	a.used += n
	a.peak = max(a.peak, a.used)
	return nil
}

// Shrink gives memory back.
func (a *Account) Shrink(n int64) {
	a.used -= n
	if a.Parent != nil {
		a.Parent.Give(n)
	}
}

// Release gives all back.
func (a *Account) Release() { a.Shrink(a.used) }

// Peak is the most that was held.
func (a *Account) Peak() int64 { return a.peak }
