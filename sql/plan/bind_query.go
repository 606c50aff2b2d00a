package plan

import (
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/value"
)

// columnsMax is how many columns a list may have.
const columnsMax = 4096

// Binder plans one statement.
type Binder struct {
	Catalog Catalog
	// OIDs finds the number of a table or type; nil: there are none.
	OIDs func(t value.Type, name string) (int64, bool)
	// Params are the types of parameters, as far as they are known.
	Params []value.Type
	// Notices are told to the user.
	Notices []string
	cols    map[string]*scanCols
	views   []string
	top     bool
}

// Plan plans a query. Errors are *value.Error.
func (b *Binder) Plan(q *parse.Query) (Node, error) {
	b.cols = map[string]*scanCols{}
	// The first pass finds out which columns of topics are asked for, the second where they lie.
	b.top = true
	if _, err := b.selectQuery(&scope{}, q); err != nil {
		return nil, err
	}
	b.Notices, b.top = nil, true
	return b.selectQuery(&scope{}, q)
}

// selectQuery plans a query; s is where it stands.
func (b *Binder) selectQuery(s *scope, q *parse.Query) (Node, error) {
	top := b.top
	b.top = false
	if len(q.With) > 0 {
		inner := &scope{outer: s, ctes: map[string]*cte{}}
		for i := range q.With {
			if q.Recursive {
				return nil, value.Errorf(value.NotSupported, "WITH RECURSIVE is not supported").At(q.At())
			}
			inner.ctes[q.With[i].Name] = &cte{&q.With[i], s}
			// Each is seen by those behind it.
			inner = &scope{outer: inner, ctes: map[string]*cte{}}
		}
		s = inner
	}
	if q.Emit != "" {
		return nil, value.Errorf(value.NotSupported, "EMIT %s is not built yet", q.Emit).At(q.At())
	}
	if q.Select != nil {
		return b.selection(s, q, top)
	}
	n, err := b.unordered(s, q)
	if err != nil {
		return nil, err
	}
	if len(q.OrderBy) > 0 {
		out := &scope{rels: []*relation{{cols: n.Columns()}}, frame: true, outer: s}
		keys, err := b.outputKeys(out, q.OrderBy, n.Columns())
		if err != nil {
			return nil, err
		}
		n = &Sort{In: n, Keys: keys}
	}
	return b.limited(s, n, q)
}

func (b *Binder) unordered(s *scope, q *parse.Query) (Node, error) {
	if q.Op == "" {
		return b.values(s, q)
	}
	left, err := b.selectQuery(s, q.Left)
	if err != nil {
		return nil, err
	}
	right, err := b.selectQuery(s, q.Right)
	if err != nil {
		return nil, err
	}
	lc, rc := left.Columns(), right.Columns()
	if len(lc) != len(rc) {
		return nil, value.Errorf(value.SyntaxError, "each %s query must have the same number of columns", q.Op).At(q.At())
	}
	out := &SetOp{Op: q.Op, All: q.All}
	for i := range lc {
		t, err := b.unify([]Expr{&Const{T: lc[i].Type}, &Const{T: rc[i].Type}}, q.Op)
		if err != nil {
			return nil, err
		}
		out.Cols = append(out.Cols, Column{lc[i].Name, t})
	}
	out.Left, out.Right = b.recast(left, out.Cols), b.recast(right, out.Cols)
	return out, nil
}

// recast brings a query's columns to the types of a set operation.
func (b *Binder) recast(n Node, to []Column) Node {
	cols := n.Columns()
	p := &Project{In: n, Cols: to}
	same := true
	for i, c := range cols {
		x := Expr(&Col{I: i, T: c.Type})
		if c.Type != to[i].Type && c.Type != value.Unknown && to[i].Type != value.Dynamic {
			same = false
			x = &Cast{x, to[i].Type, -1}
		}
		p.Exprs = append(p.Exprs, x)
	}
	if same {
		return n
	}
	return p
}

func (b *Binder) values(s *scope, q *parse.Query) (Node, error) {
	out := &Values{}
	in := &scope{outer: s, frame: true, aggFree: "VALUES"}
	for _, row := range q.Values {
		if len(row) != len(q.Values[0]) {
			return nil, value.Errorf(value.SyntaxError, "VALUES lists must all be the same length").At(row[0].At())
		}
		exprs := make([]Expr, len(row))
		for i, x := range row {
			var err error
			if exprs[i], err = b.expr(in, x); err != nil {
				return nil, err
			}
		}
		out.Rows = append(out.Rows, exprs)
	}
	for i := range q.Values[0] {
		var column []Expr
		for _, r := range out.Rows {
			column = append(column, r[i])
		}
		t, err := b.unify(column, "VALUES")
		if err != nil {
			return nil, err
		}
		for _, r := range out.Rows {
			if r[i], err = b.convert(r[i], t); err != nil {
				return nil, err
			}
		}
		out.Cols = append(out.Cols, Column{"column" + strconv.Itoa(i+1), t})
	}
	return out, nil
}

func (b *Binder) limited(s *scope, n Node, q *parse.Query) (Node, error) {
	if q.Limit == nil && q.Offset == nil {
		return n, nil
	}
	out := &Limit{In: n}
	in := &scope{outer: s, frame: true, aggFree: "LIMIT"}
	for _, e := range []struct {
		x  parse.Expr
		to *Expr
	}{{q.Limit, &out.Count}, {q.Offset, &out.Skip}} {
		if e.x == nil {
			continue
		}
		x, err := b.expr(in, e.x)
		if err == nil {
			x, err = b.coerce(x, 'i')
		}
		if err != nil {
			return nil, err
		}
		if !constant(x) {
			return nil, value.Errorf("42P10", "argument of LIMIT must not contain variables").At(e.x.At())
		}
		*e.to = x
	}
	if sort, ok := n.(*Sort); ok && out.Count != nil {
		count, ok1 := out.Count.(*Const)
		skip := &Const{value.OfInt(0), value.TInt8}
		ok2 := out.Skip == nil
		if !ok2 {
			skip, ok2 = out.Skip.(*Const)
		}
		if ok1 && ok2 && count.V.K == value.Int && skip.V.K == value.Int && count.V.N > 0 && skip.V.N >= 0 && count.V.N+skip.V.N < 1<<30 {
			sort.Limit = count.V.N + skip.V.N
		}
	}
	return out, nil
}

// outputKeys binds ORDER BY over columns that are there: by number, name or expression.
func (b *Binder) outputKeys(s *scope, orders []parse.Order, cols []Column) ([]SortKey, error) {
	var keys []SortKey
	for _, o := range orders {
		i, err := ordinal(o.X, len(cols), "ORDER BY")
		if err != nil {
			return nil, err
		}
		if i >= 0 {
			keys = append(keys, SortKey{&Col{I: i, T: cols[i].Type}, o.Desc, o.NullsFirst})
			continue
		}
		x, err := b.expr(s, o.X)
		if err != nil {
			return nil, err
		}
		keys = append(keys, SortKey{x, o.Desc, o.NullsFirst})
	}
	return keys, nil
}

// ordinal is the place that a whole number names, from 0; -1: it is none.
func ordinal(x parse.Expr, n int, what string) (int, error) {
	l, ok := x.(*parse.Literal)
	if !ok || l.Kind != parse.Number {
		return -1, nil
	}
	i, err := strconv.Atoi(l.Text)
	if err != nil || i < 1 || i > n {
		return -1, value.Errorf("42P10", "%s position %s is not in select list", what, l.Text).At(x.At())
	}
	return i - 1, nil
}

// selecting is one SELECT on its way.
type selecting struct {
	b     *Binder
	q     *parse.Query
	s     *parse.Select
	node  Node
	in    *scope // of rows of FROM
	out   *scope // of rows, or groups, that the list sees
	late  []parse.Expr
	items []parse.Item
	top   bool
}

func (b *Binder) selection(s *scope, q *parse.Query, top bool) (Node, error) {
	c := &selecting{b: b, q: q, s: q.Select, top: top}
	c.in = &scope{outer: s, frame: true, windows: q.Select.Windows}
	for _, step := range []func() error{c.from, c.where, c.expand, c.group, c.having} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c.project()
}

func (c *selecting) from() (err error) {
	c.node, err = c.b.tables(c.in, c.s.From)
	return err
}

// where splits the conditions: those with statistics act like QUALIFY.
func (c *selecting) where() error {
	c.in.aggFree = "WHERE"
	var early []Expr
	for _, x := range split(c.s.Where) {
		if anyCall(x, isWindow) {
			c.late = append(c.late, x)
			continue
		}
		cond, err := c.b.condition(c.in, x, "WHERE")
		if err != nil {
			return err
		}
		early = append(early, conjuncts(cond)...)
	}
	c.node = push(c.node, early)
	c.in.aggFree = ""
	return nil
}

func split(x parse.Expr) []parse.Expr {
	if x == nil {
		return nil
	}
	if a, ok := x.(*parse.Binary); ok && a.Op == "AND" {
		return append(split(a.L), split(a.R)...)
	}
	return []parse.Expr{x}
}

// expand replaces stars and names the columns.
func (c *selecting) expand() error {
	for _, it := range c.s.Items {
		star, ok := it.X.(*parse.Star)
		if !ok {
			if it.Alias == "" {
				it.Alias = columnName(it.X)
			}
			c.items = append(c.items, it)
			continue
		}
		found := false
		for _, r := range c.in.rels {
			if star.Table != "" && !strings.EqualFold(star.Table, r.alias) {
				continue
			}
			found = true
			c.items = append(c.items, r.star(star)...)
		}
		if !found && star.Table != "" {
			return value.Errorf(value.UndefinedTable, "missing FROM-clause entry for table %q", star.Table).At(star.At())
		}
		if !found {
			return value.Errorf(value.SyntaxError, "SELECT * with no tables specified is not valid").At(star.At())
		}
	}
	if len(c.items) > columnsMax {
		return value.Errorf(value.TooMany, "the list has more than %d columns", columnsMax)
	}
	return nil
}

// star has the columns of * in their order.
func (r *relation) star(at *parse.Star) []parse.Item {
	var out []parse.Item
	add := func(name string) {
		out = append(out, parse.Item{X: &parse.Name{Pos: at.Pos, Parts: []string{r.alias, name}, Quoted: true}, Alias: name})
	}
	switch {
	case r.topic == nil:
		for _, c := range r.cols {
			if !r.merged[c.Name] {
				add(c.Name)
			}
		}
	case len(r.topic.Declared) > 0:
		for _, c := range r.topic.Declared {
			add(c.Name)
		}
		for _, n := range []string{"key", "partition", "offset", "timestamp", "headers"} {
			add("_" + n)
			out[len(out)-1].Alias = n
		}
	default:
		for _, n := range []string{"partition", "offset", "timestamp", "key", "value", "headers"} {
			add(n)
		}
	}
	return out
}

// columnName is what a column is called that the statement does not name.
func columnName(x parse.Expr) string {
	switch x := x.(type) {
	case *parse.Name:
		return x.Parts[len(x.Parts)-1]
	case *parse.Call:
		return x.Name
	case *parse.Cast:
		if n := columnName(x.X); n != "?column?" {
			return n
		}
		return x.Type
	case *parse.Case:
		return "case"
	case *parse.Exists:
		return "exists"
	case *parse.List:
		return "array"
	case *parse.Subquery:
		if x.Array {
			return "array"
		}
		if s := x.Query.Select; s != nil && len(s.Items) == 1 {
			if s.Items[0].Alias != "" {
				return s.Items[0].Alias
			}
			return columnName(s.Items[0].X)
		}
	case *parse.Subscript:
		return columnName(x.X)
	}
	return "?column?"
}

func (c *selecting) having() error {
	c.out.overs = &overs{width: oversBase}
	if c.s.Having == nil {
		return nil
	}
	if c.out.group == nil {
		return value.Errorf(value.GroupingError, "HAVING needs a GROUP BY or an aggregate").At(c.s.Having.At())
	}
	return nil
}

// aliases are the names of the list, for QUALIFY and for windows.
func (c *selecting) aliases() map[string]parse.Expr {
	m := map[string]parse.Expr{}
	for _, it := range c.items {
		if _, same := it.X.(*parse.Name); !same && it.Alias != "" && it.Alias != "?column?" {
			m[it.Alias] = it.X
		}
	}
	return m
}

// project binds the list, what acts behind it, and puts the steps together.
func (c *selecting) project() (Node, error) {
	b := c.b
	p := &Project{}
	for _, it := range c.items {
		x, err := b.expr(c.out, it.X)
		if err != nil {
			return nil, err
		}
		if x.Type() == value.Unknown {
			if x, err = b.to(x, value.TText); err != nil {
				return nil, err
			}
		}
		p.Exprs = append(p.Exprs, x)
		p.Cols = append(p.Cols, Column{it.Alias, x.Type()})
	}
	if g := c.out.group; g != nil && g.window != "" && c.top && !g.named {
		p.Exprs = append(p.Exprs, &Col{I: g.start, T: value.TTimestamptz}, g.end)
		p.Cols = append(p.Cols, WindowColumns...)
	}
	visible := len(p.Cols)
	keys, err := c.order(p)
	if err != nil {
		return nil, err
	}
	var having Expr
	if c.s.Having != nil {
		if having, err = b.condition(c.out, c.s.Having, "HAVING"); err != nil {
			return nil, err
		}
	}
	behind := *c.out
	behind.aliases = c.aliases()
	var late []Expr
	for _, x := range append(c.late, split(c.s.Qualify)...) {
		cond, err := b.condition(&behind, x, "QUALIFY")
		if err != nil {
			return nil, err
		}
		late = append(late, cond)
	}
	if err := c.distinctOn(p, keys); err != nil {
		return nil, err
	}
	return c.assemble(p, visible, keys, having, late)
}

func (c *selecting) assemble(p *Project, visible int, keys []SortKey, having Expr, late []Expr) (Node, error) {
	n := c.node
	if g := c.out.group; g != nil {
		n = c.grouped(n, g)
	}
	if having != nil {
		n = push(n, conjuncts(having))
	}
	if len(c.out.overs.list) > 0 {
		c.settle(len(n.Columns()), p, late)
		n = c.out.overs.nodes(n, c.partition())
	}
	if len(late) > 0 {
		n = &Filter{n, conjunction(late)}
	}
	p.In = n
	n = p
	if c.s.Distinct && len(c.s.DistinctOn) == 0 {
		if len(p.Cols) > visible {
			return nil, value.Errorf("42P10", "for SELECT DISTINCT, ORDER BY expressions must appear in select list")
		}
		n = &Distinct{In: n}
	}
	if len(keys) > 0 {
		n = &Sort{In: n, Keys: keys}
	}
	if len(c.s.DistinctOn) > 0 {
		d := &Distinct{In: n}
		for i := range c.s.DistinctOn {
			at := len(p.Cols) - len(c.s.DistinctOn) + i
			d.On = append(d.On, &Col{I: at, T: p.Cols[at].Type})
		}
		n = d
	}
	n, err := c.b.limited(c.in.outer, n, c.q)
	if err != nil || len(p.Cols) == visible {
		return n, err
	}
	cut := &Project{In: n, Cols: p.Cols[:visible]}
	for i, col := range cut.Cols {
		cut.Exprs = append(cut.Exprs, &Col{I: i, T: col.Type})
	}
	return cut, nil
}

// order binds ORDER BY: by number, by a name of the list, else over the rows behind it, in
// columns that are cut off afterwards.
func (c *selecting) order(p *Project) ([]SortKey, error) {
	var keys []SortKey
	visible := len(p.Cols)
	for _, o := range c.q.OrderBy {
		at, err := ordinal(o.X, len(c.items), "ORDER BY")
		if err != nil {
			return nil, err
		}
		if n, ok := o.X.(*parse.Name); ok && len(n.Parts) == 1 {
			for i, col := range p.Cols[:visible] {
				if col.Name == n.Parts[0] {
					if at >= 0 && p.Exprs[at].String() != p.Exprs[i].String() {
						return nil, value.Errorf(value.AmbiguousColumn, "ORDER BY %q is ambiguous", n.Parts[0]).At(o.X.At())
					}
					if at < 0 {
						at = i
					}
				}
			}
		}
		if at < 0 {
			if at, err = c.extra(p, o.X); err != nil {
				return nil, err
			}
		}
		keys = append(keys, SortKey{&Col{I: at, T: p.Cols[at].Type}, o.Desc, o.NullsFirst})
	}
	return keys, nil
}

// extra adds a column that is not shown, unless one is the same.
func (c *selecting) extra(p *Project, x parse.Expr) (int, error) {
	in := *c.out
	in.aliases = c.aliases()
	e, err := c.b.expr(&in, x)
	if err != nil {
		return 0, err
	}
	if e.Type() == value.Unknown {
		e, _ = c.b.to(e, value.TText)
	}
	for i, have := range p.Exprs {
		if have.String() == e.String() {
			return i, nil
		}
	}
	p.Exprs = append(p.Exprs, e)
	p.Cols = append(p.Cols, Column{"", e.Type()})
	return len(p.Cols) - 1, nil
}

func (c *selecting) distinctOn(p *Project, _ []SortKey) error {
	for _, x := range c.s.DistinctOn {
		at, err := ordinal(x, len(c.items), "DISTINCT ON")
		if err != nil {
			return err
		}
		var e Expr
		if at >= 0 {
			e = p.Exprs[at]
		} else if e, err = c.b.expr(c.out, x); err != nil {
			return err
		}
		p.Exprs = append(p.Exprs, e)
		p.Cols = append(p.Cols, Column{"", e.Type()})
	}
	return nil
}
