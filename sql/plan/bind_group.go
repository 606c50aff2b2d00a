package plan

import (
	"strings"

	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/value"
)

// oversBase is where columns of window functions lie until the width of the rows before them
// is known.
const oversBase = 1 << 24

// hopsMax is how many windows one row may be in.
const hopsMax = 10_000

// settle brings the columns of window functions behind the row.
func (c *selecting) settle(width int, p *Project, late []Expr) {
	move := func(x Expr) Expr {
		return rewrite(x, func(col *Col) Expr {
			if col.Depth == 0 && col.I >= oversBase {
				return &Col{I: col.I - oversBase + width, T: col.T}
			}
			return col
		})
	}
	for i, x := range p.Exprs {
		p.Exprs[i] = move(x)
	}
	for i, x := range late {
		late[i] = move(x)
	}
}

// group finds out whether rows become groups, and binds the keys.
func (c *selecting) group() error {
	out := *c.in
	c.out = &out
	has := len(c.s.GroupBy) > 0 || c.s.Having != nil && hasAggregate(c.s.Having)
	for _, it := range c.items {
		has = has || hasAggregate(it.X)
	}
	for _, o := range c.q.OrderBy {
		has = has || hasAggregate(o.X)
	}
	for _, x := range append(split(c.s.Qualify), c.late...) {
		has = has || hasAggregate(x)
	}
	if !has {
		return nil
	}
	if err := c.early(); err != nil {
		return err
	}
	g := &grouping{in: c.in, start: -1, byText: map[string]int{}}
	out.group = g
	in := *c.in
	in.aliases, in.aggFree = c.aliases(), "GROUP BY"
	var window *parse.Call
	for _, x := range c.s.GroupBy {
		x, err := c.resolved(x)
		if err != nil {
			return err
		}
		if call, ok := x.(*parse.Call); ok && windowCall(call) != 0 && !strings.Contains(call.Name, "_") {
			if window != nil {
				return value.Errorf(value.GroupingError, "GROUP BY has two windows").At(x.At())
			}
			window = call
			continue
		}
		k, err := c.b.expr(&in, x)
		if err != nil {
			return err
		}
		if k.Type() == value.Unknown {
			k, _ = c.b.to(k, value.TText)
		}
		g.keys = append(g.keys, k)
	}
	if window == nil {
		return nil
	}
	return c.window(g, &in, window)
}

// early lets rows through by their statistics before they become groups.
func (c *selecting) early() error {
	if len(c.late) == 0 {
		return nil
	}
	in := *c.in
	in.overs = &overs{width: oversBase}
	var conds []Expr
	for _, x := range c.late {
		cond, err := c.b.condition(&in, x, "WHERE")
		if err != nil {
			return err
		}
		conds = append(conds, cond)
	}
	c.late = nil
	c.settle(len(c.node.Columns()), &Project{}, conds)
	c.node = &Filter{in.overs.nodes(c.node, c.partition()), conjunction(conds)}
	return nil
}

// partition is the column by which rows of one topic have an order; nil: there is none.
func (c *selecting) partition() Expr {
	if len(c.in.rels) == 0 || c.in.rels[0].topic == nil {
		return nil
	}
	return &Col{I: c.in.rels[0].base + c.in.rels[0].scan.field(PartitionField, "partition"), T: value.TInt4}
}

// resolved is a key that a number or a name of the list stands for.
func (c *selecting) resolved(x parse.Expr) (parse.Expr, error) {
	at, err := ordinal(x, len(c.items), "GROUP BY")
	if err != nil {
		return nil, err
	}
	if at >= 0 {
		return c.items[at].X, nil
	}
	if n, ok := x.(*parse.Name); ok && len(n.Parts) == 1 {
		if a, ok := c.aliases()[n.Parts[0]]; ok {
			if call, ok := a.(*parse.Call); ok && windowCall(call) != 0 {
				return a, nil
			}
		}
	}
	return x, nil
}

// windowCall is the kind of window that a call names; 0: none.
func windowCall(c *parse.Call) WindowKind {
	switch strings.TrimPrefix(c.Name, "table_") {
	case "tumble":
		return Tumble
	case "hop":
		return Hop
	case "session":
		return Session
	}
	return 0
}

// length reads a window's length in µs: '5 minutes', INTERVAL, or milliseconds.
func (b *Binder) length(s *scope, x parse.Expr, what string, least int64) (int64, error) {
	in, err := b.expr(s, x)
	if err != nil {
		return 0, err
	}
	c, ok := in.(*Const)
	if !ok {
		return 0, value.Errorf(value.InvalidParameter, "%s has to be a constant", what).At(x.At())
	}
	v := c.V
	switch {
	case v.K == value.Text:
		if v, err = value.ParseInterval(v.S); err != nil {
			return 0, err.(*value.Error).WithHint("write it as '5 minutes'").At(x.At())
		}
	case v.K == value.Int:
		v = value.OfInterval(0, 0, v.N*1000)
	}
	us, fixed := v.Fixed()
	if !fixed {
		return 0, value.Errorf(value.InvalidParameter, "%s has no fixed length: months differ", what).WithHint("use days, or date_trunc('month', ..)").At(x.At())
	}
	if us < least || us > 1<<58 {
		return 0, value.Errorf(value.InvalidParameter, "%s has to be above zero", what).At(x.At())
	}
	return us, nil
}

// spec reads a window's time and lengths. table: the order of the forms in FROM, slide first.
func (b *Binder) spec(s *scope, c *parse.Call, args []parse.Expr, table bool) (*Window, error) {
	w := &Window{Kind: windowCall(c)}
	name := strings.ToUpper(strings.TrimPrefix(c.Name, "table_"))
	least, most := 2, 3
	if w.Kind == Hop {
		least, most = 3, 4
	} else if w.Kind == Session {
		most = 2
	}
	if len(args) < least || len(args) > most {
		hint := map[WindowKind]string{Tumble: "TUMBLE(timestamp, size [, offset])", Hop: "HOP(timestamp, size, slide)", Session: "SESSION(timestamp, gap)"}[w.Kind]
		return nil, value.Errorf(value.UndefinedFunction, "%s has a time and lengths", name).WithHint("write %s", hint).At(c.At())
	}
	x, err := b.expr(s, args[0])
	if err != nil {
		return nil, err
	}
	if _, ok := fits('T', x.Type()); !ok {
		return nil, value.Errorf(value.DatatypeMismatch, "the time of %s is of type %s", name, x.Type()).
			WithHint("make it a timestamp: to_timestamp(seconds)").At(args[0].At())
	}
	if w.Time, err = b.coerce(x, 'T'); err != nil {
		return nil, err
	}
	size, slide := 1, 2
	if table {
		size, slide = 2, 1
	}
	if w.Kind != Hop {
		size = 1
	}
	if w.Size, err = b.length(s, args[size], "the length of "+name, 1); err != nil {
		return nil, err
	}
	if w.Kind == Hop {
		if w.Slide, err = b.length(s, args[slide], "the slide of HOP", 1); err != nil {
			return nil, err
		}
		switch {
		case w.Slide > w.Size:
			return nil, value.Errorf(value.InvalidParameter, "the slide of HOP is longer than its size: rows between would be in no window").
				WithHint("HOP(timestamp, size, slide) in GROUP BY; HOP(t, timestamp, slide, size) in FROM").At(c.At())
		case w.Size/w.Slide >= hopsMax:
			return nil, value.Errorf(value.TooMany, "each row would be in more than %d windows", hopsMax).At(c.At())
		}
	}
	if len(args) == least+1 {
		if w.Offset, err = b.length(s, args[least], "the offset of "+name, -1<<58); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (c *selecting) window(g *grouping, in *scope, call *parse.Call) error {
	w, err := c.b.spec(in, call, call.Args, false)
	if err != nil {
		return err
	}
	g.window = call.Name
	g.start = len(g.keys)
	if w.Kind == Tumble {
		c.node = &Filter{c.node, &Is{X: &Func{F: &timeFunction, Args: []Expr{w.Time}, T: value.TTimestamptz}, What: "NULL", Not: true}}
		g.keys = append(g.keys, &Floor{w.Time, w.Size, w.Offset})
		g.end = &Floor{&Func{F: functionNamed("+", "TI"), Args: []Expr{&Col{I: g.start, T: value.TTimestamptz}, &Const{value.OfInterval(0, 0, w.Size), value.TInterval}}, T: value.TTimestamptz}, 1, 0}
		return nil
	}
	width := len(c.node.Columns())
	w.In = c.node
	if w.Kind == Session {
		w.Partition = g.keys
	}
	c.node = w
	g.keys = append(g.keys, &Col{I: width, T: value.TTimestamptz}, &Col{I: width + 1, T: value.TTimestamptz})
	g.end = &Col{I: g.start + 1, T: value.TTimestamptz}
	return nil
}

// timeFunction counts rows without a time.
var timeFunction = Function{Name: "window time", nulls: true, eval: func(e *Env, a []value.Value) (value.Value, error) {
	if a[0].IsNull() {
		return e.drop("rows without a time are in no window"), nil
	}
	return a[0], nil
}}

func functionNamed(name, args string) *Function {
	for _, f := range functions[name] {
		if f.Args == args {
			return f
		}
	}
	panic("no function " + name)
}

// Floor is the beginning of the window of a time.
type Floor struct {
	X            Expr
	Size, Offset int64
}

// Eval is a timestamp, or NULL.
func (f *Floor) Eval(e *Env) value.Value {
	v := f.X.Eval(e)
	if v.IsNull() {
		return v
	}
	return value.OfTime(value.FloorTo(instant(v), f.Size, f.Offset))
}

// Type is timestamptz.
func (f *Floor) Type() value.Type { return value.TTimestamptz }
func (f *Floor) String() string {
	return call("floor "+value.OfInt(f.Size).String()+" "+value.OfInt(f.Offset).String(), []Expr{f.X})
}

func (c *selecting) grouped(n Node, g *grouping) Node {
	return &Group{In: n, Keys: g.keys, Aggs: g.aggs}
}
