package exec

import (
	"math"
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/plan"
	"github.com/streamhouse/streamhouse/sql/value"
)

// overIter works out window functions: all rows are kept, in the order in which they came.
type overIter struct {
	q     *Query
	in    Iter
	n     *plan.Over
	env   *plan.Env
	rows  [][]value.Value
	read  bool
	at    int
	batch Batch
}

func (o *overIter) Next() (*Batch, error) {
	if !o.read {
		if err := o.readAll(); err != nil {
			return nil, err
		}
		o.read = true
	}
	if o.at >= len(o.rows) {
		return nil, nil
	}
	o.batch.reset(len(o.rows[o.at]))
	for o.at < len(o.rows) && o.batch.N < o.q.Rows {
		o.batch.add(o.rows[o.at])
		o.at++
	}
	return &o.batch, o.q.stopped()
}

func (o *overIter) Close() { o.in.Close() }

func (o *overIter) readAll() error {
	width := 0
	for {
		b, err := o.in.Next()
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		width = b.Width
		for i := range b.N {
			row := make([]value.Value, b.Width+len(o.n.Funcs))
			size := int64(24 + 32*len(row))
			for j, v := range b.Row(i) {
				row[j] = v.Clone()
				size += int64(len(v.S))
			}
			if err := o.q.Mem.Grow("OVER", size); err != nil {
				return err
			}
			o.rows = append(o.rows, row)
		}
		if err := o.q.stopped(); err != nil {
			return err
		}
	}
	for i := range o.n.Funcs {
		if err := o.function(&o.n.Funcs[i], width+i); err != nil {
			return err
		}
	}
	return nil
}

// entry is a row where a function looks at it.
type entry struct {
	row  int
	part string
	keys []value.Value
}

// function fills column out.
func (o *overIter) function(f *plan.OverFunc, out int) error {
	list := make([]entry, len(o.rows))
	if err := o.q.Mem.Grow("OVER", int64(len(list))*64); err != nil {
		return err
	}
	var buf []byte
	for i, row := range o.rows {
		o.env.Row = row
		buf = buf[:0]
		for _, p := range f.Partition {
			buf = p.Eval(o.env).Key(buf)
		}
		list[i] = entry{row: i, part: string(buf), keys: make([]value.Value, len(f.OrderBy))}
		for j, k := range f.OrderBy {
			list[i].keys[j] = k.X.Eval(o.env)
		}
	}
	slices.SortStableFunc(list, func(a, b entry) int {
		if c := strings.Compare(a.part, b.part); c != 0 {
			return c
		}
		return peers(f, &a, &b)
	})
	for from := 0; from < len(list); {
		to := from + 1
		for to < len(list) && list[to].part == list[from].part {
			to++
		}
		if err := o.partition(f, list[from:to], out); err != nil {
			return err
		}
		from = to
	}
	return o.env.Err
}

func peers(f *plan.OverFunc, a, b *entry) int {
	for i, k := range f.OrderBy {
		if c := compareNulls(a.keys[i], b.keys[i], k.Desc, k.NullsFirst); c != 0 {
			return c
		}
	}
	return 0
}

// arg is an argument for one row.
func (o *overIter) arg(x plan.Expr, e entry) value.Value {
	o.env.Row = o.rows[e.row]
	return x.Eval(o.env)
}

// partition works a function out for the rows of one partition.
func (o *overIter) partition(f *plan.OverFunc, list []entry, out int) error {
	if f.Agg != nil || f.Name == "first_value" || f.Name == "last_value" || f.Name == "nth_value" {
		return o.frames(f, list, out)
	}
	n := len(list)
	rank, dense := 1, 0
	for i := range list {
		if i == 0 || peers(f, &list[i-1], &list[i]) != 0 {
			rank = i + 1
			dense++
		}
		var v value.Value
		switch f.Name {
		case "row_number":
			v = value.OfInt(int64(i + 1))
		case "rank":
			v = value.OfInt(int64(rank))
		case "dense_rank":
			v = value.OfInt(int64(dense))
		case "percent_rank":
			v = value.OfFloat(0)
			if n > 1 {
				v = value.OfFloat(float64(rank-1) / float64(n-1))
			}
		case "cume_dist":
			last := i
			for last+1 < n && peers(f, &list[i], &list[last+1]) == 0 {
				last++
			}
			v = value.OfFloat(float64(last+1) / float64(n))
		case "ntile":
			var err error
			if v, err = ntile(o.arg(f.Args[0], list[0]), i, n); err != nil {
				return err
			}
		case "lag", "lead":
			v = o.neighbour(f, list, i)
		}
		o.rows[list[i].row][out] = v
	}
	return o.q.stopped()
}

func ntile(buckets value.Value, i, n int) (value.Value, error) {
	if buckets.IsNull() {
		return buckets, nil
	}
	b := int(buckets.N)
	if b <= 0 {
		return value.Value{}, value.Errorf("22014", "argument of ntile must be greater than zero")
	}
	size, more := n/b, n%b
	if i < more*(size+1) {
		return value.OfInt(int64(i/(size+1) + 1)), nil
	}
	return value.OfInt(int64(more + (i-more*(size+1))/size + 1)), nil
}

func (o *overIter) neighbour(f *plan.OverFunc, list []entry, i int) value.Value {
	by := int64(1)
	if len(f.Args) > 1 {
		v := o.arg(f.Args[1], list[i])
		if v.IsNull() {
			return v
		}
		by = v.N
	}
	if f.Name == "lag" {
		by = -by
	}
	at := int64(i) + by
	if at >= 0 && at < int64(len(list)) {
		return o.arg(f.Args[0], list[at])
	}
	if len(f.Args) > 2 {
		return o.arg(f.Args[2], list[i])
	}
	return value.Value{}
}

// frame is [from, to) of the rows that a row's function sees.
func frame(f *plan.OverFunc, list []entry, i int) (from, to int) {
	fr := f.Frame
	if fr == nil {
		fr = &parse.Frame{From: parse.Bound{Kind: parse.UnboundedPreceding}, To: parse.Bound{Kind: parse.CurrentRow}}
		if len(f.OrderBy) == 0 {
			return 0, len(list)
		}
	}
	first, last := i, i
	if !fr.Rows { // rows with equal keys belong together
		for first > 0 && peers(f, &list[first-1], &list[i]) == 0 {
			first--
		}
		for last+1 < len(list) && peers(f, &list[last+1], &list[i]) == 0 {
			last++
		}
	}
	from = edge(fr.From, f.From, i, first, len(list))
	to = edge(fr.To, f.To, i, last, len(list)) + 1
	return max(from, 0), min(max(to, 0), len(list))
}

func edge(b parse.Bound, by int64, i, current, n int) int {
	switch b.Kind {
	case parse.UnboundedPreceding:
		return 0
	case parse.Preceding:
		return i - int(by)
	case parse.Following:
		return i + int(by)
	case parse.UnboundedFollowing:
		return n - 1
	}
	return current
}

func (o *overIter) frames(f *plan.OverFunc, list []entry, out int) error {
	var a acc
	done := 0 // rows that are in a already, while frames only grow
	for i := range list {
		from, to := frame(f, list, i)
		if f.Agg == nil {
			o.rows[list[i].row][out] = o.placed(f, list, from, to)
			continue
		}
		if from > 0 || to < done {
			a, done = acc{}, from
		}
		for ; done < to; done++ {
			o.env.Row = o.rows[list[done].row]
			if err := a.add(o.q, f.Agg, o.env, 1); err != nil {
				return err
			}
		}
		v, err := a.result(f.Agg, o.env)
		if err != nil {
			return err
		}
		o.rows[list[i].row][out] = v.Clone()
		if i%256 == 0 {
			if err := o.q.stopped(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (o *overIter) placed(f *plan.OverFunc, list []entry, from, to int) value.Value {
	if from >= to {
		return value.Value{}
	}
	switch f.Name {
	case "first_value":
		return o.arg(f.Args[0], list[from])
	case "last_value":
		return o.arg(f.Args[0], list[to-1])
	}
	n := o.arg(f.Args[1], list[from])
	if n.IsNull() || n.N < 1 || n.N > math.MaxInt32 || from+int(n.N)-1 >= to {
		return value.Value{}
	}
	return o.arg(f.Args[0], list[from+int(n.N)-1])
}
