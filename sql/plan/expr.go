// Package plan turns trees of statements into plans: names are found, types known, functions
// chosen, windows and statistics rewritten, filters moved to where they save most. It is pure.
package plan

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/sql/jsonpath"
	"github.com/streamhouse/streamhouse/sql/value"
)

// Env is what an expression is worked out in. A plan's expressions are for one goroutine.
type Env struct {
	Ctx   context.Context
	Row   []value.Value
	Outer *Env  // of the query around this one
	Err   error // the first fault; expressions go on with NULL
	*Shared
}

// Shared is what all expressions of a query share.
type Shared struct {
	Now      int64 // µs: one time for the whole query
	Params   []value.Value
	Settings func(name string) (string, bool)
	// Run runs a query within: its rows, at most limit (0: all). keep: they stay in memory.
	Run      func(e *Env, n Node, limit int, keep bool) ([][]value.Value, error)
	vectors  vectorScratch
	patterns map[string]*regexp.Regexp
	cached   map[*Query][][]value.Value
	// Dropped counts values that a function could not use, by what was wrong.
	Dropped map[string]int64
}

func (e *Env) fail(err error) value.Value {
	if e.Err == nil {
		e.Err = err
	}
	return value.Value{}
}

func (e *Env) drop(why string) value.Value {
	if e.Dropped == nil {
		e.Dropped = map[string]int64{}
	}
	e.Dropped[why]++
	return value.Value{}
}

func (e *Env) pattern(p string) (*regexp.Regexp, error) {
	if re := e.patterns[p]; re != nil {
		return re, nil
	}
	re, err := regexp.Compile(p)
	if err != nil {
		return nil, value.Errorf(value.InvalidRegexp, "invalid regular expression: %v", err).WithHint("patterns are RE2's")
	}
	if e.patterns == nil || len(e.patterns) > 100 {
		e.patterns = map[string]*regexp.Regexp{}
	}
	e.patterns[p] = re
	return re, nil
}

// Expr is an expression that can be worked out.
type Expr interface {
	Eval(e *Env) value.Value
	Type() value.Type
	// String is the same for expressions that are the same.
	String() string
}

// Col is a column of the row, of the query Depth levels out.
type Col struct {
	I     int
	Depth int
	T     value.Type
}

// Eval is the column's value.
func (c *Col) Eval(e *Env) value.Value {
	for range c.Depth {
		e = e.Outer
	}
	return e.Row[c.I]
}

// Type is the column's type.
func (c *Col) Type() value.Type { return c.T }
func (c *Col) String() string {
	return "#" + strconv.Itoa(c.Depth) + "." + strconv.Itoa(c.I)
}

// Const is a constant.
type Const struct {
	V value.Value
	T value.Type
}

// Eval is the constant.
func (c *Const) Eval(*Env) value.Value { return c.V }

// Type is its type.
func (c *Const) Type() value.Type { return c.T }
func (c *Const) String() string {
	return string(c.V.Key(append([]byte("const"), byte(c.T))))
}

// Param is a parameter of the statement, whose type is known once it is used.
type Param struct {
	N int
	T value.Type
}

// Eval is the parameter's value.
func (p *Param) Eval(e *Env) value.Value {
	if p.N > len(e.Params) {
		return e.fail(value.Errorf("08P01", "there is no parameter $%d", p.N))
	}
	return e.Params[p.N-1]
}

// Type is its type.
func (p *Param) Type() value.Type { return p.T }
func (p *Param) String() string   { return "$" + strconv.Itoa(p.N) }

// Func is a call of a function.
type Func struct {
	F    *Function
	Args []Expr
	T    value.Type
	buf  []value.Value
	busy bool
}

// Eval calls it; NULL among the arguments of a strict function is NULL.
func (f *Func) Eval(e *Env) value.Value {
	buf := f.buf
	if f.busy { // within itself, through a query
		buf = make([]value.Value, len(f.Args))
	} else if buf == nil {
		buf = make([]value.Value, len(f.Args))
		f.buf = buf
	}
	was := f.busy
	f.busy = true
	for i, a := range f.Args {
		buf[i] = a.Eval(e)
		if buf[i].K == value.Null && !f.F.nulls {
			f.busy = was
			return value.Value{}
		}
	}
	f.busy = was
	v, err := f.F.eval(e, buf)
	if err != nil {
		return e.fail(err)
	}
	return v
}

// Type is its result's.
func (f *Func) Type() value.Type { return f.T }
func (f *Func) String() string   { return call(f.F.Name, f.Args) }

func call(name string, args []Expr) string {
	var b strings.Builder
	b.WriteString(name + "(")
	for i, a := range args {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(a.String())
	}
	b.WriteByte(')')
	return b.String()
}

// Logic is AND or OR.
type Logic struct {
	Or   bool
	L, R Expr
}

// Eval is three-valued.
func (l *Logic) Eval(e *Env) value.Value {
	a := l.L.Eval(e)
	if a.K == value.Bool && (a.N != 0) == l.Or {
		return a
	}
	b := l.R.Eval(e)
	if b.K == value.Bool && (b.N != 0) == l.Or {
		return b
	}
	if a.K == value.Null || b.K == value.Null {
		return value.Value{}
	}
	return value.OfBool(!l.Or)
}

// Type is bool.
func (l *Logic) Type() value.Type { return value.TBool }
func (l *Logic) String() string {
	if l.Or {
		return call("or", []Expr{l.L, l.R})
	}
	return call("and", []Expr{l.L, l.R})
}

// Compare is = <> < <= > >=, and the two forms of IS DISTINCT FROM.
type Compare struct {
	Op   string
	L, R Expr
}

// Eval compares by the rules of dynamic values: with a number, NULL unless a number; with a
// text, its text; of two dynamic ones of different kinds, false.
func (c *Compare) Eval(e *Env) value.Value {
	a, b := c.L.Eval(e), c.R.Eval(e)
	if c.Op == "distinct" || c.Op == "not distinct" {
		same := a.K == value.Null && b.K == value.Null ||
			a.K != value.Null && b.K != value.Null && compare("=", a, b, c.L.Type(), c.R.Type()).True()
		return value.OfBool(same == (c.Op == "not distinct"))
	}
	return compare(c.Op, a, b, c.L.Type(), c.R.Type())
}

func compare(op string, a, b value.Value, ta, tb value.Type) value.Value {
	if a.K == value.Null || b.K == value.Null {
		return value.Value{}
	}
	if ta == value.Dynamic || tb == value.Dynamic {
		var ok bool
		if a, b, ok = meet(a, b, ta, tb); !ok {
			if ta == tb {
				return value.OfBool(op == "<>")
			}
			return value.Value{}
		}
	}
	n := value.Compare(a, b)
	var is bool
	switch op {
	case "=":
		is = n == 0
	case "<>":
		is = n != 0
	case "<":
		is = n < 0
	case "<=":
		is = n <= 0
	case ">":
		is = n > 0
	case ">=":
		is = n >= 0
	}
	return value.OfBool(is)
}

// meet brings a dynamic value to what it is compared with; false: they cannot meet.
func meet(a, b value.Value, ta, tb value.Type) (value.Value, value.Value, bool) {
	if ta == tb {
		same := a.K == b.K || a.Number() && b.Number()
		return a, b, same
	}
	if tb == value.Dynamic {
		b, a, ok := meet(b, a, tb, ta)
		return a, b, ok
	}
	switch {
	case tb.Textual():
		return textOf(a), b, true
	case tb.Numeric():
		return a, b, a.Number()
	case tb == value.TBool:
		return a, b, a.K == value.Bool
	case tb == value.TTimestamp || tb == value.TTimestamptz || tb == value.TDate:
		if a.K != value.Text {
			return a, b, false
		}
		t, err := value.ParseTime(a.S)
		return t, b, err == nil
	}
	return a, b, a.K == b.K
}

func textOf(v value.Value) value.Value {
	if v.K == value.Text || v.K == value.Null {
		return v
	}
	return value.OfText(v.String())
}

// Type is bool.
func (c *Compare) Type() value.Type { return value.TBool }
func (c *Compare) String() string   { return call(c.Op, []Expr{c.L, c.R}) }

// Not is NOT.
type Not struct{ X Expr }

// Eval turns true and false around.
func (n *Not) Eval(e *Env) value.Value {
	v := n.X.Eval(e)
	if v.K == value.Bool {
		return value.OfBool(v.N == 0)
	}
	return value.Value{}
}

// Type is bool.
func (n *Not) Type() value.Type { return value.TBool }
func (n *Not) String() string   { return call("not", []Expr{n.X}) }

// Is is IS NULL, TRUE, FALSE or UNKNOWN.
type Is struct {
	X    Expr
	What string
	Not  bool
}

// Eval is never NULL.
func (i *Is) Eval(e *Env) value.Value {
	v := i.X.Eval(e)
	var is bool
	switch i.What {
	case "NULL", "UNKNOWN":
		is = v.K == value.Null
	case "TRUE":
		is = v.True()
	case "FALSE":
		is = v.K == value.Bool && v.N == 0
	}
	return value.OfBool(is != i.Not)
}

// Type is bool.
func (i *Is) Type() value.Type { return value.TBool }
func (i *Is) String() string {
	if i.Not {
		return call("is not "+i.What, []Expr{i.X})
	}
	return call("is "+i.What, []Expr{i.X})
}

// Case is CASE; every When has a condition and a result.
type Case struct {
	Whens [][2]Expr
	Else  Expr
	T     value.Type
}

// Eval is the result of the first condition that is true.
func (c *Case) Eval(e *Env) value.Value {
	for _, w := range c.Whens {
		if w[0].Eval(e).True() {
			return w[1].Eval(e)
		}
		if e.Err != nil {
			return value.Value{}
		}
	}
	if c.Else == nil {
		return value.Value{}
	}
	return c.Else.Eval(e)
}

// Type is that of all results.
func (c *Case) Type() value.Type { return c.T }
func (c *Case) String() string {
	var all []Expr
	for _, w := range c.Whens {
		all = append(all, w[0], w[1])
	}
	if c.Else != nil {
		all = append(all, c.Else)
	}
	return call("case"+strconv.Itoa(len(c.Whens)), all)
}

// In is x IN (list).
type In struct {
	X    Expr
	List []Expr
}

// Eval is NULL when nothing is equal and something is NULL.
func (i *In) Eval(e *Env) value.Value {
	x := i.X.Eval(e)
	null := false
	for _, it := range i.List {
		switch c := compare("=", x, it.Eval(e), i.X.Type(), it.Type()); {
		case c.True():
			return c
		case c.K == value.Null:
			null = true
		}
	}
	if null {
		return value.Value{}
	}
	return value.OfBool(false)
}

// Type is bool.
func (i *In) Type() value.Type { return value.TBool }
func (i *In) String() string   { return call("in", append([]Expr{i.X}, i.List...)) }

// Cast makes a value of another type of it.
type Cast struct {
	X Expr
	T value.Type
	// Mod is the number of digits behind the point of numeric(p, s), -1 for none.
	Mod int
}

// Eval casts.
func (c *Cast) Eval(e *Env) value.Value {
	v := c.X.Eval(e)
	if v.K == value.Null {
		return v
	}
	out, err := value.Cast(v, c.T)
	if err != nil {
		return e.fail(err)
	}
	if c.Mod >= 0 && out.K == value.Numeric {
		out = value.Round(out, c.Mod)
	}
	return out
}

// Type is the type.
func (c *Cast) Type() value.Type { return c.T }
func (c *Cast) String() string {
	return call("cast "+c.T.String()+strconv.Itoa(c.Mod), []Expr{c.X})
}

// Path is what a path leads to in a text: dynamic, or its text for ->>.
type Path struct {
	X    Expr
	Path jsonpath.Path
	Text bool // ->>
	Raw  bool // ->: keeps JSON null
}

// Eval finds it.
func (p *Path) Eval(e *Env) value.Value {
	x := p.X.Eval(e)
	if x.K != value.Text && x.K != value.JSON && x.K != value.Array {
		return value.Value{}
	}
	if p.Raw {
		raw, ok := jsonpath.Raw(x.S, p.Path)
		if !ok {
			return value.Value{}
		}
		return value.OfJSON(raw)
	}
	v := jsonpath.Get(x.S, p.Path)
	if p.Text {
		return textOf(v)
	}
	return v
}

// Type follows from the operator.
func (p *Path) Type() value.Type {
	switch {
	case p.Text:
		return value.TText
	case p.Raw:
		return value.TJSON
	}
	return value.Dynamic
}
func (p *Path) String() string {
	return call("path"+strconv.FormatBool(p.Text)+strconv.FormatBool(p.Raw)+p.Path.String(), []Expr{p.X})
}

// Query is a query within an expression.
type Query struct {
	Node  Node
	Kind  QueryKind
	X     Expr   // of In
	Op    string // of In and All
	T     value.Type
	Outer bool // it looks at the row around it
}

// QueryKind is how a query is used.
type QueryKind uint8

// The uses of queries.
const (
	Scalar QueryKind = iota
	Exists
	Any
	All
	ToArray
)

// Eval runs the query, once if it looks at no row around it.
func (q *Query) Eval(e *Env) value.Value {
	rows, ok := e.cached[q]
	if !ok || q.Outer {
		limit := 0
		switch q.Kind {
		case Exists:
			limit = 1
		case Scalar:
			limit = 2
		}
		var err error
		if rows, err = e.Run(e, q.Node, limit, !q.Outer); err != nil {
			return e.fail(err)
		}
		if !q.Outer {
			if e.cached == nil {
				e.cached = map[*Query][][]value.Value{}
			}
			e.cached[q] = rows
		}
	}
	switch q.Kind {
	case Exists:
		return value.OfBool(len(rows) > 0)
	case Scalar:
		if len(rows) > 1 {
			return e.fail(value.Errorf(value.Cardinality, "more than one row returned by a subquery used as an expression"))
		}
		if len(rows) == 0 {
			return value.Value{}
		}
		return rows[0][0]
	case ToArray:
		b := []byte{'['}
		for i, r := range rows {
			if i > 0 {
				b = append(b, ',')
			}
			b = r[0].AppendJSON(b)
		}
		return value.Value{K: value.Array, S: string(append(b, ']'))}
	}
	return q.quantified(e, rows)
}

func (q *Query) quantified(e *Env, rows [][]value.Value) value.Value {
	x, null := q.X.Eval(e), false
	t := q.Node.Columns()[0].Type
	for _, r := range rows {
		c := compare(q.Op, x, r[0], q.X.Type(), t)
		switch {
		case c.K == value.Null:
			null = true
		case c.True() == (q.Kind == Any):
			return c
		}
	}
	if null {
		return value.Value{}
	}
	return value.OfBool(q.Kind == All)
}

// Type is that of its column, or bool.
func (q *Query) Type() value.Type { return q.T }
func (q *Query) String() string   { return "query" + strconv.FormatInt(int64(uintptrOf(q)), 16) }
