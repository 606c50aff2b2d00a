package plan

import (
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/sql/value"
)

// Function is one row of the table of functions: the parser, the planner, docs/sql.md and
// completion go by it.
type Function struct {
	Name string
	// Args are the classes of arguments, a letter each: t text, n number, i whole number, f
	// float8, b bool, j JSON or text, T timestamp, I interval, a anything, A array, d what
	// holds a vector. What follows ? may be left out; * repeats the one before it.
	Args string
	// Result is the type, or Unknown for that of the first argument.
	Result value.Type
	Group  string // of the docs
	Doc    string
	// Example is an expression and what it gives, as text.
	Example, Gives string

	volatile bool
	nulls    bool // it sees NULL; else NULL among the arguments gives NULL
	same     bool // all arguments are brought to one type, which the result has
	eval     func(e *Env, a []value.Value) (value.Value, error)
}

var functions = map[string][]*Function{}

// Functions are all, by group and name.
func Functions() []*Function {
	var out []*Function
	for _, list := range functions {
		out = append(out, list...)
	}
	slices.SortFunc(out, func(a, b *Function) int {
		if c := strings.Compare(a.Group, b.Group); c != 0 {
			return c
		}
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Args, b.Args)
	})
	return out
}

func register(group string, list []Function) {
	for i := range list {
		f := &list[i]
		f.Group = group
		functions[f.Name] = append(functions[f.Name], f)
	}
}

// function aliases.
var functionAliases = map[string]string{
	"char_length": "length", "character_length": "length", "len": "length", "ceiling": "ceil", "pow": "power", "substr": "substring",
	"l2_norm": "vector_norm", "ifnull": "coalesce", "nvl": "coalesce", "mean": "avg", "std": "stddev", "var_samp": "variance",
	"stddev_samp": "stddev", "every": "bool_and", "any_value": "first", "string_to_list": "string_to_array", "ln_": "ln",
	"l2_distance": "euclidean_distance", "inner_product": "dot_product", "regexp_matches": "regexp_match", "max_by": "arg_max", "min_by": "arg_min",
	"group_concat": "string_agg", "date_part": "extract", "current_role": "current_user", "user": "current_user", "session_user": "current_user",
	"current_database": "current_catalog", "localtimestamp": "now", "current_timestamp": "now", "transaction_timestamp": "now",
	"statement_timestamp": "now", "clock_timestamp": "now", "strpos_": "strpos",
}

// fits says whether a type may stand where a class is asked for, and how well: lower is better.
func fits(class byte, t value.Type) (cost int, ok bool) {
	if t == value.Dynamic {
		return 2, true
	}
	if class == 'a' {
		return 3, true
	}
	switch class {
	case 't':
		if t == value.Unknown {
			return 0, true
		}
		return 0, t.Textual()
	case 'n':
		if t == value.Unknown {
			return 2, true
		}
		return 0, t.Numeric()
	case 'i':
		if t == value.Unknown {
			return 2, true
		}
		return 0, t.Numeric() && t != value.TFloat8 && t != value.TNumeric
	case 'f':
		if t == value.Unknown {
			return 2, true
		}
		return 1, t.Numeric()
	case 'b':
		return 1, t == value.TBool || t == value.Unknown
	case 'j':
		return 1, t == value.TJSON || t == value.TJSONB || t.Textual()
	case 'T':
		return 1, t == value.TTimestamp || t == value.TTimestamptz || t == value.TDate || t == value.Unknown
	case 'I':
		return 1, t == value.TInterval || t == value.Unknown
	case 'A':
		return 1, t.Array() || t == value.Unknown
	case 'd':
		return 1, t.Array() || t.Textual() || t == value.TJSON || t == value.TJSONB
	}
	return 0, false
}

// classes has a letter per argument of a call with n of them; false: it takes another number.
func classes(args string, n int) (string, bool) {
	fixed, optional, _ := strings.Cut(args, "?")
	all := fixed + optional
	if star := strings.IndexByte(all, '*'); star >= 0 {
		for len(all)-1 < n {
			all = all[:star] + all[star-1:star] + all[star:]
		}
		all = strings.Replace(all, "*", "", 1)
		least := strings.TrimSuffix(fixed, "*")
		return all[:min(n, len(all))], n >= len(least) && n <= len(all)
	}
	return all[:min(n, len(all))], n >= len(fixed) && n <= len(all)
}

// choose finds the function of a name that fits arguments best.
func choose(name string, args []Expr) (*Function, string, error) {
	if a, ok := functionAliases[name]; ok {
		name = a
	}
	var best *Function
	var bestClasses string
	least := 1 << 30
	for _, f := range functions[name] {
		c, ok := classes(f.Args, len(args))
		if !ok {
			continue
		}
		cost := 0
		for i, a := range args {
			n, fit := fits(c[i], a.Type())
			if !fit {
				ok = false
				break
			}
			cost += n
		}
		if ok && cost < least {
			best, bestClasses, least = f, c, cost
		}
	}
	if best != nil {
		return best, bestClasses, nil
	}
	return nil, "", undefined(name, args)
}

func undefined(name string, args []Expr) error {
	types := make([]string, len(args))
	textual := false
	for i, a := range args {
		types[i] = a.Type().String()
		textual = textual || a.Type() == value.TText
	}
	err := value.Errorf(value.UndefinedFunction, "function %s(%s) does not exist", name, strings.Join(types, ", "))
	list := functions[name]
	_, isAgg := aggregates[name]
	switch {
	case len(list) == 0 && !isAgg:
		if n := Near(name, names()); n != "" {
			return err.WithHint("did you mean %s?", n)
		}
	case textual:
		return err.WithHint("a text is no number: cast it, as in (%s)::numeric", "value->>'amount'")
	}
	return err.WithHint("no function of that name takes these arguments; SHOW FUNCTIONS lists them")
}

func names() []string {
	var out []string
	for n := range functions {
		out = append(out, n)
	}
	for n := range aggregates {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// Near is the name that a word was probably meant for; empty: none is near.
func Near(word string, names []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, n := range names {
		if d := distance(strings.ToLower(word), strings.ToLower(n), least); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is the number of letters to change, or most.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most || len(a) > 100 {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			next := min(row[j]+1, row[j+1]+1)
			if a[i] == b[j] {
				next = min(next, last)
			} else {
				next = min(next, last+1)
			}
			last, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}

// classType is the type that a literal takes where a class is asked for.
func classType(class byte) value.Type {
	switch class {
	case 'n':
		return value.TNumeric
	case 'i':
		return value.TInt8
	case 'f':
		return value.TFloat8
	case 'b':
		return value.TBool
	case 'T':
		return value.TTimestamptz
	case 'I':
		return value.TInterval
	case 'A':
		return value.TFloat8Array
	}
	return value.TText
}

// usable brings a dynamic value to a class: what does not fit is NULL.
func usable(class byte, v value.Value) value.Value {
	switch class {
	case 't':
		return textOf(v)
	case 'n', 'f':
		if v.Number() {
			return v
		}
	case 'i':
		if v.Number() {
			if n, err := value.ToInt(v); err == nil {
				return n
			}
		}
	case 'b':
		if v.K == value.Bool {
			return v
		}
	case 'T':
		if v.K == value.Time || v.K == value.Date {
			return v
		}
		if v.K == value.Text {
			if t, err := value.ParseTime(v.S); err == nil {
				return t
			}
		}
	case 'I':
		if v.K == value.Interval {
			return v
		}
	default:
		return v
	}
	return value.Value{}
}

// Use is a dynamic value where a class is asked for.
type Use struct {
	X     Expr
	Class byte
}

// Eval is the value if it fits, else NULL.
func (u *Use) Eval(e *Env) value.Value { return usable(u.Class, u.X.Eval(e)) }

// Type is the class's.
func (u *Use) Type() value.Type { return classType(u.Class) }
func (u *Use) String() string   { return call("use "+string(u.Class), []Expr{u.X}) }
