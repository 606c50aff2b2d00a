package plan

import (
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/value"
)

type typeOf = value.Type

const (
	dynamicType = value.Dynamic
	boolType    = value.TBool
)

// expr binds an expression. Errors carry its place.
func (b *Binder) expr(s *scope, x parse.Expr) (Expr, error) {
	out, err := b.bound(s, x)
	if e, ok := err.(*value.Error); ok && e.Position == 0 {
		c := *e
		err = c.At(x.At())
	}
	return out, err
}

func (b *Binder) bound(s *scope, x parse.Expr) (Expr, error) {
	if s.group != nil {
		if out, err := b.grouped(s, x); out != nil || err != nil {
			return out, err
		}
	}
	switch x := x.(type) {
	case *parse.Literal:
		return literal(x)
	case *parse.Param:
		for len(b.Params) < x.N {
			b.Params = append(b.Params, value.Unknown)
		}
		return &Param{x.N, b.Params[x.N-1]}, nil
	case *parse.Name:
		if s.group != nil {
			return nil, value.Errorf(value.GroupingError, "column %q must appear in the GROUP BY clause or be used in an aggregate function", strings.Join(x.Parts, "."))
		}
		return b.name(s, x)
	case *parse.Unary:
		return b.unary(s, x)
	case *parse.Binary:
		return b.binary(s, x)
	case *parse.Is:
		return b.is(s, x)
	case *parse.In:
		return b.in(s, x)
	case *parse.Case:
		return b.caseOf(s, x)
	case *parse.Cast:
		return b.cast(s, x)
	case *parse.Call:
		return b.call(s, x)
	case *parse.List:
		return b.list(s, x)
	case *parse.Subscript:
		return b.subscript(s, x)
	case *parse.Exists:
		return b.query(s, x.Query, &Query{Kind: Exists, T: value.TBool})
	case *parse.Subquery:
		q := &Query{Kind: Scalar}
		if x.Array {
			q.Kind = ToArray
		}
		return b.query(s, x.Query, q)
	case *parse.Quantified:
		return b.quantified(s, x)
	case *parse.Star:
		return nil, value.Errorf(value.SyntaxError, "* is not allowed here")
	}
	return nil, value.Errorf(value.NotSupported, "this expression is not supported")
}

func (b *Binder) is(s *scope, x *parse.Is) (Expr, error) {
	in, err := b.expr(s, x.X)
	if err != nil {
		return nil, err
	}
	if x.What == "DISTINCT" {
		y, err := b.expr(s, x.Y)
		if err != nil {
			return nil, err
		}
		c, err := b.comparison("=", in, y)
		if err != nil {
			return nil, err
		}
		cmp := c.(*Compare)
		cmp.Op = "distinct"
		if x.Not {
			cmp.Op = "not distinct"
		}
		return cmp, nil
	}
	if x.What != "NULL" {
		if in, err = b.boolean(in, "IS "+x.What, x.At()); err != nil {
			return nil, err
		}
	} else if in.Type() == value.Unknown {
		in, _ = b.to(in, value.TText)
	}
	return &Is{in, x.What, x.Not}, nil
}

func (b *Binder) in(s *scope, x *parse.In) (Expr, error) {
	negated := func(e Expr) Expr {
		if x.Not {
			return &Not{e}
		}
		return e
	}
	left, err := b.expr(s, x.X)
	if err != nil {
		return nil, err
	}
	if x.Query != nil {
		q, err := b.query(s, x.Query, &Query{Kind: Any, Op: "=", X: left, T: value.TBool})
		if err != nil {
			return nil, err
		}
		return negated(q), nil
	}
	out := &In{X: left}
	for _, it := range x.List {
		r, err := b.expr(s, it)
		if err != nil {
			return nil, err
		}
		c, err := b.comparison("=", left, r)
		if err != nil {
			return nil, err
		}
		out.X, r = c.(*Compare).L, c.(*Compare).R
		out.List = append(out.List, r)
	}
	return negated(out), nil
}

func (b *Binder) caseOf(s *scope, x *parse.Case) (Expr, error) {
	out := &Case{}
	var results []Expr
	for _, w := range x.Whens {
		var cond Expr
		var err error
		if x.X != nil {
			cond, err = b.expr(s, &parse.Binary{Pos: parse.Pos(w[0].At()), Op: "=", L: x.X, R: w[0]})
		} else {
			cond, err = b.condition(s, w[0], "CASE/WHEN")
		}
		if err != nil {
			return nil, err
		}
		r, err := b.expr(s, w[1])
		if err != nil {
			return nil, err
		}
		results = append(results, r)
		out.Whens = append(out.Whens, [2]Expr{cond, r})
	}
	if x.Else != nil {
		r, err := b.expr(s, x.Else)
		if err != nil {
			return nil, err
		}
		out.Else = r
		results = append(results, r)
	}
	var err error
	if out.T, err = b.unify(results, "CASE"); err != nil {
		return nil, err
	}
	for i := range out.Whens {
		if out.Whens[i][1], err = b.convert(out.Whens[i][1], out.T); err != nil {
			return nil, err
		}
	}
	if out.Else != nil {
		out.Else, err = b.convert(out.Else, out.T)
	}
	return out, err
}

func (b *Binder) cast(s *scope, x *parse.Cast) (Expr, error) {
	t, ok := value.ParseType(x.Type)
	if !ok {
		return nil, value.Errorf("42704", "type %q does not exist", x.Type)
	}
	in, err := b.expr(s, x.X)
	if err != nil {
		return nil, err
	}
	if x.Array {
		t = value.ArrayOf(t)
	}
	mod := -1
	if t == value.TNumeric && len(x.Mods) > 0 {
		mod = 0
		if len(x.Mods) > 1 {
			mod, _ = strconv.Atoi(x.Mods[1])
		}
	}
	if t == value.TRegclass || t == value.TRegtype || t == value.TRegproc {
		if c, ok := in.(*Const); ok && c.V.K == value.Text {
			if oid, ok := b.regOID(t, c.V.S); ok {
				return &Const{value.OfInt(oid), t}, nil
			}
			if _, err := strconv.Atoi(c.V.S); err != nil {
				return nil, value.Errorf(value.UndefinedTable, "%q does not exist", c.V.S)
			}
		}
	}
	if in.Type() == value.Unknown {
		if in, err = b.to(in, t); err != nil || mod < 0 {
			return in, err
		}
	}
	if in.Type() == t && mod < 0 {
		return in, nil
	}
	return &Cast{in, t, mod}, nil
}

// regOID is the number of what has one; the catalogue's tables know it.
func (b *Binder) regOID(t value.Type, name string) (int64, bool) {
	if b.OIDs == nil {
		return 0, false
	}
	return b.OIDs(t, name)
}

func (b *Binder) list(s *scope, x *parse.List) (Expr, error) {
	if x.Row {
		return nil, value.Errorf(value.NotSupported, "rows are not supported as values")
	}
	args := make([]Expr, len(x.Items))
	for i, it := range x.Items {
		var err error
		if args[i], err = b.expr(s, it); err != nil {
			return nil, err
		}
	}
	t, err := b.unify(args, "ARRAY")
	if err != nil {
		return nil, err
	}
	for i := range args {
		if args[i], err = b.convert(args[i], t); err != nil {
			return nil, err
		}
	}
	return fold(&Func{F: &arrayFunction, Args: args, T: value.ArrayOf(t)}), nil
}

var arrayFunction = Function{Name: "array", nulls: true, eval: makeArray(value.Array)}

var elementFunction = Function{Name: "element", eval: func(_ *Env, a []value.Value) (value.Value, error) {
	n := int64(0)
	for v := range value.Elements(a[0].S) {
		if n++; n == a[1].N {
			return v, nil
		}
	}
	return value.Value{}, nil
}}

func (b *Binder) subscript(s *scope, x *parse.Subscript) (Expr, error) {
	if n, ok := x.X.(*parse.Name); ok && strings.EqualFold(n.Parts[len(n.Parts)-1], "headers") {
		if key, ok := x.Index.(*parse.Literal); ok && key.Kind == parse.String {
			in, err := b.expr(s, x.X)
			if err != nil {
				return nil, err
			}
			return &Func{F: &headerFunction, Args: []Expr{in, &Const{value.OfText(key.Text), value.TText}}, T: value.TText}, nil
		}
	}
	in, err := b.expr(s, x.X)
	if err != nil {
		return nil, err
	}
	if x.To != nil || x.Index == nil {
		return nil, value.Errorf(value.NotSupported, "slices of arrays are not supported")
	}
	at, err := b.expr(s, x.Index)
	if err != nil {
		return nil, err
	}
	if at, err = b.coerce(at, 'i'); err != nil {
		return nil, err
	}
	if !in.Type().Array() && in.Type() != value.Dynamic {
		return nil, value.Errorf(value.DatatypeMismatch, "cannot subscript type %s because it does not support subscripting", in.Type())
	}
	t := in.Type().Elem()
	if in.Type() == value.Dynamic {
		t = value.Dynamic
	}
	return &Func{F: &elementFunction, Args: []Expr{in, at}, T: t}, nil
}

// headerFunction is the value of the last header of a name, of an array of pairs.
var headerFunction = Function{Name: "header", eval: func(_ *Env, a []value.Value) (value.Value, error) {
	var found value.Value
	for pair := range value.RawElements(a[0].S) {
		i := 0
		match := false
		for v := range value.Elements(pair) {
			if i == 0 {
				match = v.S == a[1].S
			} else if match {
				found = textOf(v)
			}
			i++
		}
	}
	return found, nil
}}

func (b *Binder) query(s *scope, q *parse.Query, out *Query) (Expr, error) {
	inner := &scope{outer: s, used: &out.Outer}
	node, err := b.selectQuery(inner, q)
	if err != nil {
		return nil, err
	}
	cols := node.Columns()
	if len(cols) != 1 && out.Kind != Exists {
		return nil, value.Errorf(value.SyntaxError, "subquery must return only one column")
	}
	out.Node = node
	switch out.Kind {
	case Scalar:
		out.T = cols[0].Type
	case ToArray:
		out.T = value.ArrayOf(cols[0].Type)
	case Any, All:
		if !comparable(out.X.Type(), cols[0].Type) {
			return nil, noOperator(out.Op, out.X, &Const{T: cols[0].Type})
		}
	}
	return out, nil
}

func (b *Binder) quantified(s *scope, x *parse.Quantified) (Expr, error) {
	left, err := b.expr(s, x.X)
	if err != nil {
		return nil, err
	}
	kind := Any
	if x.All {
		kind = All
	}
	if x.Query != nil {
		return b.query(s, x.Query, &Query{Kind: kind, Op: x.Op, X: left, T: value.TBool})
	}
	arr, err := b.expr(s, x.Array)
	if err != nil {
		return nil, err
	}
	if arr.Type() == value.Unknown {
		if arr, err = b.to(arr, value.ArrayOf(left.Type())); err != nil {
			return nil, err
		}
	}
	return &anyOf{left, arr, x.Op, x.All}, nil
}

// anyOf is x op ANY (array).
type anyOf struct {
	x, array Expr
	op       string
	all      bool
}

// Eval compares with each element.
func (a *anyOf) Eval(e *Env) value.Value {
	x, list := a.x.Eval(e), a.array.Eval(e)
	if x.IsNull() || list.IsNull() {
		return value.Value{}
	}
	null := false
	for v := range value.Elements(list.S) {
		c := compare(a.op, x, v, a.x.Type(), a.array.Type().Elem())
		switch {
		case c.IsNull():
			null = true
		case c.True() != a.all:
			return c
		}
	}
	if null {
		return value.Value{}
	}
	return value.OfBool(a.all)
}

// Type is bool.
func (a *anyOf) Type() value.Type { return value.TBool }
func (a *anyOf) String() string {
	return call(a.op+"any"+strconv.FormatBool(a.all), []Expr{a.x, a.array})
}
