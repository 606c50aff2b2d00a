package plan

import (
	"math"

	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/value"
)

// overs are the window functions of a query, in the order of the columns that they append.
type overs struct {
	width int // of the rows before them
	list  []overItem
}

// overItem is a window function: one of three kinds.
type overItem struct {
	text   string
	over   *OverFunc
	score  Expr        // of Stats
	recent *RecentFunc // of Recent
	t      value.Type
}

func (o *overs) add(it overItem) Expr {
	for i, have := range o.list {
		if have.text == it.text {
			return &Col{I: o.width + i, T: it.t}
		}
	}
	o.list = append(o.list, it)
	return &Col{I: o.width + len(o.list) - 1, T: it.t}
}

// nodes puts the steps that work the functions out above n: neighbours of a kind share one.
func (o *overs) nodes(n Node, partition Expr) Node {
	for i := 0; i < len(o.list); {
		j := i
		kind := func(it overItem) int {
			switch {
			case it.over != nil:
				return 0
			case it.score != nil:
				return 1
			}
			return 2
		}
		for j < len(o.list) && kind(o.list[j]) == kind(o.list[i]) {
			j++
		}
		run := o.list[i:j]
		switch kind(run[0]) {
		case 0:
			over := &Over{In: n}
			for _, it := range run {
				over.Funcs = append(over.Funcs, *it.over)
			}
			n = over
		case 1:
			st := &Stats{In: n}
			for _, it := range run {
				st.X = append(st.X, it.score)
			}
			n = st
		default:
			r := &Recent{In: n, Partition: partition}
			for _, it := range run {
				r.Funcs = append(r.Funcs, *it.recent)
			}
			n = r
		}
		i = j
	}
	return n
}

// over binds a window function or a statistic.
func (b *Binder) over(s *scope, c *parse.Call) (Expr, error) {
	if s.overs == nil {
		return nil, value.Errorf(value.WindowingError, "window functions are not allowed here")
	}
	if statistics[c.Name] {
		return b.statistic(s, c)
	}
	return b.overCall(s, c)
}

// whole has a constant whole number among the arguments.
func (b *Binder) whole(s *scope, x parse.Expr, what string, least int64) (int64, error) {
	v, err := b.number(s, x, what)
	if err != nil {
		return 0, err
	}
	n, err := value.ToInt(v)
	if err != nil || n.N < least || n.N > 1_000_000 || value.Compare(n, v) != 0 {
		return 0, value.Errorf(value.InvalidParameter, "%s has to be a whole number from %d to 1000000", what, least).At(x.At())
	}
	return n.N, nil
}

func (b *Binder) number(s *scope, x parse.Expr, what string) (value.Value, error) {
	in, err := b.expr(s, x)
	if err != nil {
		return value.Value{}, err
	}
	c, ok := in.(*Const)
	if !ok || !c.V.Number() {
		return value.Value{}, value.Errorf(value.InvalidParameter, "%s has to be a constant number", what).At(x.At())
	}
	return c.V, nil
}

// statistic binds zscore(x[, n]), anomaly(x[, k]) and moving_avg(x[, n]).
func (b *Binder) statistic(s *scope, c *parse.Call) (Expr, error) {
	if len(c.Args) < 1 || len(c.Args) > 2 {
		return nil, value.Errorf(value.UndefinedFunction, "%s takes a number and at most one thing more", c.Name)
	}
	inner := *s
	inner.overs = nil
	x, err := b.expr(&inner, c.Args[0])
	if err != nil {
		return nil, err
	}
	if _, ok := fits('n', x.Type()); !ok {
		return nil, undefined(c.Name, []Expr{x})
	}
	if x, err = b.coerce(x, 'n'); err != nil {
		return nil, err
	}
	switch c.Name {
	case "moving_avg":
		n := int64(10)
		if len(c.Args) > 1 {
			if n, err = b.whole(&inner, c.Args[1], "the number of rows of moving_avg", 1); err != nil {
				return nil, err
			}
		}
		if c.Over != nil {
			return b.framed(s, c.Over, "avg", x, n)
		}
		return b.recent(s, RecentFunc{X: x, N: int(n)})
	case "zscore":
		if len(c.Args) == 1 {
			return b.score(s, c, x)
		}
		n, err := b.whole(&inner, c.Args[1], "the number of rows of zscore", 2)
		if err != nil {
			return nil, err
		}
		if c.Over == nil {
			return b.recent(s, RecentFunc{X: x, N: int(n), Score: true})
		}
		return b.scoreOver(s, c.Over, x, n)
	}
	k := value.OfFloat(2)
	if len(c.Args) > 1 {
		if k, err = b.number(&inner, c.Args[1], "the threshold of anomaly"); err != nil {
			return nil, err
		}
	}
	z, err := b.score(s, c, x)
	if err != nil {
		return nil, err
	}
	size, err := b.function("abs", z)
	if err != nil {
		return nil, err
	}
	return b.comparison(">", size, &Const{value.OfFloat(k.Float()), value.TFloat8})
}

func (b *Binder) score(s *scope, c *parse.Call, x Expr) (Expr, error) {
	if c.Over != nil {
		return b.scoreOver(s, c.Over, x, 0)
	}
	return s.overs.add(overItem{text: "zscore " + x.String(), score: x, t: value.TFloat8}), nil
}

// scoreOver is (x - mean) / deviation over a window; 0 where the deviation is 0.
func (b *Binder) scoreOver(s *scope, o *parse.Over, x Expr, n int64) (Expr, error) {
	mean, err := b.framed(s, o, "avg", x, n)
	if err != nil {
		return nil, err
	}
	dev, err := b.framed(s, o, "stddev_pop", x, n)
	if err != nil {
		return nil, err
	}
	return &Func{F: &scoreFunction, Args: []Expr{x, mean, dev}, T: value.TFloat8}, nil
}

var scoreFunction = Function{Name: "zscore", eval: func(_ *Env, a []value.Value) (value.Value, error) {
	return value.OfFloat(Score(a[0].Float(), a[1].Float(), a[2].Float())), nil
}}

// Score is a z-score; 0 where the deviation is 0.
func Score(x, mean, deviation float64) float64 {
	if deviation == 0 || math.IsNaN(deviation) {
		return 0
	}
	return (x - mean) / deviation
}

func (b *Binder) recent(s *scope, f RecentFunc) (Expr, error) {
	if s.group != nil || !b.ordered(s) {
		return nil, value.Errorf(value.WindowingError, "these rows have no order by offset").WithHint("say one: OVER (ORDER BY ..)")
	}
	text := "recent " + f.X.String() + " " + value.OfInt(int64(f.N)).String()
	if f.Score {
		text += " score"
	}
	return s.overs.add(overItem{text: text, recent: &f, t: value.TFloat8}), nil
}

// ordered says whether rows come by offset within each partition: those of one topic do.
func (b *Binder) ordered(s *scope) bool {
	return len(s.rels) == 1 && s.rels[0].topic != nil && !s.rels[0].latest
}

// framed is an aggregate of x over a window, of the last n rows if n is above zero.
func (b *Binder) framed(s *scope, o *parse.Over, name string, x Expr, n int64) (Expr, error) {
	f := &OverFunc{Name: name, Agg: &Agg{F: aggregates[name], Args: []Expr{x}}}
	f.Agg.T = f.Agg.F.result(f.Agg.Args)
	f.T = f.Agg.T
	if err := b.window(s, o, f); err != nil {
		return nil, err
	}
	if n > 0 {
		f.Frame = &parse.Frame{Rows: true, From: parse.Bound{Kind: parse.Preceding}, To: parse.Bound{Kind: parse.CurrentRow}}
		f.From = n - 1
	}
	return s.overs.add(overItem{text: overText(f), over: f, t: f.T}), nil
}

// window binds OVER (..).
func (b *Binder) window(s *scope, o *parse.Over, f *OverFunc) error {
	if o.Name != "" {
		base, ok := s.windows[o.Name]
		if !ok {
			return value.Errorf("42704", "window %q does not exist", o.Name)
		}
		merged := *o
		merged.Name = base.Name
		if len(merged.Partition) == 0 {
			merged.Partition = base.Partition
		}
		if len(merged.OrderBy) == 0 {
			merged.OrderBy = base.OrderBy
		}
		if merged.Frame == nil {
			merged.Frame = base.Frame
		}
		o = &merged
	}
	inner := *s
	inner.overs = nil
	for _, x := range o.Partition {
		p, err := b.expr(&inner, x)
		if err != nil {
			return err
		}
		f.Partition = append(f.Partition, p)
	}
	var err error
	if f.OrderBy, err = b.sortKeys(&inner, o.OrderBy); err != nil {
		return err
	}
	if f.Frame = o.Frame; f.Frame == nil {
		return nil
	}
	for _, e := range []struct {
		bound parse.Bound
		to    *int64
	}{{o.Frame.From, &f.From}, {o.Frame.To, &f.To}} {
		if e.bound.Offset == nil {
			continue
		}
		if !o.Frame.Rows {
			return value.Errorf(value.NotSupported, "RANGE with a distance is not supported").WithHint("use ROWS")
		}
		if *e.to, err = b.whole(&inner, e.bound.Offset, "the frame's distance", 0); err != nil {
			return err
		}
	}
	return nil
}

func (b *Binder) overCall(s *scope, c *parse.Call) (Expr, error) {
	name := canonical(c.Name)
	f := &OverFunc{Name: name}
	inner := *s
	inner.overs = nil
	var args []Expr
	for _, a := range c.Args {
		x, err := b.expr(&inner, a)
		if err != nil {
			return nil, err
		}
		args = append(args, x)
	}
	switch {
	case windowOnly[name]:
		if err := b.ranking(f, args); err != nil {
			return nil, err
		}
	case aggregates[name] != nil && !aggregates[name].Ordered:
		f.Agg = &Agg{F: aggregates[name], Distinct: c.Distinct}
		if c.Distinct {
			return nil, value.Errorf(value.NotSupported, "DISTINCT is not supported for window functions")
		}
		if err := b.aggregateArgs(f.Agg, aggregates[name], args); err != nil {
			return nil, err
		}
		if c.Filter != nil {
			cond, err := b.condition(&inner, c.Filter, "FILTER")
			if err != nil {
				return nil, err
			}
			f.Agg.Filter = cond
		}
		f.T = f.Agg.T
	default:
		return nil, value.Errorf(value.UndefinedFunction, "%s is no window function", c.Name)
	}
	if err := b.window(s, c.Over, f); err != nil {
		return nil, err
	}
	return s.overs.add(overItem{text: overText(f), over: f, t: f.T}), nil
}

// ranking checks the arguments of functions that need OVER.
func (b *Binder) ranking(f *OverFunc, args []Expr) error {
	least, most := 0, 0
	f.T = value.TInt8
	switch f.Name {
	case "percent_rank", "cume_dist":
		f.T = value.TFloat8
	case "ntile":
		least, most = 1, 1
	case "lag", "lead":
		least, most = 1, 3
	case "first_value", "last_value":
		least, most = 1, 1
	case "nth_value":
		least, most = 2, 2
	}
	if len(args) < least || len(args) > most {
		return undefined(f.Name, args)
	}
	for i, a := range args {
		class := byte('a')
		if i == 1 || f.Name == "ntile" {
			class = 'i'
		}
		x, err := b.coerce(a, class)
		if err != nil {
			return err
		}
		f.Args = append(f.Args, x)
	}
	if len(args) > 0 && f.Name != "ntile" {
		f.T = ofFirst(f.Args)
	}
	return nil
}

func overText(f *OverFunc) string {
	s := "over " + call(f.Name, f.Args)
	if f.Agg != nil {
		s += aggText(f.Agg)
	}
	s += call("partition", f.Partition)
	for _, k := range f.OrderBy {
		s += " by " + k.X.String()
		if k.Desc {
			s += " desc"
		}
		if k.NullsFirst {
			s += " first"
		}
	}
	if f.Frame != nil {
		for _, n := range []int64{int64(f.Frame.From.Kind), f.From, int64(f.Frame.To.Kind), f.To} {
			s += " " + value.OfInt(n).String()
		}
		if f.Frame.Rows {
			s += " rows"
		}
	}
	return s
}
