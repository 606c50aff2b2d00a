package protobuf

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// typ is a message or an enum by its full name.
type typ struct {
	full string
	// pkg is the package, and far whether the type is of a reference.
	pkg     string
	far     bool
	message *message // nil: an enum
}

// relative is the name within the package.
func (t *typ) relative() string {
	if t.pkg == "" {
		return t.full
	}
	return strings.TrimPrefix(t.full, t.pkg+".")
}

// index has the types of files; the first of them is the schema itself.
func index(files []*file) map[string]*typ {
	out := map[string]*typ{}
	for i, f := range files {
		in := &indexer{out, f.pkg, i > 0}
		in.add(f.pkg, f.messages, f.enums)
		for _, e := range f.extends {
			in.groups(f.pkg, e.groups)
		}
	}
	return out
}

type indexer struct {
	types map[string]*typ
	pkg   string
	far   bool
}

// oneofsMax is how many oneofs a message may have, those counted that optional fields
// stand for: the linker looks through all of them for each.
const oneofsMax = 4_000

// crowded says whether a message has too many oneofs.
func crowded(types map[string]*typ) bool {
	for _, t := range types {
		if t.message == nil {
			continue
		}
		n := len(t.message.oneofs)
		for i := range t.message.fields {
			if t.message.fields[i].label == "optional" {
				n++
			}
		}
		if n > oneofsMax {
			return true
		}
	}
	return false
}

func (in *indexer) put(full string, m *message) {
	if in.types[full] == nil {
		in.types[full] = &typ{full, in.pkg, in.far, m}
	}
}

func (in *indexer) add(scope string, messages []*message, enums []*enum) {
	for _, m := range messages {
		full := join(scope, m.name)
		in.put(full, m)
		in.add(full, m.messages, m.enums)
		in.groups(full, m.groups)
		for i := range m.oneofs {
			in.groups(full, m.oneofs[i].groups)
		}
		for i := range m.extends {
			in.groups(full, m.extends[i].groups)
		}
	}
	for _, e := range enums {
		in.put(join(scope, e.name), nil)
	}
}

func (in *indexer) groups(scope string, groups []group) {
	for i := range groups {
		m := &groups[i].body
		in.put(join(scope, m.name), m)
		in.add(join(scope, m.name), m.messages, m.enums)
		in.groups(join(scope, m.name), m.groups)
	}
}

// scalars are the types that are words of the language.
var scalars = map[string]string{
	"int32": "integer", "int64": "integer", "uint32": "integer", "uint64": "integer", "bool": "integer",
	"sint32": "zigzag", "sint64": "zigzag",
	"string": "bytes", "bytes": "bytes",
	"fixed32": "fixed32", "sfixed32": "fixed32", "fixed64": "fixed64", "sfixed64": "fixed64",
	"float": "float", "double": "double",
}

// resolve finds a type that is named within a scope, from the innermost one outwards. nil:
// a scalar, or a name of nothing that is known.
func (p *parsed) resolve(scope, name string) *typ {
	if scalars[name] != "" {
		return nil
	}
	if full, ok := strings.CutPrefix(name, "."); ok {
		return p.named(full)
	}
	first, _, _ := strings.Cut(name, ".")
	for {
		if t := p.named(join(scope, name)); t != nil {
			return t
		}
		if first != name && p.named(join(scope, first)) != nil {
			return nil // the first part is hidden by another type
		}
		if scope == "" {
			return nil
		}
		scope = scope[:max(0, strings.LastIndexByte(scope, '.'))]
	}
}

func (p *parsed) named(full string) *typ {
	if t := p.types[full]; t != nil {
		return t
	}
	if !strings.HasPrefix(full, "google.") && !strings.HasPrefix(full, "confluent.") {
		return nil
	}
	if full == "confluent.Meta" || full == "confluent.type.Decimal" {
		return &typ{full, full[:strings.LastIndexByte(full, '.')], true, &message{}}
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(full))
	if err != nil || knownFile(d.ParentFile().Path()) == nil {
		return nil
	}
	t := &typ{full: full, pkg: string(d.ParentFile().Package()), far: true}
	if _, ok := d.(protoreflect.MessageDescriptor); ok {
		t.message = &message{}
	} else if _, ok := d.(protoreflect.EnumDescriptor); !ok {
		return nil
	}
	return t
}

// all are the fields of a message, those of its oneofs and its groups too, by number.
func (m *message) all() []field {
	out := slices.Clone(m.fields)
	groups := slices.Clone(m.groups)
	for i := range m.oneofs {
		out = append(out, m.oneofs[i].fields...)
		groups = append(groups, m.oneofs[i].groups...)
	}
	for _, g := range groups {
		out = append(out, field{label: g.label, typ: g.body.name, name: strings.ToLower(g.body.name), tag: g.tag, isGroup: true})
	}
	slices.SortStableFunc(out, func(a, b field) int { return a.tag - b.tag })
	return out
}
