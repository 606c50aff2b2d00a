package plan

import (
	"strings"

	"github.com/streamhouse/streamhouse/sql/jsonpath"
	"github.com/streamhouse/streamhouse/sql/parse"
	"github.com/streamhouse/streamhouse/sql/value"
)

// Catalog says what there is. What the user may not see is not there.
type Catalog interface {
	// Topic is the topic of a name, or nil.
	Topic(name string) *Topic
	// Virtual is a table that is no topic, or nil; schema may be empty.
	Virtual(schema, name string) *Virtual
	// View is the text of a view; false if there is none.
	View(name string) (text string, ok bool)
	// Names are those of all topics and views, for who mistyped one.
	Names() []string
}

// topicColumns are the columns that every topic has, also with _ before them.
var topicColumns = map[string]Field{
	"topic": TopicField, "partition": PartitionField, "offset": OffsetField, "timestamp": TimestampField, "key": KeyField,
	"value": ValueField, "headers": HeadersField, "key_bytes": KeyBytesField, "value_bytes": ValueBytesField,
}

// scanCols are the columns that a statement asks of a topic. They are found in a first pass over
// the statement and stand still in the second, so that places in rows are known.
type scanCols struct {
	cols  []ScanColumn
	paths []jsonpath.Path
	names []string
}

func (s *scanCols) field(f Field, name string) int {
	for i, c := range s.cols {
		if c.Field == f && f != PathField {
			return i
		}
	}
	s.cols = append(s.cols, ScanColumn{Field: f})
	s.names = append(s.names, name)
	return len(s.cols) - 1
}

func (s *scanCols) path(p jsonpath.Path) int {
	text := p.String()
	for i, c := range s.cols {
		if c.Field == PathField && s.paths[c.Path].String() == text {
			return i
		}
	}
	s.cols = append(s.cols, ScanColumn{PathField, len(s.paths)})
	s.paths = append(s.paths, p)
	s.names = append(s.names, p[len(p)-1].Key)
	return len(s.cols) - 1
}

// relation is one table of FROM: its columns lie in the row from base on.
type relation struct {
	alias  string
	base   int
	cols   []Column  // of what is no topic
	topic  *Topic    // of what is one
	scan   *scanCols // and the columns asked of it
	latest bool      // TABLE(t)
	// merged are names that JOIN USING took from this side: the other side's counts.
	merged map[string]bool
}

// scope is where names are looked up.
type scope struct {
	rels  []*relation
	frame bool // it has a row of its own while the query runs; others only hold names
	outer *scope
	used  *bool // set when a query looks out of itself
	// group is set once rows are groups.
	group *grouping
	// overs are window functions met so far; their columns lie behind the row.
	overs *overs
	// aliases are the select list's, for QUALIFY and GROUP BY.
	aliases map[string]parse.Expr
	windows map[string]*parse.Over
	ctes    map[string]*cte
	aggFree string // why aggregates are not allowed; empty: they are, where there is group
}

type cte struct {
	query *parse.CTE
	scope *scope // where it was written
}

func (s *scope) cte(name string) *cte {
	for ; s != nil; s = s.outer {
		for n, c := range s.ctes {
			if strings.EqualFold(n, name) {
				return c
			}
		}
	}
	return nil
}

// find looks for a column of this relation by its name. exact: not without case.
func (r *relation) find(name string, exact bool) (Column, int, bool) {
	same := func(n string) bool { return n == name || !exact && strings.EqualFold(n, name) }
	if r.topic == nil {
		for i, c := range r.cols {
			if same(c.Name) && !r.merged[c.Name] {
				return c, r.base + i, true
			}
		}
		return Column{}, 0, false
	}
	for _, c := range r.topic.Declared {
		if same(c.Name) {
			i := r.scan.path(jsonpath.Path{{Key: c.Name}})
			return Column{c.Name, value.Dynamic}, r.base + i, true
		}
	}
	plain := strings.TrimPrefix(name, "_")
	if !exact {
		plain = strings.ToLower(plain)
	}
	if f, ok := topicColumns[plain]; ok {
		return Column{plain, fieldTypes[f]}, r.base + r.scan.field(f, plain), true
	}
	return Column{}, 0, false
}

// column finds a name in this scope alone; nil and no error: it is not there.
func (b *Binder) column(s *scope, n *parse.Name) (Expr, error) {
	if len(n.Parts) > 1 {
		if x, err := b.qualified(s, n); x != nil || err != nil {
			return x, err
		}
	} else {
		for _, exact := range []bool{true, false} {
			var found Expr
			for _, r := range s.rels {
				c, i, ok := r.find(n.Parts[0], exact)
				if !ok {
					continue
				}
				if found != nil {
					return nil, value.Errorf(value.AmbiguousColumn, "column reference %q is ambiguous", n.Parts[0]).
						WithHint("write the table before it, as in %s.%s", r.alias, n.Parts[0]).At(n.At())
				}
				found = &Col{I: i, T: c.Type}
			}
			if found != nil {
				return found, nil
			}
			if n.Quoted {
				break
			}
		}
		if x, ok := s.aliases[n.Parts[0]]; ok {
			inner := *s
			inner.aliases = nil
			return b.expr(&inner, x)
		}
	}
	if len(n.Parts) > 1 && s.outerAlias(n.Parts[0]) {
		return nil, nil
	}
	return b.free(s, n)
}

// outerAlias says whether a query around this one has a table of that name.
func (s *scope) outerAlias(name string) bool {
	for at := s.outer; at != nil; at = at.outer {
		for _, r := range at.rels {
			if strings.EqualFold(r.alias, name) {
				return true
			}
		}
	}
	return false
}

// free takes a name for a path of the value: of the one topic whose fields are not known.
func (b *Binder) free(s *scope, n *parse.Name) (Expr, error) {
	var topic *relation
	for _, r := range s.rels {
		if r.topic == nil || len(r.topic.Declared) > 0 {
			continue
		}
		if topic != nil {
			return nil, value.Errorf(value.AmbiguousColumn, "column reference %q is ambiguous: %s and %s may both have it", n.Parts[0], topic.alias, r.alias).
				WithHint("write the table before it, as in %s.%s", r.alias, n.Parts[0]).At(n.At())
		}
		topic = r
	}
	if topic == nil {
		return nil, nil
	}
	return topic.pathOf(n.Parts), nil
}

func (r *relation) pathOf(parts []string) Expr {
	p := make(jsonpath.Path, len(parts))
	for i, s := range parts {
		p[i].Key = s
	}
	return r.path(p)
}

func (r *relation) path(p jsonpath.Path) Expr {
	return &Col{I: r.base + r.scan.path(p), T: value.Dynamic}
}

// qualified finds alias.column and alias.column.field.
func (b *Binder) qualified(s *scope, n *parse.Name) (Expr, error) {
	for _, exact := range []bool{true, false} {
		for _, r := range s.rels {
			skip := 1
			same := r.alias == n.Parts[0] || !exact && strings.EqualFold(r.alias, n.Parts[0])
			if !same && len(n.Parts) > 2 { // schema.table.column
				same, skip = strings.EqualFold(r.alias, n.Parts[1]), 2
			}
			if !same {
				continue
			}
			rest := n.Parts[skip:]
			for _, e := range []bool{true, false} {
				c, i, ok := r.find(rest[0], e)
				if !ok {
					continue
				}
				if len(rest) > 1 {
					return &Path{X: &Col{I: i, T: c.Type}, Path: r.tail(rest[1:])}, nil
				}
				return &Col{I: i, T: c.Type}, nil
			}
			if r.topic != nil && len(r.topic.Declared) == 0 {
				return r.pathOf(rest), nil
			}
			if !exact {
				return nil, b.noColumn(s, n)
			}
		}
	}
	return nil, nil
}

func (r *relation) tail(parts []string) jsonpath.Path {
	p := make(jsonpath.Path, len(parts))
	for i, s := range parts {
		p[i].Key = s
	}
	return p
}

// noColumn says that a name is not there, and which one is near.
func (b *Binder) noColumn(s *scope, n *parse.Name) error {
	name := n.Parts[len(n.Parts)-1]
	err := value.Errorf(value.UndefinedColumn, "column %q does not exist", strings.Join(n.Parts, ".")).At(n.At())
	var all []string
	for ; s != nil; s = s.outer {
		for _, r := range s.rels {
			for _, c := range r.cols {
				all = append(all, c.Name)
			}
			if r.topic != nil {
				for _, c := range r.topic.Declared {
					all = append(all, c.Name)
				}
				for c := range topicColumns {
					all = append(all, c)
				}
			}
		}
	}
	if near := Near(name, all); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	return err
}

// name finds a column here or in the queries around.
func (b *Binder) name(s *scope, n *parse.Name) (Expr, error) {
	depth := 0
	for at := s; at != nil; at = at.outer {
		var x Expr
		var err error
		if at.group != nil && depth > 0 {
			x, err = b.grouped(at, n)
		} else {
			x, err = b.column(at, n)
		}
		if err != nil {
			return nil, err
		}
		if x != nil {
			if depth == 0 {
				return x, nil
			}
			for in := s; in != at; in = in.outer {
				if in.used != nil {
					*in.used = true
				}
			}
			return rewrite(x, func(c *Col) Expr { return &Col{I: c.I, Depth: c.Depth + depth, T: c.T} }), nil
		}
		if at.frame {
			depth++
		}
	}
	return nil, b.noColumn(s, n)
}
