package exec

import (
	"container/heap"
	"slices"

	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// compareNulls orders values: NULL last, whichever way, unless told otherwise.
func compareNulls(a, b value.Value, desc, nullsFirst bool) int {
	switch {
	case a.IsNull() && b.IsNull():
		return 0
	case a.IsNull():
		if nullsFirst {
			return -1
		}
		return 1
	case b.IsNull():
		if nullsFirst {
			return 1
		}
		return -1
	}
	c := value.Compare(a, b)
	if desc {
		return -c
	}
	return c
}

// sorted is a row with its keys and its place among those that came.
type sorted struct {
	row, keys []value.Value
	at        int64
	size      int64
}

// sortIter orders rows; with a limit it keeps no more than that.
type sortIter struct {
	q     *Query
	in    Iter
	n     *plan.Sort
	env   *plan.Env
	rows  []sorted
	read  bool
	at    int
	batch Batch
	keys  []value.Value
}

func (s *sortIter) compare(a, b *sorted) int {
	for i, k := range s.n.Keys {
		if c := compareNulls(a.keys[i], b.keys[i], k.Desc, k.NullsFirst); c != 0 {
			return c
		}
	}
	if a.at < b.at {
		return -1
	}
	return 1
}

// Len, Less, Swap, Push and Pop make a heap whose top is the last row.
func (s *sortIter) Len() int           { return len(s.rows) }
func (s *sortIter) Less(i, j int) bool { return s.compare(&s.rows[i], &s.rows[j]) > 0 }
func (s *sortIter) Swap(i, j int)      { s.rows[i], s.rows[j] = s.rows[j], s.rows[i] }

// Push appends a row.
func (s *sortIter) Push(x any) { s.rows = append(s.rows, x.(sorted)) }

// Pop is not used: the top is replaced.
func (s *sortIter) Pop() any { return nil }

func (s *sortIter) readAll() error {
	s.keys = make([]value.Value, len(s.n.Keys))
	for n := int64(0); ; {
		b, err := s.in.Next()
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		for i := range b.N {
			n++
			if err := s.take(b.Row(i), n); err != nil {
				return err
			}
		}
		if err := s.q.stopped(); err != nil {
			return err
		}
	}
	slices.SortFunc(s.rows, func(a, b sorted) int { return s.compare(&a, &b) })
	return s.q.stopped()
}

func (s *sortIter) take(row []value.Value, n int64) error {
	s.env.Row = row
	for i, k := range s.n.Keys {
		s.keys[i] = k.X.Eval(s.env)
	}
	if s.env.Err != nil {
		return s.env.Err
	}
	full := s.n.Limit > 0 && int64(len(s.rows)) >= s.n.Limit
	if full {
		probe := sorted{keys: s.keys, at: n}
		if s.compare(&probe, &s.rows[0]) > 0 {
			return nil
		}
	}
	next := sorted{at: n, size: 96}
	next.row, next.size = cloned(row)
	next.keys = make([]value.Value, len(s.keys))
	for i, v := range s.keys {
		next.keys[i] = v.Clone()
		next.size += v.Size()
	}
	if full {
		s.q.Mem.Shrink(s.rows[0].size)
		s.rows[0] = next
		heap.Fix(s, 0)
	} else if s.n.Limit > 0 {
		heap.Push(s, next)
	} else {
		s.rows = append(s.rows, next)
	}
	return s.q.Mem.Grow("ORDER BY", next.size)
}

func (s *sortIter) Next() (*Batch, error) {
	if !s.read {
		if err := s.readAll(); err != nil {
			return nil, err
		}
		s.read = true
	}
	if s.at >= len(s.rows) {
		return nil, nil
	}
	s.batch.reset(len(s.rows[s.at].row))
	for s.at < len(s.rows) && s.batch.N < s.q.Rows {
		s.batch.add(s.rows[s.at].row)
		s.q.Mem.Shrink(s.rows[s.at].size)
		s.rows[s.at] = sorted{}
		s.at++
	}
	return &s.batch, s.q.stopped()
}

func (s *sortIter) Close() { s.in.Close() }
