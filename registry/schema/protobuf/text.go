package protobuf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// style says how elements are written.
type style struct {
	// plain leaves out extensions and options that are defined by them.
	plain bool
	// name is how the name of a type is written that is used within scope; nil: as it is.
	name func(scope, name string) string
	// sorted puts imports and options by name and fields by tag.
	sorted bool
}

type printer struct {
	style
	out   []byte
	depth int
	scope string
}

// print writes a file: two spaces for each level, a blank line between the sections.
func (f *file) print(s style) string {
	p := &printer{style: s, scope: f.pkg}
	switch {
	case f.syntax != "":
		p.line("syntax = " + quote(f.syntax) + ";")
	case f.edition != "":
		p.line("edition = " + quote(f.edition) + ";")
	}
	if f.pkg != "" {
		p.line("package " + f.pkg + ";")
	}
	if len(f.imports)+len(f.public)+len(f.weak) > 0 {
		p.line("")
	}
	for _, kind := range []struct {
		word  string
		files []string
	}{{"", f.imports}, {"public ", f.public}, {"weak ", f.weak}} {
		for _, name := range p.names(kind.files) {
			p.line("import " + kind.word + quote(name) + ";")
		}
	}
	p.section(p.options(f.options))
	if len(f.messages)+len(f.enums) > 0 {
		p.line("")
	}
	p.types(f.messages, f.enums)
	p.extends(f.extends)
	if len(f.services) > 0 {
		p.line("")
	}
	for i := range f.services {
		p.service(&f.services[i])
	}
	return strings.TrimPrefix(string(p.out), "\n")
}

func (p *printer) line(text string) {
	if text != "" {
		for range p.depth {
			p.out = append(p.out, "  "...)
		}
	}
	p.out = append(append(p.out, text...), '\n')
}

// open begins a block; the text of what is in it begins on the next line.
func (p *printer) open(head string) int {
	p.line(head + " {")
	p.depth++
	return len(p.out)
}

// close ends a block; an empty one stays on its line.
func (p *printer) close(from int, tail string) {
	p.depth--
	if len(p.out) == from {
		p.out = append(p.out[:from-1], ("}" + tail + "\n")...)
		return
	}
	p.line("}" + tail)
}

// gap is a blank line before a section, but for the first of a block.
func (p *printer) gap(from int) {
	if len(p.out) > from {
		p.line("")
	}
}

// section writes options as statements, behind a blank line.
func (p *printer) section(options []option) {
	if len(options) > 0 {
		p.line("")
	}
	p.statements(options)
}

func (p *printer) statements(options []option) {
	for i := range options {
		p.block("option "+options[i].name+" = ", &options[i].value, ";")
	}
}

func (p *printer) names(files []string) []string {
	if p.sorted {
		files = slices.Clone(files)
		slices.Sort(files)
		files = slices.Compact(files)
	}
	return files
}

func (p *printer) options(list []option) []option {
	if p.plain {
		list = slices.DeleteFunc(slices.Clone(list), func(o option) bool { return o.custom })
	}
	if p.sorted {
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b option) int { return strings.Compare(a.name, b.name) })
	}
	return list
}

func (p *printer) fields(list []field) []field {
	if p.sorted {
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b field) int { return a.tag - b.tag })
	}
	return list
}

func (p *printer) typeName(name string) string {
	if p.name == nil {
		return name
	}
	return p.name(p.scope, name)
}

func (p *printer) types(messages []*message, enums []*enum) {
	for _, m := range messages {
		p.message("message "+m.name, m)
	}
	for _, e := range enums {
		p.enum(e)
	}
}

func (p *printer) message(head string, m *message) {
	outer := p.scope
	p.scope = join(outer, m.name)
	from := p.open(head)
	p.ranges(from, "reserved ", m.reserved)
	if options := p.options(m.options); len(options) > 0 {
		p.gap(from)
		p.statements(options)
	}
	p.members(from, m.fields, nil)
	for i := range m.oneofs {
		if i == 0 {
			p.gap(from)
		}
		p.oneof(&m.oneofs[i])
	}
	p.members(from, nil, m.groups)
	if !p.plain {
		p.ranges(from, "extensions ", m.extensions)
	}
	if len(m.messages)+len(m.enums) > 0 {
		p.gap(from)
	}
	p.types(m.messages, m.enums)
	if len(m.extends) > 0 && !p.plain {
		p.gap(from)
		p.extendList(m.extends)
	}
	p.close(from, "")
	p.scope = outer
}

func join(scope, name string) string {
	if scope == "" {
		return name
	}
	return scope + "." + name
}

func (p *printer) ranges(from int, word string, list []ranges) {
	for i, r := range list {
		if i == 0 {
			p.gap(from)
		}
		p.line(word + strings.Join(r, ", ") + ";")
	}
}

func (p *printer) members(from int, fields []field, groups []group) {
	for i, f := range p.fields(fields) {
		if i == 0 {
			p.gap(from)
		}
		p.field(&f)
	}
	for i := range groups {
		if i == 0 {
			p.gap(from)
		}
		g := &groups[i]
		p.message(word(g.label)+"group "+g.body.name+" = "+strconv.Itoa(g.tag), &g.body)
	}
}

func word(label string) string {
	if label == "" {
		return ""
	}
	return label + " "
}

func (p *printer) field(f *field) {
	typ := p.typeName(f.typ)
	if f.key != "" {
		typ = "map<" + f.key + ", " + p.typeName(f.value) + ">"
	}
	options := p.options(f.options)
	if f.byDefVal != nil {
		options = append(slices.Clip(options), option{name: "default", value: *f.byDefVal})
	}
	if f.jsonName != nil {
		options = append(slices.Clip(options), option{name: "json_name", value: *f.jsonName})
	}
	p.withOptions(word(f.label)+typ+" "+f.name+" = "+strconv.Itoa(f.tag), options)
}

// withOptions ends a field or constant: one option beside it, several below each other.
func (p *printer) withOptions(head string, options []option) {
	switch len(options) {
	case 0:
		p.line(head + ";")
	case 1:
		p.block(head+" ["+options[0].name+" = ", &options[0].value, "];")
	default:
		p.line(head + " [")
		p.depth++
		for i := range options {
			p.block(options[i].name+" = ", &options[i].value, comma(i, len(options)))
		}
		p.depth--
		p.line("];")
	}
}

func comma(i, n int) string {
	if i < n-1 {
		return ","
	}
	return ""
}

// block writes a value between head and tail; lists and maps take lines of their own.
func (p *printer) block(head string, v *value, tail string) {
	switch v.kind {
	case 'w':
		p.line(head + v.text + tail)
	case '"':
		p.line(head + quote(v.text) + tail)
	default:
		p.line(head + string(v.kind))
		p.depth++
		for i := range v.items {
			name := ""
			if v.kind == '{' {
				name = v.names[i] + ": "
			}
			p.block(name, &v.items[i], comma(i, len(v.items)))
		}
		p.depth--
		p.line(map[byte]string{'{': "}", '[': "]"}[v.kind] + tail)
	}
}

func (p *printer) oneof(o *oneof) {
	from := p.open("oneof " + o.name)
	p.statements(p.options(o.options))
	p.members(from, o.fields, nil)
	p.members(from, nil, o.groups)
	p.close(from, "")
}

func (p *printer) enum(e *enum) {
	from := p.open("enum " + e.name)
	p.ranges(from, "reserved ", e.reserved)
	p.statements(p.options(e.options))
	for i := range e.constants {
		c := &e.constants[i]
		p.withOptions(c.name+" = "+strconv.Itoa(c.tag), p.options(c.options))
	}
	p.close(from, "")
}

func (p *printer) extends(list []extend) {
	if len(list) > 0 && !p.plain {
		p.line("")
		p.extendList(list)
	}
}

func (p *printer) extendList(list []extend) {
	for i := range list {
		e := &list[i]
		from := p.open("extend " + p.typeName(e.name))
		p.members(from, e.fields, nil)
		p.members(from, nil, e.groups)
		p.close(from, "")
	}
}

func (p *printer) service(s *service) {
	from := p.open("service " + s.name)
	p.statements(p.options(s.options))
	for i := range s.rpcs {
		if i == 0 {
			p.gap(from)
		}
		p.rpc(&s.rpcs[i])
	}
	p.close(from, "")
}

func (p *printer) rpc(r *rpc) {
	stream := map[bool]string{true: "stream "}
	head := fmt.Sprintf("rpc %s (%s%s) returns (%s%s)", r.name,
		stream[r.requestStreams], p.typeName(r.request), stream[r.responseStreams], p.typeName(r.response))
	options := p.options(r.options)
	if len(options) == 0 {
		p.line(head + ";")
		return
	}
	from := p.open(head)
	p.statements(options)
	p.close(from, ";")
}

// quote writes a string with the escapes that protoc and Wire know. Bytes that are no
// UTF-8 are written in octal.
func quote(s string) string {
	b := []byte{'"'}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch at := strings.IndexByte("\a\b\t\n\v\f\r\"\\", s[i]); {
		case at >= 0:
			b = append(b, '\\', `abtnvfr"\`[at])
		case r == utf8.RuneError && n == 1 || r < ' ' || r == 0x7f:
			b = fmt.Appendf(b, "\\%03o", s[i])
		default:
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return string(append(b, '"'))
}
