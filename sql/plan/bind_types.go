package plan

import (
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/value"
)

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
