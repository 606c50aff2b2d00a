// Package avro is the schema type AVRO: it reads texts as Java's parser does, writes them
// as Java's Schema.toString(), and finds all differences that Java's
// SchemaCompatibility finds, in its order (Apache Avro 1.12.2). Answers recorded from
// Java are in testdata.
package avro

import (
	"strings"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// Language is the port's implementation.
type Language struct{}

var _ schema.Language = Language{}

// Type is AVRO.
func (Language) Type() schema.Type { return schema.Avro }

// Parse reads a text behind those that it refers to, whose names it may use.
func (Language) Parse(src *schema.Source) (schema.Parsed, error) {
	p := newParser()
	for i := range src.References {
		r := &src.References[i]
		if _, err := p.text(r.Text); err != nil {
			return nil, schema.Invalidf("reference '%s': %v", r.Name, err)
		}
	}
	refs := p.defined
	p.strict = src.Strict
	root, err := p.text(src.Text)
	if err != nil {
		return nil, err
	}
	known := make(map[string]bool, len(refs))
	for _, n := range refs {
		known[n.full()] = true
	}
	out := &parsed{root: root, known: known, bytes: 256 * p.nodes}
	out.text = out.write(known, false)
	out.bytes += 2 * len(out.text)
	return out, nil
}

// parsed is a schema of this package.
type parsed struct {
	root  *node
	known map[string]bool // full names that references define
	text  string
	bytes int
}

func (p *parsed) write(known map[string]bool, normal bool) string {
	w := writer{known: make(map[string]bool, len(known)), normal: normal}
	for k := range known {
		w.known[k] = true
	}
	w.schema(p.root, "")
	return string(w.out)
}

// Text is what Java's toString writes, with the types of references by name.
func (p *parsed) Text() string { return p.text }

// Normal writes names first and in full, and properties and aliases sorted.
func (p *parsed) Normal() string { return p.write(p.known, true) }

// Format knows "resolved": types of references where they are used first.
func (p *parsed) Format(name string) string {
	if name == "resolved" {
		return p.write(nil, false)
	}
	return p.text
}

// RecordName is the name of the topmost type: what serializers name subjects by.
func (p *parsed) RecordName([]int) (string, bool) {
	if p.root.named() {
		return p.root.full(), true
	}
	return p.root.kind, true
}

// Fields are those of the topmost record.
func (p *parsed) Fields() []string {
	out := make([]string, len(p.root.fields))
	for i := range p.root.fields {
		out[i] = p.root.fields[i].name
	}
	return out
}

// Bytes is an estimate: nodes of a tree and the text.
func (p *parsed) Bytes() int { return p.bytes }

// name is a name with its namespace; an empty one is no namespace.
type name struct{ name, space string }

// newName reads a name that may have a namespace of its own.
func newName(text, space string) name {
	if i := strings.LastIndexByte(text, '.'); i >= 0 {
		return name{text[i+1:], text[:i]}
	}
	return name{text, space}
}

func (n name) full() string {
	if n.space == "" {
		return n.name
	}
	return n.space + "." + n.name
}

// The kinds of a schema, as Avro spells them.
const (
	kindRecord, kindError, kindEnum, kindFixed = "record", "error", "enum", "fixed"
	kindArray, kindMap, kindUnion              = "array", "map", "union"
	kindNull, kindBoolean, kindInt, kindLong   = "null", "boolean", "int", "long"
	kindFloat, kindDouble                      = "float", "double"
	kindBytes, kindString                      = "bytes", "string"
)

func primitive(kind string) bool {
	switch kind {
	case kindNull, kindBoolean, kindInt, kindLong, kindFloat, kindDouble, kindBytes, kindString:
		return true
	}
	return false
}

// node is a type.
type node struct {
	kind string // an error is a record with isError
	name
	isError     bool
	doc         *string
	fields      []field
	symbols     []string
	enumDefault *string
	size        int64
	item        *node // of an array or map
	branches    []*node
	aliases     []name
	props       []member
}

func (n *node) named() bool {
	return n.kind == kindRecord || n.kind == kindEnum || n.kind == kindFixed
}

type field struct {
	name    string
	doc     *string
	schema  *node
	def     *value // nil: no default
	order   string // "" is ascending
	aliases []string
	props   []member
}
