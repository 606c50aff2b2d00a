package plan

import (
	"strings"

	"github.com/streamhouse/streamhouse/sql/jsonpath"
	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/value"
)

// windowOnly are functions that need OVER.
var windowOnly = map[string]bool{
	"row_number": true, "rank": true, "dense_rank": true, "percent_rank": true, "cume_dist": true, "ntile": true,
	"lag": true, "lead": true, "first_value": true, "last_value": true, "nth_value": true,
}

// statistics are functions over all rows that need no OVER.
var statistics = map[string]bool{"zscore": true, "anomaly": true, "moving_avg": true}

func canonical(name string) string {
	if a, ok := functionAliases[name]; ok {
		return a
	}
	return name
}

// isAggregate says whether a call is one of an aggregate of its query.
func isAggregate(c *parse.Call) bool {
	_, ok := aggregates[canonical(c.Name)]
	return ok && c.Over == nil
}

// isWindow says whether a call is worked out over rows that are there already.
func isWindow(c *parse.Call) bool { return c.Over != nil || statistics[c.Name] }

func (b *Binder) call(s *scope, c *parse.Call) (Expr, error) {
	name := canonical(c.Name)
	switch {
	case isWindow(c):
		return b.over(s, c)
	case windowOnly[name]:
		return nil, value.Errorf(value.WindowingError, "window function %s requires an OVER clause", name)
	case isAggregate(c):
		if s.aggFree != "" {
			return nil, value.Errorf(value.GroupingError, "aggregate functions are not allowed in %s", s.aggFree)
		}
		return nil, value.Errorf(value.GroupingError, "aggregate function %s is not allowed here", name)
	}
	if c.Star || c.Distinct || c.Filter != nil {
		return nil, value.Errorf(value.UndefinedFunction, "%s is no aggregate function", c.Name)
	}
	switch name {
	case "tumble", "tumble_start", "tumble_end", "hop", "hop_start", "hop_end", "session", "session_start", "session_end":
		return nil, value.Errorf(value.GroupingError, "%s names a window that GROUP BY does not have", strings.ToUpper(name)).
			WithHint("write GROUP BY TUMBLE(timestamp, '5 minutes')")
	case "json_extract", "json_value", "json_query":
		if x, err := b.extractPath(s, c); x != nil || err != nil {
			return x, err
		}
	}
	args := make([]Expr, len(c.Args))
	for i, a := range c.Args {
		var err error
		if args[i], err = b.expr(s, a); err != nil {
			return nil, err
		}
	}
	return b.function(c.Name, args...)
}

// extractPath binds json_extract with a constant path.
func (b *Binder) extractPath(s *scope, c *parse.Call) (Expr, error) {
	if len(c.Args) != 2 {
		return nil, nil
	}
	text, ok := c.Args[1].(*parse.Literal)
	if !ok || text.Kind != parse.String {
		return nil, nil
	}
	p, err := jsonpath.Parse(text.Text)
	if err != nil {
		return nil, err
	}
	if r := b.valueOf(s, c.Args[0]); r != nil && len(p) > 0 {
		return r.path(p), nil
	}
	in, err := b.expr(s, c.Args[0])
	if err != nil {
		return nil, err
	}
	if _, ok := fits('j', in.Type()); !ok {
		return nil, undefined("json_extract", []Expr{in, &Const{T: value.TText}})
	}
	return &Path{X: in, Path: p}, nil
}

// grouping is what rows become once they are groups: keys, then aggregates.
type grouping struct {
	in   *scope // of the rows that are grouped
	keys []Expr
	aggs []Agg
	// start and end are where a window's bounds are among the keys, -1: there is none. end is
	// worked out of start for a tumbling window.
	start  int
	end    Expr
	window string // "tumble", "hop", "session"
	named  bool   // the statement names the window or its bounds
	byText map[string]int
}

// grouped binds what is a key, a bound of the window, or an aggregate; nil: it is none.
func (b *Binder) grouped(s *scope, x parse.Expr) (Expr, error) {
	g := s.group
	if n, ok := x.(*parse.Name); ok && g.window != "" && len(n.Parts) == 1 {
		switch strings.ToLower(n.Parts[0]) {
		case "window_start":
			g.named = true
			return &Col{I: g.start, T: value.TTimestamptz}, nil
		case "window_end":
			g.named = true
			return g.end, nil
		}
	}
	c, isCall := x.(*parse.Call)
	if isCall && g.window != "" && c.Over == nil {
		if rest, ok := strings.CutPrefix(c.Name, g.window); ok {
			switch rest {
			case "", "_start":
				g.named = true
				return &Col{I: g.start, T: value.TTimestamptz}, nil
			case "_end":
				g.named = true
				return g.end, nil
			}
		}
	}
	if isCall && isAggregate(c) {
		return b.aggregate(s, c)
	}
	if _, lit := x.(*parse.Literal); lit || isCall && isWindow(c) {
		return nil, nil
	}
	// What is the same as a key is that key.
	if hasAggregate(x) {
		return nil, nil
	}
	switch x.(type) {
	case *parse.Subquery, *parse.Exists, *parse.Quantified, *parse.Param:
		return nil, nil
	}
	in, err := b.bound(g.in, x)
	if err != nil {
		if _, ok := x.(*parse.Name); ok {
			return nil, err
		}
		return nil, nil // a part may be a key
	}
	for i, k := range g.keys {
		if k.String() == in.String() {
			return &Col{I: i, T: k.Type()}, nil
		}
	}
	return nil, nil
}

// aggregate adds an aggregate to the grouping, once for equal ones.
func (b *Binder) aggregate(s *scope, c *parse.Call) (Expr, error) {
	g := s.group
	f := aggregates[canonical(c.Name)]
	in := *g.in
	in.aggFree = "aggregate function calls"
	agg := Agg{F: f, Distinct: c.Distinct}
	if c.Star {
		if f.Name != "count" {
			return nil, value.Errorf(value.UndefinedFunction, "%s(*) must be used to count", f.Name)
		}
	}
	var args []Expr
	for _, a := range c.Args {
		x, err := b.expr(&in, a)
		if err != nil {
			return nil, err
		}
		args = append(args, x)
	}
	if f.Name == "count" && !c.Star && len(args) == 0 {
		return nil, value.Errorf(value.UndefinedFunction, "count(*) must be used to call a parameterless aggregate function")
	}
	if err := b.aggregateArgs(&agg, f, args); err != nil {
		return nil, err
	}
	if c.Filter != nil {
		cond, err := b.condition(&in, c.Filter, "FILTER")
		if err != nil {
			return nil, err
		}
		agg.Filter = cond
	}
	var err error
	if agg.OrderBy, err = b.sortKeys(&in, c.OrderBy); err != nil {
		return nil, err
	}
	switch {
	case f.Ordered && len(agg.OrderBy) != 1:
		return nil, value.Errorf(value.UndefinedFunction, "%s needs WITHIN GROUP (ORDER BY x)", f.Name)
	case f.Ordered && f.result == nil:
		agg.T = agg.OrderBy[0].X.Type()
	case f.Name == "first" || f.Name == "last":
		for _, n := range []string{"timestamp", "partition", "offset"} {
			if x, err := b.column(&in, &parse.Name{Parts: []string{n}}); err == nil && x != nil && x.Type() != value.Dynamic {
				agg.OrderBy = append(agg.OrderBy, SortKey{X: x})
			}
		}
	}
	text := aggText(&agg)
	if i, ok := g.byText[text]; ok {
		return &Col{I: i, T: agg.T}, nil
	}
	i := len(g.keys) + len(g.aggs)
	g.aggs = append(g.aggs, agg)
	g.byText[text] = i
	return &Col{I: i, T: agg.T}, nil
}

// aggregateArgs checks the arguments of an aggregate and brings them to their classes.
func (b *Binder) aggregateArgs(agg *Agg, f *Aggregate, args []Expr) error {
	classes, ok := classes(f.Args, len(args))
	for i := range args {
		if !ok {
			break
		}
		_, ok = fits(classes[i], args[i].Type())
	}
	if !ok {
		return undefined(f.Name, args)
	}
	for i, a := range args {
		x, err := b.coerce(a, classes[i])
		if err != nil {
			return err
		}
		agg.Args = append(agg.Args, x)
	}
	if f.result != nil {
		agg.T = f.result(agg.Args)
	}
	return nil
}

func aggText(a *Agg) string {
	s := call(a.F.Name, a.Args)
	if a.Distinct {
		s += " distinct"
	}
	if a.Filter != nil {
		s += " filter " + a.Filter.String()
	}
	for _, k := range a.OrderBy {
		s += " by " + k.X.String()
		if k.Desc {
			s += " desc"
		}
		if k.NullsFirst {
			s += " first"
		}
	}
	return s
}

func (b *Binder) sortKeys(s *scope, orders []parse.Order) ([]SortKey, error) {
	var out []SortKey
	for _, o := range orders {
		x, err := b.expr(s, o.X)
		if err != nil {
			return nil, err
		}
		out = append(out, SortKey{x, o.Desc, o.NullsFirst})
	}
	return out, nil
}

// anyCall says whether a call within x (and not within a query of its own) is such.
func anyCall(x parse.Expr, is func(*parse.Call) bool) bool {
	found := false
	visit(x, func(x parse.Expr) bool {
		if c, ok := x.(*parse.Call); ok && is(c) {
			found = true
		}
		return !found
	})
	return found
}

func hasAggregate(x parse.Expr) bool { return anyCall(x, isAggregate) }

// visit calls f with x and all its parts, as long as f wants it.
func visit(x parse.Expr, f func(parse.Expr) bool) {
	if x == nil || !f(x) {
		return
	}
	all := func(list ...parse.Expr) {
		for _, x := range list {
			if x != nil {
				visit(x, f)
			}
		}
	}
	switch x := x.(type) {
	case *parse.Unary:
		all(x.X)
	case *parse.Binary:
		all(x.L, x.R)
	case *parse.Is:
		all(x.X, x.Y)
	case *parse.In:
		all(x.X)
		all(x.List...)
	case *parse.Case:
		all(x.X, x.Else)
		for _, w := range x.Whens {
			all(w[0], w[1])
		}
	case *parse.Cast:
		all(x.X)
	case *parse.Call:
		all(x.Args...)
		all(x.Filter)
		for _, o := range x.OrderBy {
			all(o.X)
		}
		if x.Over != nil {
			all(x.Over.Partition...)
			for _, o := range x.Over.OrderBy {
				all(o.X)
			}
		}
	case *parse.List:
		all(x.Items...)
	case *parse.Subscript:
		all(x.X, x.Index, x.To)
	case *parse.Quantified:
		all(x.X, x.Array)
	}
}
