package avro

import (
	"slices"
	"strconv"
	"strings"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// parser reads texts one behind another; names that one defines the next may use.
type parser struct {
	strict  bool
	names   map[string]*node
	defined []*node
	nodes   int
}

func newParser() *parser { return &parser{names: map[string]*node{}} }

func (p *parser) text(text string) (*node, error) {
	v, err := decode(text)
	if err != nil {
		return nil, err
	}
	return p.schema(&v, "")
}

// schema reads a type; space is the namespace around it.
func (p *parser) schema(v *value, space string) (*node, error) {
	p.nodes++
	switch v.kind {
	case '"':
		return p.byName(v.text, space)
	case '[':
		return p.union(v, space)
	case '{':
		return p.object(v, space)
	}
	return nil, schema.Invalidf("a type is a name, an object or a list and not %s", v.text)
}

func (p *parser) byName(text, space string) (*node, error) {
	if primitive(text) {
		return &node{kind: text}, nil
	}
	if n := p.names[newName(text, space).full()]; n != nil {
		return n, nil
	}
	if n := p.names[newName(text, "").full()]; n != nil {
		return n, nil
	}
	return nil, schema.Invalidf("type '%s' is not defined", newName(text, space).full())
}

func (p *parser) union(v *value, space string) (*node, error) {
	n := &node{kind: kindUnion, branches: make([]*node, 0, len(v.items))}
	seen := map[string]bool{}
	for i := range v.items {
		b, err := p.schema(&v.items[i], space)
		if err != nil {
			return nil, err
		}
		if b.kind == kindUnion {
			return nil, schema.Invalidf("a union within a union")
		}
		what := b.kind
		if b.named() {
			what = b.full()
		}
		if seen[what] {
			return nil, schema.Invalidf("'%s' is twice in a union", what)
		}
		seen[what] = true
		n.branches = append(n.branches, b)
	}
	return n, nil
}

// What has a meaning of its own is no property.
var (
	schemaWords = []string{"doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases"}
	fieldWords  = []string{"default", "doc", "name", "order", "type", "aliases"}
)

func (p *parser) object(v *value, space string) (*node, error) {
	t := v.get("type")
	if t == nil || t.kind != '"' {
		return nil, schema.Invalidf("no type: %s", appendValue(nil, v, false))
	}
	n := &node{kind: t.text}
	var err error
	switch {
	case primitive(t.text):
	case t.text == kindRecord || t.text == kindError:
		n.kind, n.isError = kindRecord, t.text == kindError
		err = p.record(n, v, space)
	case t.text == kindEnum:
		err = p.enum(n, v, space)
	case t.text == kindFixed:
		err = p.fixed(n, v, space)
	case t.text == kindArray || t.text == kindMap:
		word := map[string]string{kindArray: "items", kindMap: "values"}[t.text]
		item := v.get(word)
		if item == nil {
			return nil, schema.Invalidf("%s without %s", t.text, word)
		}
		n.item, err = p.schema(item, space)
	default:
		return p.byName(t.text, space)
	}
	if err != nil {
		return nil, err
	}
	words := schemaWords
	if n.kind == kindEnum {
		words = append(slices.Clone(words), "default")
	}
	n.props = props(v, words)
	if n.named() {
		return n, aliases(n, v)
	}
	return n, nil
}

func props(v *value, words []string) []member {
	var out []member
	for i := range v.members {
		if !slices.Contains(words, v.members[i].name) {
			out = append(out, v.members[i])
		}
	}
	return out
}

func aliases(n *node, v *value) error {
	list := v.get("aliases")
	if list == nil {
		return nil
	}
	texts, err := texts(list, "aliases")
	for _, text := range texts {
		if a := newName(text, n.space); !slices.Contains(n.aliases, a) {
			n.aliases = append(n.aliases, a)
		}
	}
	return err
}

func texts(list *value, what string) ([]string, error) {
	if list.kind != '[' {
		return nil, schema.Invalidf("%s: not a list", what)
	}
	out := make([]string, len(list.items))
	for i := range list.items {
		if list.items[i].kind != '"' {
			return nil, schema.Invalidf("%s: not a list of strings", what)
		}
		out[i] = list.items[i].text
	}
	return out, nil
}

func optional(v *value, word string) *string {
	if t := v.get(word); t != nil && t.kind == '"' {
		return &t.text
	}
	return nil
}

// define gives a named type its name, under which it can be used from here on.
func (p *parser) define(n *node, v *value, space string) error {
	text := optional(v, "name")
	if text == nil {
		return schema.Invalidf("%s without a name", n.kind)
	}
	if own := optional(v, "namespace"); own != nil {
		space = *own
	}
	n.name = newName(*text, space)
	if p.strict {
		if err := checkName(n.name.name); err != nil {
			return err
		}
		for part := range strings.SplitSeq(n.space, ".") {
			if n.space == "" {
				break
			}
			if err := checkName(part); err != nil {
				return schema.Invalidf("namespace '%s': %v", n.space, err)
			}
		}
	}
	if primitive(n.full()) {
		return schema.Invalidf("'%s' is the name of a primitive type", n.full())
	}
	if p.names[n.full()] != nil {
		return schema.Invalidf("type '%s' is defined twice", n.full())
	}
	if len(p.names) >= schema.NamedMax {
		return schema.Invalidf("more than %d named types", schema.NamedMax)
	}
	p.names[n.full()] = n
	p.defined = append(p.defined, n)
	n.doc = optional(v, "doc")
	return nil
}

// checkName is the rule of the Avro specification.
func checkName(text string) error {
	if text == "" {
		return schema.Invalidf("an empty name")
	}
	for i := range len(text) {
		c := text[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return schema.Invalidf("name '%s': names have letters, digits and '_', and begin with no digit", text)
		}
	}
	return nil
}

func (p *parser) record(n *node, v *value, space string) error {
	if optional(v, "name") == nil {
		return schema.Invalidf("%s without a name", n.kind)
	}
	if err := p.define(n, v, space); err != nil {
		return err
	}
	list := v.get("fields")
	if list == nil || list.kind != '[' {
		return schema.Invalidf("record '%s' has no list of fields", n.full())
	}
	n.fields = make([]field, 0, len(list.items))
	seen := make(map[string]bool, len(list.items))
	for i := range list.items {
		f, err := p.field(&list.items[i], n)
		if err != nil {
			return err
		}
		if seen[f.name] {
			return schema.Invalidf("record '%s' has field '%s' twice", n.full(), f.name)
		}
		seen[f.name] = true
		n.fields = append(n.fields, f)
	}
	return nil
}

func (p *parser) field(v *value, in *node) (f field, err error) {
	text := optional(v, "name")
	if v.kind != '{' || text == nil {
		return f, schema.Invalidf("record '%s' has a field without a name", in.full())
	}
	f.name, f.doc = *text, optional(v, "doc")
	if p.strict {
		if err := checkName(f.name); err != nil {
			return f, err
		}
	}
	t := v.get("type")
	if t == nil {
		return f, schema.Invalidf("field '%s' of '%s' has no type", f.name, in.full())
	}
	if f.schema, err = p.schema(t, in.space); err != nil {
		return f, err
	}
	if order := optional(v, "order"); order != nil {
		switch f.order = strings.ToLower(*order); f.order {
		case "ascending":
			f.order = ""
		case "descending", "ignore":
		default:
			return f, schema.Invalidf("field '%s' of '%s': order '%s' is not ascending, descending or ignore", f.name, in.full(), *order)
		}
	}
	if f.def = v.get("default"); f.def != nil {
		f.def = doubled(f.schema, f.def)
		if p.strict && !fits(f.schema, f.def) {
			return f, schema.Invalidf("field '%s' of '%s': default %s is no %s", f.name, in.full(), appendValue(nil, f.def, false), f.schema.kind)
		}
	}
	if list := v.get("aliases"); list != nil {
		all, err := texts(list, "aliases of field '"+f.name+"'")
		if err != nil {
			return f, err
		}
		for _, a := range all {
			if !slices.Contains(f.aliases, a) {
				f.aliases = append(f.aliases, a)
			}
		}
	}
	f.props = props(v, fieldWords)
	return f, nil
}

// doubled is the default of a float or double that is given as a string: Java makes a
// number of it.
func doubled(s *node, v *value) *value {
	if v.kind != '"' || s.kind != kindFloat && s.kind != kindDouble {
		return v
	}
	if _, err := strconv.ParseFloat(strings.TrimSpace(v.text), 64); err != nil {
		return v
	}
	f, _ := strconv.ParseFloat(strings.TrimSpace(v.text), 64)
	if text := string(appendDouble(nil, f)); text[0] != '"' && text != "NaN" {
		return &value{kind: '0', text: text}
	}
	return v
}

// fits says whether a value is one of the type; of a union any branch will do.
func fits(s *node, v *value) bool {
	switch s.kind {
	case kindNull:
		return v.kind == 'n'
	case kindBoolean:
		return v.kind == 't' || v.kind == 'f'
	case kindInt:
		i, ok := v.integral()
		return ok && i.IsInt64() && int64(int32(i.Int64())) == i.Int64()
	case kindLong:
		i, ok := v.integral()
		return ok && i.IsInt64()
	case kindFloat, kindDouble:
		return v.kind == '0'
	case kindString, kindBytes, kindEnum, kindFixed:
		return v.kind == '"'
	case kindArray:
		return v.kind == '[' && !slices.ContainsFunc(v.items, func(i value) bool { return !fits(s.item, &i) })
	case kindMap:
		return v.kind == '{' && !slices.ContainsFunc(v.members, func(m member) bool { return !fits(s.item, &m.value) })
	case kindUnion:
		return slices.ContainsFunc(s.branches, func(b *node) bool { return fits(b, v) })
	}
	if v.kind != '{' {
		return false
	}
	for i := range s.fields {
		f := &s.fields[i]
		given := v.get(f.name)
		if given == nil {
			given = f.def
		}
		if given == nil || !fits(f.schema, given) {
			return false
		}
	}
	return true
}

func (p *parser) enum(n *node, v *value, space string) error {
	if err := p.define(n, v, space); err != nil {
		return err
	}
	list := v.get("symbols")
	if list == nil {
		return schema.Invalidf("enum '%s' has no symbols", n.full())
	}
	var err error
	if n.symbols, err = texts(list, "symbols of enum '"+n.full()+"'"); err != nil {
		return err
	}
	seen := make(map[string]bool, len(n.symbols))
	for _, s := range n.symbols {
		if seen[s] {
			return schema.Invalidf("enum '%s' has symbol '%s' twice", n.full(), s)
		}
		seen[s] = true
		if p.strict {
			if err := checkName(s); err != nil {
				return schema.Invalidf("enum '%s': %v", n.full(), err)
			}
		}
	}
	if n.enumDefault = optional(v, "default"); n.enumDefault != nil && !seen[*n.enumDefault] {
		return schema.Invalidf("enum '%s': default '%s' is not one of its symbols", n.full(), *n.enumDefault)
	}
	return nil
}

func (p *parser) fixed(n *node, v *value, space string) error {
	if err := p.define(n, v, space); err != nil {
		return err
	}
	size := v.get("size")
	if size != nil {
		if i, ok := size.integral(); ok && i.IsInt64() && i.Sign() >= 0 && int64(int32(i.Int64())) == i.Int64() {
			n.size = i.Int64()
			return nil
		}
	}
	return schema.Invalidf("fixed '%s' has no size", n.full())
}
