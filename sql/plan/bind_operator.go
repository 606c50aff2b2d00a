package plan

import (
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/sql/jsonpath"
	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/value"
)

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
