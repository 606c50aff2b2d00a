package plan

import (
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/value"
)

// tree is what FROM has so far.
type tree struct {
	node Node
	rels []*relation
}

// tables plans FROM and tells the scope what is in it.
func (b *Binder) tables(s *scope, list []parse.Table) (Node, error) {
	var all tree
	for i := range list {
		next, joined, err := b.table(s, &list[i], all)
		if err != nil {
			return nil, err
		}
		if all.node == nil || joined {
			all = next
		} else {
			all = cross(all, next)
		}
	}
	if all.node == nil {
		all.node = &Values{Rows: [][]Expr{{}}}
	}
	names := map[string]bool{}
	for _, r := range all.rels {
		if r.alias == "" {
			continue
		}
		if names[r.alias] {
			return nil, value.Errorf("42712", "table name %q specified more than once", r.alias)
		}
		names[r.alias] = true
	}
	s.rels = all.rels
	return all.node, nil
}

// cross puts two trees beside each other.
func cross(l, r tree) tree {
	width := len(l.node.Columns())
	for _, rel := range r.rels {
		rel.base += width
	}
	return tree{&Join{Kind: "INNER", Left: l.node, Right: r.node}, append(l.rels[:len(l.rels):len(l.rels)], r.rels...)}
}

// table plans one table; left is what stands before it, which functions and LATERAL look at:
// joined says that left is in what comes out.
func (b *Binder) table(s *scope, t *parse.Table, left tree) (out tree, joined bool, err error) {
	defer func() {
		if e, ok := err.(*value.Error); ok {
			_ = e.At(t.At())
		}
	}()
	switch {
	case t.Join != nil:
		return b.join(s, t.Join, left)
	case t.Query != nil:
		return b.derived(s, t, left)
	case t.Call != nil:
		switch {
		case t.Call.Name == "table":
			n, ok := t.Call.Args[0].(*parse.Name)
			if !ok {
				return tree{}, false, value.Errorf(value.SyntaxError, "TABLE takes the name of a topic")
			}
			out, err = b.named(s, t, n.Parts, true)
			return out, false, err
		case windowCall(t.Call) != 0:
			out, err = b.windowed(s, t)
			return out, false, err
		}
		return b.series(s, t, left)
	}
	out, err = b.named(s, t, t.Names, false)
	return out, false, err
}

// named finds a table by its name: a query of WITH, a topic, a view, a table of the catalogue.
func (b *Binder) named(s *scope, t *parse.Table, names []string, latest bool) (tree, error) {
	full := strings.Join(names, ".")
	last := names[len(names)-1]
	alias := t.Alias
	if alias == "" {
		alias = last
	}
	if c := s.cte(full); c != nil && !latest {
		n, err := b.selectQuery(&scope{outer: c.scope}, c.query.Query)
		if err != nil {
			return tree{}, err
		}
		return b.aliased(n, alias, c.query.Columns, t.Columns)
	}
	topic := b.Catalog.Topic(full)
	schema := ""
	if len(names) > 1 {
		schema = names[len(names)-2]
	}
	if topic == nil && strings.EqualFold(schema, "public") {
		topic = b.Catalog.Topic(last)
	}
	if topic != nil {
		return b.topic(t, topic, alias, latest)
	}
	if latest {
		return tree{}, b.noTable(full)
	}
	if text, ok := b.Catalog.View(last); ok {
		return b.view(t, last, text, alias)
	}
	if v := b.Catalog.Virtual(schema, last); v != nil {
		return b.aliased(v, alias, t.Columns)
	}
	return tree{}, b.noTable(full)
}

func (b *Binder) noTable(name string) error {
	err := value.Errorf(value.UndefinedTable, "topic %q does not exist", name)
	if n := Near(name, b.Catalog.Names()); n != "" {
		return err.WithHint("did you mean %q?", n)
	}
	return err
}

// viewsMax is how deep views may stand on views.
const viewsMax = 16

func (b *Binder) view(t *parse.Table, name, text, alias string) (tree, error) {
	if len(b.views) >= viewsMax {
		return tree{}, value.Errorf(value.TooMany, "views stand on each other more than %d deep", viewsMax)
	}
	list, err := parse.Parse(text)
	if err != nil || len(list) != 1 || list[0].Query == nil {
		return tree{}, value.Errorf("XX001", "the text of view %q cannot be read", name)
	}
	b.views = append(b.views, name+"@"+strconv.Itoa(t.At()))
	defer func() { b.views = b.views[:len(b.views)-1] }()
	n, err := b.selectQuery(&scope{}, list[0].Query)
	if err != nil {
		return tree{}, value.Errorf(value.UndefinedTable, "view %q: %v", name, err)
	}
	return b.aliased(n, alias, t.Columns)
}

// aliased names a query's columns.
func (b *Binder) aliased(n Node, alias string, names ...[]string) (tree, error) {
	cols := append([]Column(nil), n.Columns()...)
	for _, list := range names {
		if len(list) > len(cols) {
			return tree{}, value.Errorf("42P10", "table %q has %d columns available but %d columns specified", alias, len(cols), len(list))
		}
		for i, name := range list {
			cols[i].Name = name
		}
	}
	return tree{n, []*relation{{alias: alias, cols: cols}}}, nil
}

func (b *Binder) topic(t *parse.Table, topic *Topic, alias string, latest bool) (tree, error) {
	key := strings.Join(b.views, "/") + ":" + strconv.Itoa(t.At())
	cols := b.cols[key]
	if cols == nil {
		cols = &scanCols{}
		cols.field(PartitionField, "partition") // what needs nothing else still counts rows
		b.cols[key] = cols
	}
	if topic.Compacted && !latest {
		b.notice("topic %q is compacted: TABLE(%s) reads the latest value of each key", topic.Name, topic.Name)
	}
	scan := &Scan{Topic: topic, Cols: cols.cols, Names: cols.names, Paths: cols.paths, Latest: latest}
	rel := &relation{alias: alias, topic: topic, scan: cols, latest: latest}
	return tree{scan, []*relation{rel}}, nil
}

func (b *Binder) notice(format string, args ...any) {
	b.Notices = append(b.Notices, value.Errorf("", format, args...).Message)
}

func (b *Binder) derived(s *scope, t *parse.Table, left tree) (tree, bool, error) {
	inner := &scope{outer: s.outer}
	if t.Lateral && left.node != nil {
		inner = &scope{outer: &scope{rels: left.rels, frame: true, outer: s.outer}}
	}
	n, err := b.selectQuery(inner, t.Query)
	if err != nil {
		return tree{}, false, err
	}
	out, err := b.aliased(n, t.Alias, t.Columns)
	if err != nil || !t.Lateral || left.node == nil {
		return out, false, err
	}
	width := len(left.node.Columns())
	out.rels[0].base = width
	return tree{&Apply{Left: left.node, Right: n}, append(left.rels[:len(left.rels):len(left.rels)], out.rels...)}, true, nil
}

// windowed plans TUMBLE, HOP and SESSION in FROM.
func (b *Binder) windowed(s *scope, t *parse.Table) (tree, error) {
	c := t.Call
	if len(c.Args) < 2 {
		return tree{}, value.Errorf(value.UndefinedFunction, "a window in FROM has a topic, a time and lengths").WithHint("write TUMBLE(orders, timestamp, '5 minutes')")
	}
	n, ok := c.Args[0].(*parse.Name)
	if !ok {
		return tree{}, value.Errorf(value.SyntaxError, "a window in FROM begins with the name of a topic")
	}
	inner := *t
	if inner.Alias == "" {
		inner.Alias = n.Parts[len(n.Parts)-1]
	}
	inner.Columns = nil
	in, err := b.named(s, &inner, n.Parts, false)
	if err != nil {
		return tree{}, err
	}
	args := c.Args[1:]
	scope := &scope{rels: in.rels, frame: true, outer: s.outer}
	var partition []Expr
	if l, ok := args[0].(*parse.List); ok && l.Row {
		args = args[1:]
		for _, x := range l.Items {
			p, err := b.expr(scope, x)
			if err != nil {
				return tree{}, err
			}
			partition = append(partition, p)
		}
	}
	w, err := b.spec(scope, c, args, true)
	if err != nil {
		return tree{}, err
	}
	w.In, w.Partition = in.node, partition
	width := len(in.node.Columns())
	return tree{w, append(in.rels, &relation{base: width, cols: WindowColumns})}, nil
}

// series plans a function that gives rows.
func (b *Binder) series(s *scope, t *parse.Table, left tree) (tree, bool, error) {
	joined := left.node != nil
	if !joined {
		left.node = &Values{Rows: [][]Expr{{}}}
	}
	out := &Series{In: left.node, Name: t.Call.Name, Ordinality: t.Ordinality}
	in := &scope{rels: left.rels, frame: true, outer: s.outer, aggFree: "FROM"}
	for _, a := range t.Call.Args {
		x, err := b.expr(in, a)
		if err != nil {
			return tree{}, false, err
		}
		out.Args = append(out.Args, x)
	}
	name := t.Alias
	if name == "" {
		name = t.Call.Name
	}
	elem, err := b.seriesArgs(out)
	if err != nil {
		return tree{}, false, err
	}
	switch t.Call.Name {
	case "json_each", "jsonb_each", "json_each_text", "jsonb_each_text":
		out.Cols = []Column{{"key", value.TText}, {"value", elem}}
	case "_pg_expandarray":
		out.Cols = []Column{{"x", elem}, {"n", value.TInt4}}
	default:
		out.Cols = []Column{{name, elem}}
	}
	if t.Ordinality {
		out.Cols = append(out.Cols, Column{"ordinality", value.TInt8})
	}
	for i, c := range t.Columns {
		if i < len(out.Cols) {
			out.Cols[i].Name = c
		}
	}
	rel := &relation{alias: name, base: len(left.node.Columns()), cols: out.Cols}
	return tree{out, append(left.rels[:len(left.rels):len(left.rels)], rel)}, joined, nil
}

// seriesArgs checks the arguments of a function in FROM and says what it gives.
func (b *Binder) seriesArgs(f *Series) (value.Type, error) {
	need := func(least, most int) error {
		if len(f.Args) < least || len(f.Args) > most {
			return undefined(f.Name, f.Args)
		}
		return nil
	}
	switch f.Name {
	case "unnest", "json_array_elements", "jsonb_array_elements", "json_array_elements_text", "jsonb_array_elements_text", "_pg_expandarray":
		if err := need(1, 1); err != nil {
			return 0, err
		}
		x, err := b.coerce(f.Args[0], 'd')
		if err != nil {
			return 0, err
		}
		f.Args[0] = x
		switch {
		case strings.HasSuffix(f.Name, "_text"):
			return value.TText, nil
		case strings.HasPrefix(f.Name, "json"):
			return value.TJSON, nil
		case x.Type().Array():
			return x.Type().Elem(), nil
		}
		return value.Dynamic, nil
	case "json_each", "jsonb_each", "json_each_text", "jsonb_each_text":
		if strings.HasSuffix(f.Name, "_text") {
			return value.TText, need(1, 1)
		}
		return value.TJSON, need(1, 1)
	case "generate_series":
		if err := need(2, 3); err != nil {
			return 0, err
		}
		class := byte('i')
		t := value.TInt8
		if x := f.Args[0].Type(); x == value.TTimestamp || x == value.TTimestamptz || x == value.TDate {
			class, t = 'T', value.TTimestamptz
		}
		for i := range f.Args {
			if i == 2 && class == 'T' {
				class = 'I'
			}
			x, err := b.coerce(f.Args[i], class)
			if err != nil {
				return 0, err
			}
			if _, ok := fits(class, x.Type()); !ok {
				return 0, undefined(f.Name, f.Args)
			}
			f.Args[i] = x
		}
		return t, nil
	}
	err := value.Errorf(value.UndefinedFunction, "function %s gives no rows", f.Name)
	return 0, err.WithHint("in FROM: unnest, generate_series, json_array_elements, json_each, TUMBLE, HOP, SESSION, TABLE")
}

// join plans two tables together.
func (b *Binder) join(s *scope, j *parse.Join, left tree) (tree, bool, error) {
	l, joined, err := b.table(s, &j.Left, left)
	if err != nil {
		return tree{}, false, err
	}
	width := len(l.node.Columns())
	r, applied, err := b.table(s, &j.Right, l)
	if err != nil {
		return tree{}, false, err
	}
	in := &scope{frame: true, outer: s.outer, aggFree: "JOIN conditions"}
	if applied { // a function or LATERAL, which has the left side in it
		in.rels = r.rels
		out, err := b.appliedOn(in, j, r)
		return out, joined, err
	}
	for _, rel := range r.rels {
		rel.base += width
	}
	in.rels = append(l.rels[:len(l.rels):len(l.rels)], r.rels...)
	out := &Join{Kind: j.Kind, Left: l.node, Right: r.node}
	if j.Kind == "CROSS" {
		out.Kind = "INNER"
	}
	conds, err := b.joinConditions(in, j, l, r)
	if err != nil {
		return tree{}, false, err
	}
	if out.Kind == "INNER" {
		return tree{push(out, conds), in.rels}, joined, nil
	}
	total := width + len(r.node.Columns())
	var rest, toLeft, toRight []Expr
	for _, c := range conds {
		switch {
		case out.Kind == "LEFT" && within(c, width, total):
			toRight = append(toRight, shifted(c, -width))
		case out.Kind == "RIGHT" && within(c, 0, width):
			toLeft = append(toLeft, c)
		case !out.key(c, width, total):
			rest = append(rest, c)
		}
	}
	out.On = conjunction(rest)
	out.Left, out.Right = push(out.Left, toLeft), push(out.Right, toRight)
	return tree{out, in.rels}, joined, nil
}

func (b *Binder) appliedOn(in *scope, j *parse.Join, r tree) (tree, error) {
	outer := j.Kind == "LEFT"
	if j.Kind != "INNER" && j.Kind != "CROSS" && !outer {
		return tree{}, value.Errorf(value.NotSupported, "%s JOIN with a function or LATERAL is not supported", j.Kind)
	}
	switch n := r.node.(type) {
	case *Apply:
		n.Outer = outer
	case *Series:
		n.Outer = outer
	}
	if j.On == nil {
		return r, nil
	}
	cond, err := b.condition(in, j.On, "JOIN/ON")
	if err != nil {
		return tree{}, err
	}
	if c, ok := cond.(*Const); ok && c.V.True() {
		return r, nil
	}
	if outer {
		return tree{}, value.Errorf(value.NotSupported, "LEFT JOIN with a function or LATERAL takes ON true only")
	}
	r.node = push(r.node, conjuncts(cond))
	return r, nil
}

func (b *Binder) joinConditions(in *scope, j *parse.Join, l, r tree) ([]Expr, error) {
	var conds []Expr
	if j.On != nil {
		c, err := b.condition(in, j.On, "JOIN/ON")
		if err != nil {
			return nil, err
		}
		conds = conjuncts(c)
	}
	using := j.Using
	if j.Natural {
		return nil, value.Errorf(value.NotSupported, "NATURAL JOIN is not supported").WithHint("name the columns: USING (..)")
	}
	if len(using) > 0 && j.Kind == "FULL" {
		return nil, value.Errorf(value.NotSupported, "FULL JOIN with USING is not supported").WithHint("use ON, and coalesce in the list")
	}
	for _, name := range using {
		n := &parse.Name{Parts: []string{name}, Quoted: true}
		x, err := b.name(&scope{rels: l.rels, frame: true}, n)
		if err != nil {
			return nil, err
		}
		y, err := b.name(&scope{rels: r.rels, frame: true}, n)
		if err != nil {
			return nil, err
		}
		c, err := b.comparison("=", x, y)
		if err != nil {
			return nil, err
		}
		conds = append(conds, c)
		hide := r.rels
		if j.Kind == "RIGHT" {
			hide = l.rels
		}
		for _, rel := range hide {
			if rel.merged == nil {
				rel.merged = map[string]bool{}
			}
			rel.merged[name] = true
		}
	}
	if j.Within == nil {
		return conds, nil
	}
	more, err := b.withinTime(in, j, l, r)
	return append(conds, more...), err
}

// withinTime is WITHIN '1 hour': the timestamps of both sides are no further apart.
func (b *Binder) withinTime(in *scope, j *parse.Join, l, r tree) ([]Expr, error) {
	if n, ok := j.Within.(*parse.Name); ok && strings.EqualFold(n.Parts[0], "unbounded") {
		return nil, nil
	}
	us, err := b.length(in, j.Within, "WITHIN", 1)
	if err != nil {
		return nil, err
	}
	n := &parse.Name{Parts: []string{"timestamp"}}
	x, err := b.name(&scope{rels: l.rels, frame: true}, n)
	if err != nil {
		return nil, err
	}
	y, err := b.name(&scope{rels: r.rels, frame: true}, n)
	if err != nil {
		return nil, err
	}
	length := &Const{value.OfInterval(0, 0, us), value.TInterval}
	low, err := b.function("-", x, length)
	if err != nil {
		return nil, err
	}
	high, err := b.function("+", x, length)
	if err != nil {
		return nil, err
	}
	return []Expr{&Compare{">=", y, low}, &Compare{"<=", y, high}}, nil
}

// Bounds works out what a scan may leave out, by conditions that all have to be true: the
// filter above it stays. e has the parameters.
func Bounds(s *Scan, conds []Expr, e *Env) {
	for _, c := range conds {
		if in, ok := c.(*In); ok {
			s.partitionsIn(in, e)
			continue
		}
		cmp, ok := c.(*Compare)
		if !ok {
			continue
		}
		op, col, other := cmp.Op, cmp.L, cmp.R
		if _, is := col.(*Col); !is {
			col, other = other, col
			op = strings.NewReplacer("<", ">", ">", "<").Replace(op)
		}
		at, is := col.(*Col)
		if !is || at.Depth > 0 || !constant(other) || holds(other, func(x Expr) bool { c, ok := x.(*Col); return ok && c.Depth > 0 }) {
			continue
		}
		v := other.Eval(e)
		if e.Err != nil || v.IsNull() {
			e.Err = nil
			continue
		}
		s.bound(s.Cols[at.I].Field, op, v)
	}
}

func (s *Scan) partitionsIn(in *In, e *Env) {
	at, ok := in.X.(*Col)
	if !ok || at.Depth > 0 || s.Cols[at.I].Field != PartitionField {
		return
	}
	var list []int32
	for _, x := range in.List {
		c, ok := x.(*Const)
		if !ok || c.V.K != value.Int {
			return
		}
		list = append(list, int32(c.V.N))
	}
	s.Partitions = list
}

func (s *Scan) bound(f Field, op string, v value.Value) {
	switch f {
	case PartitionField, OffsetField:
		n, err := value.ToInt(v)
		if err != nil || value.Compare(n, v) != 0 {
			return
		}
		if f == PartitionField {
			if op == "=" && n.N == int64(int32(n.N)) {
				s.Partitions = []int32{int32(n.N)}
			}
			return
		}
		low, high := n.N, n.N+1
		switch op {
		case "=":
		case ">":
			low, high = n.N+1, 0
		case ">=":
			high = 0
		case "<":
			low, high = 0, n.N
		case "<=":
			low = 0
		default:
			return
		}
		s.OffsetFrom = max(s.OffsetFrom, low)
		if high > 0 && (s.OffsetTo == 0 || high < s.OffsetTo) {
			s.OffsetTo = high
		} else if high == 0 && (op == "<") {
			s.OffsetTo = -1 // nothing lies below 0
		}
	case TimestampField:
		if op == ">=" || op == ">" || op == "=" {
			// Rounded down: a record's time is whole milliseconds.
			s.SinceMillis = max(s.SinceMillis, value.FloorTo(instant(v), 1000, 0)/1000)
		}
	}
}
