package exec

import (
	"math"
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// noTime is why rows are in no window.
const noTime = "rows without a time are in no window"

func dropped(e *plan.Env) {
	if e.Dropped == nil {
		e.Dropped = map[string]int64{}
	}
	e.Dropped[noTime]++
}

// hopIter gives a row for each tumbling or hopping window that a row is in.
type hopIter struct {
	q       *Query
	in      Iter
	n       *plan.Window
	env     *plan.Env
	b       *Batch
	at      int
	start   int64 // of the next window of the present row
	pending bool
	time    int64
	batch   Batch
}

func (h *hopIter) Next() (*Batch, error) {
	slide := h.n.Slide
	if h.n.Kind == plan.Tumble {
		slide = h.n.Size
	}
	h.batch.reset(len(h.n.Columns()))
	for h.batch.N < h.q.Rows {
		if !h.pending {
			if h.b != nil && h.at >= h.b.N && h.batch.N > 0 {
				break // the rows' text lies in a batch that is about to change
			}
			more, err := h.next()
			if err != nil {
				return nil, err
			}
			if !more {
				break
			}
			// The first window that the time is in begins after time - size.
			h.start = value.FloorTo(h.time-h.n.Size, slide, h.n.Offset) + slide
		}
		h.pending = h.start <= h.time
		if !h.pending {
			continue
		}
		row := h.batch.Add()
		n := copy(row, h.b.Row(h.at-1))
		row[n], row[n+1] = value.OfTime(h.start), value.OfTime(h.start+h.n.Size)
		h.start += slide
	}
	if err := h.q.stopped(); err != nil {
		return nil, err
	}
	if h.batch.N == 0 {
		return nil, nil
	}
	return &h.batch, nil
}

// next goes on to the next row with a time.
func (h *hopIter) next() (bool, error) {
	for {
		for h.b == nil || h.at >= h.b.N {
			var err error
			if h.b, err = h.in.Next(); h.b == nil || err != nil {
				return false, err
			}
			h.at = 0
		}
		h.env.Row = h.b.Row(h.at)
		h.at++
		v := h.n.Time.Eval(h.env)
		if h.env.Err != nil {
			return false, h.env.Err
		}
		if v.IsNull() {
			dropped(h.env)
			continue
		}
		h.time = micros(v)
		return true, nil
	}
}

func micros(v value.Value) int64 {
	if v.K == value.Date {
		v, _ = value.Cast(v, value.TTimestamptz)
	}
	return v.N
}

func (h *hopIter) Close() { h.in.Close() }

// sessionIter puts rows of a key that are no further apart than the gap into one window.
type sessionIter struct {
	q     *Query
	in    Iter
	n     *plan.Window
	env   *plan.Env
	rows  []sessionRow
	read  bool
	at    int
	batch Batch
}

type sessionRow struct {
	row        []value.Value
	key        string
	time       int64
	start, end int64
}

func (s *sessionIter) readAll() error {
	var buf []byte
	for {
		b, err := s.in.Next()
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		for i := range b.N {
			s.env.Row = b.Row(i)
			t := s.n.Time.Eval(s.env)
			if t.IsNull() {
				dropped(s.env)
				continue
			}
			buf = buf[:0]
			for _, p := range s.n.Partition {
				buf = p.Eval(s.env).Key(buf)
			}
			row, size := cloned(b.Row(i))
			if err := s.q.Mem.Grow("SESSION", size+int64(len(buf))+64); err != nil {
				return err
			}
			s.rows = append(s.rows, sessionRow{row: row, key: string(buf), time: micros(t)})
		}
		if s.env.Err != nil {
			return s.env.Err
		}
		if err := s.q.stopped(); err != nil {
			return err
		}
	}
	slices.SortStableFunc(s.rows, func(a, b sessionRow) int {
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		switch {
		case a.time < b.time:
			return -1
		case a.time > b.time:
			return 1
		}
		return 0
	})
	for from := 0; from < len(s.rows); {
		to := from + 1
		for to < len(s.rows) && s.rows[to].key == s.rows[from].key && s.rows[to].time-s.rows[to-1].time <= s.n.Size {
			to++
		}
		for i := from; i < to; i++ {
			s.rows[i].start, s.rows[i].end = s.rows[from].time, s.rows[to-1].time+s.n.Size
		}
		from = to
	}
	return nil
}

func (s *sessionIter) Next() (*Batch, error) {
	if !s.read {
		if err := s.readAll(); err != nil {
			return nil, err
		}
		s.read = true
	}
	if s.at >= len(s.rows) {
		return nil, nil
	}
	s.batch.reset(len(s.n.Columns()))
	for s.at < len(s.rows) && s.batch.N < s.q.Rows {
		r := &s.rows[s.at]
		row := s.batch.Add()
		n := copy(row, r.row)
		row[n], row[n+1] = value.OfTime(r.start), value.OfTime(r.end)
		s.at++
	}
	return &s.batch, s.q.stopped()
}

func (s *sessionIter) Close() { s.in.Close() }

// moments are mean and squared deviation of numbers (Welford).
type moments struct {
	n        int64
	mean, m2 float64
}

func (m *moments) add(x float64) {
	m.n++
	d := x - m.mean
	m.mean += d / float64(m.n)
	m.m2 += d * (x - m.mean)
}

func (m *moments) deviation() float64 { return math.Sqrt(m.m2 / float64(m.n)) }

// statsIter gives each row its z-score over all rows: the rows are read twice and none is kept.
type statsIter struct {
	q     *Query
	n     *plan.Stats
	env   *plan.Env
	of    []moments
	in    Iter
	batch Batch
}

func (s *statsIter) first() error {
	in, err := s.q.Open(s.n.In, s.env.Outer)
	if err != nil {
		return err
	}
	defer in.Close()
	s.of = make([]moments, len(s.n.X))
	for {
		b, err := in.Next()
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		for i := range b.N {
			s.env.Row = b.Row(i)
			for j, x := range s.n.X {
				if v := x.Eval(s.env); v.Number() {
					s.of[j].add(v.Float())
				}
			}
		}
		if s.env.Err != nil {
			return s.env.Err
		}
	}
	s.in, err = s.q.Open(s.n.In, s.env.Outer)
	return err
}

func (s *statsIter) Next() (*Batch, error) {
	if s.in == nil {
		if err := s.first(); err != nil {
			return nil, err
		}
	}
	b, err := s.in.Next()
	if b == nil || err != nil {
		return nil, err
	}
	s.batch.reset(b.Width + len(s.n.X))
	for i := range b.N {
		row := s.batch.Add()
		copy(row, b.Row(i))
		s.env.Row = b.Row(i)
		for j, x := range s.n.X {
			if v := x.Eval(s.env); v.Number() {
				row[b.Width+j] = value.OfFloat(plan.Score(v.Float(), s.of[j].mean, s.of[j].deviation()))
			}
		}
	}
	return &s.batch, s.env.Err
}

func (s *statsIter) Close() {
	if s.in != nil {
		s.in.Close()
	}
}

// recentIter gives each row what follows from it and the rows before it in its partition.
type recentIter struct {
	q     *Query
	in    Iter
	n     *plan.Recent
	env   *plan.Env
	last  map[int64][]ring // by partition
	batch Batch
}

// ring has the last values of a function; those that are NULL have no number.
type ring struct {
	vals []value.Value
	at   int
}

func (r *recentIter) Next() (*Batch, error) {
	if r.last == nil {
		r.last = map[int64][]ring{}
	}
	b, err := r.in.Next()
	if b == nil || err != nil {
		return nil, err
	}
	r.batch.reset(b.Width + len(r.n.Funcs))
	for i := range b.N {
		row := r.batch.Add()
		copy(row, b.Row(i))
		r.env.Row = b.Row(i)
		p := int64(0)
		if r.n.Partition != nil {
			p = r.n.Partition.Eval(r.env).N
		}
		rings := r.last[p]
		if rings == nil {
			rings = make([]ring, len(r.n.Funcs))
			for _, f := range r.n.Funcs {
				if err := r.q.Mem.Grow("moving_avg", int64(f.N)*32); err != nil {
					return nil, err
				}
			}
			r.last[p] = rings
		}
		for j := range r.n.Funcs {
			row[b.Width+j] = r.value(&r.n.Funcs[j], &rings[j])
		}
	}
	if r.env.Err != nil {
		return nil, r.env.Err
	}
	return &r.batch, r.q.stopped()
}

func (r *recentIter) value(f *plan.RecentFunc, g *ring) value.Value {
	x := f.X.Eval(r.env)
	if !x.Number() {
		x = value.Value{}
	} else {
		x = value.OfFloat(x.Float())
	}
	if len(g.vals) < f.N {
		g.vals = append(g.vals, x)
	} else {
		g.vals[g.at] = x
		g.at = (g.at + 1) % f.N
	}
	var m moments
	for i := range g.vals { // oldest first: sums do not depend on the ring's turn
		if v := g.vals[(g.at+i)%len(g.vals)]; !v.IsNull() {
			m.add(v.Float())
		}
	}
	switch {
	case m.n == 0 || f.Score && x.IsNull():
		return value.Value{}
	case f.Score:
		return value.OfFloat(plan.Score(x.Float(), m.mean, m.deviation()))
	}
	return value.OfFloat(m.mean)
}

func (r *recentIter) Close() { r.in.Close() }
