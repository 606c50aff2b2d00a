package plan

import (
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/sql/jsonpath"
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

func literal(x *parse.Literal) (Expr, error) {
	switch x.Kind {
	case parse.Null:
		return &Const{value.Value{}, value.Unknown}, nil
	case parse.String:
		return &Const{value.OfText(x.Text), value.Unknown}, nil
	case parse.Bool:
		return &Const{value.OfBool(x.Text == "true"), value.TBool}, nil
	}
	if n, err := strconv.ParseInt(x.Text, 10, 64); err == nil {
		if n == int64(int32(n)) {
			return &Const{value.OfInt(n), value.TInt4}, nil
		}
		return &Const{value.OfInt(n), value.TInt8}, nil
	}
	v, ok := value.ParseNumber(x.Text)
	if !ok {
		return nil, value.Errorf(value.OutOfRange, "number %s is out of range", x.Text)
	}
	if v.K == value.Float {
		return &Const{v, value.TFloat8}, nil
	}
	return &Const{v, value.TNumeric}, nil
}

// coerce brings an expression to a class of arguments.
func (b *Binder) coerce(x Expr, class byte) (Expr, error) {
	switch t := x.Type(); {
	case t == value.Unknown:
		if strings.IndexByte("ajdt", class) >= 0 {
			return b.to(x, value.TText)
		}
		return b.to(x, classType(class))
	case t == value.Dynamic && strings.IndexByte("ajd", class) < 0:
		return &Use{x, class}, nil
	case class == 't' && t != value.TText && t.Textual():
		return x, nil
	}
	return x, nil
}

// to makes of a literal or parameter without a type one of type t.
func (b *Binder) to(x Expr, t value.Type) (Expr, error) {
	switch x := x.(type) {
	case *Const:
		if x.T != value.Unknown {
			return x, nil
		}
		if x.V.IsNull() {
			return &Const{x.V, t}, nil
		}
		v, err := value.Cast(x.V, t)
		if err != nil {
			return nil, err
		}
		return &Const{v, t}, nil
	case *Param:
		if b.Params[x.N-1] == value.Unknown {
			b.Params[x.N-1] = t
		}
		return &Param{x.N, b.Params[x.N-1]}, nil
	}
	return x, nil
}

// function makes a call of a function by name.
func (b *Binder) function(name string, args ...Expr) (Expr, error) {
	f, classes, err := choose(name, args)
	if err != nil {
		return nil, err
	}
	out := &Func{F: f, Args: make([]Expr, len(args)), T: f.Result}
	if f.same {
		t, err := b.unify(args, name)
		if err != nil {
			return nil, err
		}
		for i := range args {
			if out.Args[i], err = b.convert(args[i], t); err != nil {
				return nil, err
			}
		}
		out.T = t
		if f.Result != value.Unknown {
			out.T = f.Result
		}
		return out, nil
	}
	for i, a := range args {
		if out.Args[i], err = b.coerce(a, classes[i]); err != nil {
			return nil, err
		}
	}
	if out.T == value.Unknown {
		out.T = numberType(out.Args)
	}
	return fold(out), nil
}

// numberType is what comes out of numbers.
func numberType(args []Expr) value.Type {
	t := value.TInt8
	for _, a := range args {
		switch a.Type() {
		case value.TFloat8:
			return value.TFloat8
		case value.TNumeric, value.Dynamic:
			t = value.TNumeric
		}
	}
	return t
}

// fold works out what has only constants.
func fold(f *Func) Expr {
	if f.F.volatile || f.F.Name == "json_extract" {
		return f
	}
	for _, a := range f.Args {
		if _, ok := a.(*Const); !ok {
			return f
		}
	}
	e := Env{Shared: &Shared{}}
	v := f.Eval(&e)
	if e.Err != nil {
		return f // it fails when it is asked for
	}
	return &Const{v.Clone(), f.T}
}

// unify finds the type that holds all.
func (b *Binder) unify(list []Expr, what string) (value.Type, error) {
	t := value.Unknown
	for _, x := range list {
		next := x.Type()
		switch {
		case next == value.Unknown || next == t:
		case t == value.Unknown:
			t = next
		case t.Numeric() && next.Numeric():
			t = numberType([]Expr{&Const{T: t}, &Const{T: next}})
		case t == value.Dynamic || next == value.Dynamic:
			t = value.Dynamic
		case t.Textual() && next.Textual():
			t = value.TText
		case t == value.TTimestamp && next == value.TTimestamptz, t == value.TTimestamptz && next == value.TTimestamp,
			t == value.TDate && (next == value.TTimestamp || next == value.TTimestamptz), next == value.TDate && (t == value.TTimestamp || t == value.TTimestamptz):
			t = value.TTimestamptz
		case (t == value.TJSON || t == value.TJSONB) && (next == value.TJSON || next == value.TJSONB):
			t = value.TJSONB
		default:
			return t, value.Errorf(value.DatatypeMismatch, "%s types %s and %s cannot be matched", what, t, next)
		}
	}
	if t == value.Unknown {
		t = value.TText
	}
	return t, nil
}

// convert brings an expression to the type that was found for several.
func (b *Binder) convert(x Expr, t value.Type) (Expr, error) {
	from := x.Type()
	switch {
	case from == t || t == value.Dynamic && from != value.Unknown:
		return x, nil
	case from == value.Unknown && t == value.Dynamic:
		return b.to(x, value.TText)
	case from == value.Unknown:
		return b.to(x, t)
	case t.Textual() && from.Textual() || from == value.TInt4 && t == value.TInt8:
		return x, nil
	}
	return &Cast{x, t, -1}, nil
}

// condition binds what has to be a bool.
func (b *Binder) condition(s *scope, x parse.Expr, what string) (Expr, error) {
	out, err := b.expr(s, x)
	if err != nil {
		return nil, err
	}
	return b.boolean(out, what, x.At())
}

func (b *Binder) boolean(x Expr, what string, at int) (Expr, error) {
	switch t := x.Type(); t {
	case value.TBool:
		return x, nil
	case value.Dynamic, value.Unknown:
		return b.coerce(x, 'b')
	default:
		return nil, value.Errorf(value.DatatypeMismatch, "argument of %s must be type boolean, not type %s", what, t).At(at)
	}
}

func (b *Binder) unary(s *scope, x *parse.Unary) (Expr, error) {
	if x.Op == "NOT" {
		in, err := b.condition(s, x.X, "NOT")
		if err != nil {
			return nil, err
		}
		return &Not{in}, nil
	}
	in, err := b.expr(s, x.X)
	if err != nil || x.Op == "+" {
		return in, err
	}
	return b.function("neg", in)
}

func (b *Binder) pair(s *scope, l, r parse.Expr) (Expr, Expr, error) {
	left, err := b.expr(s, l)
	if err != nil {
		return nil, nil, err
	}
	right, err := b.expr(s, r)
	return left, right, err
}

func (b *Binder) binary(s *scope, x *parse.Binary) (Expr, error) {
	switch x.Op {
	case "AND", "OR":
		l, err := b.condition(s, x.L, x.Op)
		if err != nil {
			return nil, err
		}
		r, err := b.condition(s, x.R, x.Op)
		if err != nil {
			return nil, err
		}
		return &Logic{x.Op == "OR", l, r}, nil
	case "->", "->>", "#>", "#>>":
		return b.arrow(s, x)
	}
	l, r, err := b.pair(s, x.L, x.R)
	if err != nil {
		return nil, err
	}
	switch x.Op {
	case "=", "<>", "<", "<=", ">", ">=":
		return b.comparison(x.Op, l, r)
	case "LIKE", "ILIKE", "~", "~*", "!~", "!~*":
		return b.matching(x.Op, l, r)
	case "||":
		if l.Type() == value.Unknown && r.Type() == value.Unknown {
			l, _ = b.to(l, value.TText)
		}
	case "@>", "<@", "|", "&":
		return nil, value.Errorf(value.NotSupported, "operator %s is not supported", x.Op)
	}
	if strings.Contains("+-", x.Op) && (l.Type() == value.Unknown) != (r.Type() == value.Unknown) {
		if l, r, err = b.besideTime(l, r); err != nil {
			return nil, err
		}
	}
	out, err := b.function(x.Op, l, r)
	if e, ok := err.(*value.Error); ok && e.Code == value.UndefinedFunction {
		return nil, noOperator(x.Op, l, r)
	}
	return out, err
}

// besideTime takes a literal beside a timestamp for an interval: ts - '5 minutes'.
func (b *Binder) besideTime(l, r Expr) (Expr, Expr, error) {
	time := func(t value.Type) bool { return t == value.TTimestamp || t == value.TTimestamptz || t == value.TDate }
	var err error
	switch {
	case time(l.Type()):
		if c, ok := r.(*Const); ok {
			if _, e := value.ParseTime(c.V.S); e == nil {
				r, err = b.to(r, value.TTimestamptz)
				break
			}
		}
		r, err = b.to(r, value.TInterval)
	case time(r.Type()):
		l, err = b.to(l, value.TInterval)
	}
	return l, r, err
}

func noOperator(op string, l, r Expr) error {
	err := value.Errorf(value.UndefinedFunction, "operator does not exist: %s %s %s", l.Type(), op, r.Type())
	if l.Type() == value.TText || r.Type() == value.TText {
		return err.WithHint("a text is no number: cast it, as in (value->>'amount')::numeric")
	}
	return err
}

func (b *Binder) comparison(op string, l, r Expr) (Expr, error) {
	tl, tr := l.Type(), r.Type()
	var err error
	switch {
	case tl == value.Unknown && tr == value.Unknown:
		l, _ = b.to(l, value.TText)
		r, _ = b.to(r, value.TText)
	case tl == value.Unknown && tr != value.Dynamic:
		l, err = b.to(l, tr)
	case tr == value.Unknown && tl != value.Dynamic:
		r, err = b.to(r, tl)
	case tl == value.Unknown:
		l, _ = b.to(l, value.TText)
	case tr == value.Unknown:
		r, _ = b.to(r, value.TText)
	}
	if err != nil {
		return nil, err
	}
	if !comparable(l.Type(), r.Type()) {
		return nil, noOperator(op, l, r)
	}
	return &Compare{op, l, r}, nil
}

func comparable(a, b value.Type) bool {
	group := func(t value.Type) int {
		switch {
		case t.Numeric():
			return 1
		case t.Textual():
			return 2
		case t == value.TTimestamp || t == value.TTimestamptz || t == value.TDate:
			return 3
		case t == value.TJSON || t == value.TJSONB:
			return 4
		case t.Array():
			return 5
		}
		return 10 + int(t)
	}
	return a == value.Dynamic || b == value.Dynamic || group(a) == group(b)
}

// pattern functions behind operators.
var likeFunction = Function{Name: "LIKE", eval: func(_ *Env, a []value.Value) (value.Value, error) {
	return value.OfBool(like(a[0].S, a[1].S, `\`, false)), nil
}}
var ilikeFunction = Function{Name: "ILIKE", eval: func(_ *Env, a []value.Value) (value.Value, error) {
	return value.OfBool(like(a[0].S, a[1].S, `\`, true)), nil
}}
var regexFunction = Function{Name: "~", eval: func(e *Env, a []value.Value) (value.Value, error) { return matches(e, a[0].S, a[1].S) }}
var iregexFunction = Function{Name: "~*", eval: func(e *Env, a []value.Value) (value.Value, error) {
	return matches(e, a[0].S, "(?i)"+a[1].S)
}}

func (b *Binder) matching(op string, l, r Expr) (Expr, error) {
	for _, x := range []*Expr{&l, &r} {
		if t := (*x).Type(); !t.Textual() && t != value.Dynamic {
			return nil, noOperator(op, l, r)
		}
		var err error
		if *x, err = b.coerce(*x, 't'); err != nil {
			return nil, err
		}
	}
	f := map[string]*Function{"LIKE": &likeFunction, "ILIKE": &ilikeFunction, "~": &regexFunction, "!~": &regexFunction, "~*": &iregexFunction, "!~*": &iregexFunction}[op]
	out := Expr(&Func{F: f, Args: []Expr{l, r}, T: value.TBool})
	if op[0] == '!' {
		return &Not{out}, nil
	}
	return out, nil
}

// arrow binds ->, ->>, #> and #>>. A path into a topic's value becomes a column of its scan.
func (b *Binder) arrow(s *scope, x *parse.Binary) (Expr, error) {
	base, p, ok := arrowPath(x)
	if !ok {
		l, r, err := b.pair(s, x.L, x.R)
		if err != nil {
			return nil, err
		}
		return b.function(x.Op, l, r)
	}
	if x.Op == "->>" || x.Op == "#>>" {
		if r := b.valueOf(s, base); r != nil {
			return &Use{r.path(p), 't'}, nil
		}
	}
	in, err := b.expr(s, base)
	if err != nil {
		return nil, err
	}
	if t := in.Type(); !t.Textual() && t != value.Dynamic && t != value.TJSON && t != value.TJSONB && !t.Array() {
		return nil, value.Errorf(value.UndefinedFunction, "operator does not exist: %s %s", t, x.Op)
	}
	return &Path{X: in, Path: p, Text: x.Op == "->>" || x.Op == "#>>", Raw: x.Op == "->" || x.Op == "#>"}, nil
}

// arrowPath reads a chain of arrows with constants into a path.
func arrowPath(x parse.Expr) (base parse.Expr, p jsonpath.Path, ok bool) {
	a, is := x.(*parse.Binary)
	if !is || !(strings.HasPrefix(a.Op, "->") || strings.HasPrefix(a.Op, "#>")) {
		return x, nil, true
	}
	if l, is := a.L.(*parse.Binary); is && (l.Op == "->>" || l.Op == "#>>") {
		base = a.L
	} else if base, p, ok = arrowPath(a.L); !ok {
		return nil, nil, false
	}
	key, is := a.R.(*parse.Literal)
	if !is {
		return nil, nil, false
	}
	if a.Op[0] == '#' {
		for part := range strings.SplitSeq(strings.Trim(key.Text, "{}"), ",") {
			step := jsonpath.Step{Key: strings.Trim(part, `" `)}
			if n, err := strconv.Atoi(step.Key); err == nil {
				step = jsonpath.Step{Index: n, Array: true}
			}
			p = append(p, step)
		}
		return base, p, true
	}
	if key.Kind == parse.Number {
		n, err := strconv.Atoi(key.Text)
		return base, append(p, jsonpath.Step{Index: n, Array: true}), err == nil
	}
	return base, append(p, jsonpath.Step{Key: key.Text}), key.Kind == parse.String
}

// valueOf is the topic whose value an expression is; nil: it is something else.
func (b *Binder) valueOf(s *scope, x parse.Expr) *relation {
	n, ok := x.(*parse.Name)
	if !ok || s.group != nil || len(n.Parts) > 2 {
		return nil
	}
	last := strings.ToLower(strings.TrimPrefix(n.Parts[len(n.Parts)-1], "_"))
	if last != "value" {
		return nil
	}
	var found *relation
	for _, r := range s.rels {
		if len(n.Parts) == 2 && !strings.EqualFold(r.alias, n.Parts[0]) {
			continue
		}
		if r.topic == nil {
			if _, _, ok := r.find(last, false); ok {
				return nil
			}
			continue
		}
		for _, c := range r.topic.Declared {
			if c.Name == last {
				return nil
			}
		}
		if found != nil {
			return nil
		}
		found = r
	}
	return found
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
