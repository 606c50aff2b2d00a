package exec

import (
	"iter"
	"strings"

	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// seriesIter gives the rows of a function in FROM for each row.
type seriesIter struct {
	q     *Query
	in    Iter
	n     *plan.Series
	env   *plan.Env
	b     *Batch
	at    int
	next  func() ([2]value.Value, bool)
	stop  func()
	any   bool
	count int64
	batch Batch
}

func (s *seriesIter) Next() (*Batch, error) {
	width := len(s.n.Columns())
	s.batch.reset(width)
	for s.batch.N < s.q.Rows {
		if s.next == nil {
			more, err := s.start()
			if err != nil {
				return nil, err
			}
			if !more {
				break
			}
		}
		v, ok := s.next()
		if !ok && (s.any || !s.n.Outer) {
			s.end()
			if s.at >= s.b.N && s.batch.N > 0 {
				break // the rows' text lies in a batch that is about to change
			}
			continue
		}
		s.any = true
		s.count++
		row := s.batch.Add()
		n := copy(row, s.b.Row(s.at-1))
		if ok {
			n += copy(row[n:], v[:min(2, len(row)-n)])
		}
		if s.n.Ordinality && ok {
			row[len(row)-1] = value.OfInt(s.count)
		}
	}
	if err := s.q.stopped(); err != nil {
		return nil, err
	}
	if s.batch.N == 0 {
		return nil, nil
	}
	return &s.batch, nil
}

// start goes on to the next row.
func (s *seriesIter) start() (bool, error) {
	for s.b == nil || s.at >= s.b.N {
		var err error
		if s.b, err = s.in.Next(); s.b == nil || err != nil {
			return false, err
		}
		s.at = 0
	}
	s.env.Row = s.b.Row(s.at)
	s.at++
	args := make([]value.Value, len(s.n.Args))
	null := false
	for i, x := range s.n.Args {
		args[i] = x.Eval(s.env)
		null = null || args[i].IsNull()
	}
	if s.env.Err != nil {
		return false, s.env.Err
	}
	s.any, s.count = false, 0
	seq := func(func([2]value.Value) bool) {}
	if !null {
		var err error
		if seq, err = rowsOf(s.n.Name, args); err != nil {
			return false, err
		}
	}
	s.next, s.stop = iter.Pull(iter.Seq[[2]value.Value](seq))
	return true, nil
}

func (s *seriesIter) end() {
	if s.stop != nil {
		s.stop()
	}
	s.next, s.stop = nil, nil
}

func (s *seriesIter) Close() {
	s.end()
	s.in.Close()
}

// rowsOf are the rows that a function gives.
func rowsOf(name string, args []value.Value) (func(func([2]value.Value) bool), error) {
	text := strings.HasSuffix(name, "_text")
	raw := func(e string) value.Value {
		if text {
			v := value.FromJSON(e)
			if v.IsNull() || v.K == value.Text {
				return v
			}
			return value.OfText(v.String())
		}
		return value.OfJSON(e)
	}
	switch name {
	case "generate_series":
		return generate(args)
	case "unnest", "_pg_expandarray":
		return func(yield func([2]value.Value) bool) {
			n := int64(0)
			for v := range value.Elements(args[0].S) {
				if n++; !yield([2]value.Value{v, value.OfInt(n)}) {
					return
				}
			}
		}, nil
	case "json_each", "jsonb_each", "json_each_text", "jsonb_each_text":
		return func(yield func([2]value.Value) bool) {
			for k, e := range value.Fields(args[0].S) {
				if !yield([2]value.Value{value.OfText(k), raw(e)}) {
					return
				}
			}
		}, nil
	}
	return func(yield func([2]value.Value) bool) {
		for e := range value.RawElements(args[0].S) {
			if !yield([2]value.Value{raw(e)}) {
				return
			}
		}
	}, nil
}

func generate(args []value.Value) (func(func([2]value.Value) bool), error) {
	if args[0].K == value.Time || args[0].K == value.Date {
		step := value.OfInterval(0, 1, 0)
		if len(args) > 2 {
			step = args[2]
		}
		from, _ := value.Cast(args[0], value.TTimestamptz)
		to, _ := value.Cast(args[1], value.TTimestamptz)
		up := value.AddInterval(0, step, 1)
		if up == 0 {
			return nil, value.Errorf(value.InvalidParameter, "step size cannot equal zero")
		}
		return func(yield func([2]value.Value) bool) {
			for at := from.N; up > 0 && at <= to.N || up < 0 && at >= to.N; at = value.AddInterval(at, step, 1) {
				if !yield([2]value.Value{value.OfTime(at)}) {
					return
				}
			}
		}, nil
	}
	step := int64(1)
	if len(args) > 2 {
		step = args[2].N
	}
	if step == 0 {
		return nil, value.Errorf(value.InvalidParameter, "step size cannot equal zero")
	}
	return func(yield func([2]value.Value) bool) {
		for at := args[0].N; step > 0 && at <= args[1].N || step < 0 && at >= args[1].N; at += step {
			if !yield([2]value.Value{value.OfInt(at)}) {
				return
			}
			if step > 0 && at > args[1].N-step || step < 0 && at < args[1].N-step {
				return // the next one would be past the end, or past int8
			}
		}
	}, nil
}
