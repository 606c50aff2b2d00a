package protobuf

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile/ast"
)

type reader struct{ tree *ast.FileNode }

// read makes elements of a syntax tree.
func read(tree *ast.FileNode) *file {
	f, r := &file{}, reader{tree}
	switch {
	case tree.Syntax != nil:
		f.syntax = tree.Syntax.Syntax.AsString()
	case tree.Edition != nil:
		f.edition = tree.Edition.Edition.AsString()
	}
	for _, d := range tree.Decls {
		switch d := d.(type) {
		case *ast.PackageNode:
			f.pkg = string(d.Name.AsIdentifier())
		case *ast.ImportNode:
			name := d.Name.AsString()
			switch {
			case d.Public != nil:
				f.public = append(f.public, name)
			case d.Weak != nil:
				f.weak = append(f.weak, name)
			default:
				f.imports = append(f.imports, name)
			}
		case *ast.OptionNode:
			f.options = append(f.options, r.option(d))
		case *ast.MessageNode:
			m := r.message(d.Name.Val, d.Decls)
			f.messages = append(f.messages, &m)
		case *ast.EnumNode:
			f.enums = append(f.enums, r.enum(d))
		case *ast.ExtendNode:
			f.extends = append(f.extends, r.extend(d))
		case *ast.ServiceNode:
			f.services = append(f.services, r.service(d))
		}
	}
	return f
}

func (r reader) message(name string, decls []ast.MessageElement) message {
	m := message{name: name}
	for _, d := range decls {
		switch d := d.(type) {
		case *ast.OptionNode:
			m.options = append(m.options, r.option(d))
		case *ast.FieldNode:
			m.fields = append(m.fields, r.field(d))
		case *ast.MapFieldNode:
			m.fields = append(m.fields, r.mapField(d))
		case *ast.GroupNode:
			m.groups = append(m.groups, r.group(d))
		case *ast.OneofNode:
			m.oneofs = append(m.oneofs, r.oneof(d))
		case *ast.MessageNode:
			nested := r.message(d.Name.Val, d.Decls)
			m.messages = append(m.messages, &nested)
		case *ast.EnumNode:
			m.enums = append(m.enums, r.enum(d))
		case *ast.ExtendNode:
			m.extends = append(m.extends, r.extend(d))
		case *ast.ExtensionRangeNode:
			m.extensions = append(m.extensions, readRanges(d.Ranges))
		case *ast.ReservedNode:
			m.reserved = append(m.reserved, readReserved(d))
		}
	}
	return m
}

func (r reader) field(d *ast.FieldNode) field {
	f := field{label: label(d.Label), typ: string(d.FldType.AsIdentifier()), name: d.Name.Val, tag: tag(d.Tag)}
	f.take(r.compact(d.Options))
	return f
}

func (r reader) mapField(d *ast.MapFieldNode) field {
	f := field{key: d.MapType.KeyType.Val, value: string(d.MapType.ValueType.AsIdentifier()), name: d.Name.Val, tag: tag(d.Tag)}
	f.typ = "map<" + f.key + ", " + f.value + ">"
	f.take(r.compact(d.Options))
	return f
}

// take sets options; default and json_name are told apart, and come last in the text.
func (f *field) take(options []option) {
	for _, o := range options {
		v := o.value
		switch o.name {
		case "default":
			f.byDefVal = &v
		case "json_name":
			f.jsonName = &v
		default:
			f.options = append(f.options, o)
		}
	}
}

func label(l ast.FieldLabel) string {
	if !l.IsPresent() {
		return ""
	}
	return l.Val
}

func tag(n *ast.UintLiteralNode) int {
	if n == nil || n.Val > math.MaxInt32 {
		return 0
	}
	return int(n.Val)
}

func (r reader) group(d *ast.GroupNode) group {
	return group{label: label(d.Label), body: r.message(d.Name.Val, d.Decls), tag: tag(d.Tag)}
}

func (r reader) oneof(d *ast.OneofNode) oneof {
	o := oneof{name: d.Name.Val}
	for _, d := range d.Decls {
		switch d := d.(type) {
		case *ast.OptionNode:
			o.options = append(o.options, r.option(d))
		case *ast.FieldNode:
			o.fields = append(o.fields, r.field(d))
		case *ast.GroupNode:
			o.groups = append(o.groups, r.group(d))
		}
	}
	return o
}

func (r reader) enum(d *ast.EnumNode) *enum {
	e := &enum{name: d.Name.Val}
	for _, d := range d.Decls {
		switch d := d.(type) {
		case *ast.OptionNode:
			e.options = append(e.options, r.option(d))
		case *ast.EnumValueNode:
			n, _ := d.Number.AsInt64()
			e.constants = append(e.constants, constant{d.Name.Val, int(n), r.compact(d.Options)})
		case *ast.ReservedNode:
			e.reserved = append(e.reserved, readReserved(d))
		}
	}
	return e
}

func (r reader) extend(d *ast.ExtendNode) extend {
	e := extend{name: string(d.Extendee.AsIdentifier())}
	for _, d := range d.Decls {
		switch d := d.(type) {
		case *ast.FieldNode:
			e.fields = append(e.fields, r.field(d))
		case *ast.GroupNode:
			e.groups = append(e.groups, r.group(d))
		}
	}
	return e
}

func (r reader) service(d *ast.ServiceNode) service {
	s := service{name: d.Name.Val}
	for _, d := range d.Decls {
		switch d := d.(type) {
		case *ast.OptionNode:
			s.options = append(s.options, r.option(d))
		case *ast.RPCNode:
			s.rpcs = append(s.rpcs, r.rpc(d))
		}
	}
	return s
}

func (r reader) rpc(d *ast.RPCNode) rpc {
	out := rpc{name: d.Name.Val,
		request: string(d.Input.MessageType.AsIdentifier()), requestStreams: d.Input.Stream != nil,
		response: string(d.Output.MessageType.AsIdentifier()), responseStreams: d.Output.Stream != nil}
	for _, d := range d.Decls {
		if o, ok := d.(*ast.OptionNode); ok {
			out.options = append(out.options, r.option(o))
		}
	}
	return out
}

func readRanges(list []*ast.RangeNode) ranges {
	var out ranges
	for _, r := range list {
		from, _ := r.StartVal.AsInt64()
		text := strconv.FormatInt(from, 10)
		switch {
		case r.Max != nil:
			text += " to max"
		case r.EndVal != nil:
			to, _ := r.EndVal.AsInt64()
			text += " to " + strconv.FormatInt(to, 10)
		}
		out = append(out, text)
	}
	return out
}

func readReserved(d *ast.ReservedNode) ranges {
	out := readRanges(d.Ranges)
	for _, name := range d.Names {
		out = append(out, quote(name.AsString()))
	}
	for _, name := range d.Identifiers {
		out = append(out, name.Val)
	}
	return out
}

func (r reader) compact(d *ast.CompactOptionsNode) []option {
	if d == nil {
		return nil
	}
	var out []option
	for _, o := range d.Options {
		out = append(out, r.option(o))
	}
	return out
}

func (r reader) option(d *ast.OptionNode) option {
	var names []string
	custom := false
	for _, part := range d.Name.Parts {
		name := string(part.Name.AsIdentifier())
		if part.IsExtension() {
			name = "(" + name + ")"
			custom = true
		}
		names = append(names, name)
	}
	return option{strings.Join(names, "."), custom, r.value(d.Val)}
}

func (r reader) value(d ast.ValueNode) value {
	switch d := d.(type) {
	case ast.StringValueNode:
		return value{kind: '"', text: d.AsString()}
	case ast.IdentValueNode:
		return value{kind: 'w', text: string(d.AsIdentifier())}
	case *ast.ArrayLiteralNode:
		v := value{kind: '['}
		for _, e := range d.Elements {
			v.items = append(v.items, r.value(e))
		}
		return v
	case *ast.MessageLiteralNode:
		v, at := value{kind: '{'}, map[string]int{}
		for _, e := range d.Elements {
			name := string(e.Name.Name.AsIdentifier())
			switch {
			case e.Name.IsAnyTypeReference():
				name = "[" + string(e.Name.URLPrefix.AsIdentifier()) + "/" + name + "]"
			case e.Name.IsExtension():
				name = "[" + name + "]"
			}
			v.add(at, name, r.value(e.Val))
		}
		return v
	}
	return value{kind: 'w', text: r.number(d)}
}

// number is a number as it is written, like Wire keeps it; a comment behind a sign is left out.
func (r reader) number(d ast.ValueNode) string {
	text := strings.Join(strings.Fields(r.tree.NodeInfo(d).RawText()), "")
	if strings.Contains(text, "/") {
		return fmt.Sprint(d.Value())
	}
	return text
}
