// Package jsonschema is the schema type JSON: it writes texts as Jackson rewrites them,
// resolves references by name alone, never over a network, and compares schemas of drafts 4
// to 2020-12 by a model of its own (model.go), in which if, then, else, format and content
// keywords do not count.
package jsonschema

import (
	"slices"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// Language is the port's implementation.
type Language struct{}

var _ schema.Language = Language{}

// Type is JSON.
func (Language) Type() schema.Type { return schema.JSON }

// Parse reads a text and the schemas that it refers to. What is not valid by its
// metaschema is refused; in a stored text such keywords are left out of the model.
func (Language) Parse(src *schema.Source) (schema.Parsed, error) {
	doc, err := decode(src.Text)
	if err != nil {
		return nil, err
	}
	compiled, err := compile(src, doc)
	if err != nil {
		return nil, err
	}
	m := builder{}
	out := &parsed{doc: doc, root: m.schema(compiled)}
	out.text = string(appendValue(nil, doc, false))
	out.bytes = 2*len(src.Text) + 2*len(out.text) + m.bytes
	return out, nil
}

// parsed is a schema of this package.
type parsed struct {
	doc   any
	root  *node
	text  string
	bytes int
}

// Text is the document as Jackson writes it.
func (p *parsed) Text() string { return p.text }

// Normal has the members of each object sorted.
func (p *parsed) Normal() string { return string(appendValue(nil, p.doc, true)) }

// Format knows no other form.
func (p *parsed) Format(string) string { return p.text }

// RecordName is the title, which serializers name records by.
func (p *parsed) RecordName([]int) (string, bool) {
	if o, ok := p.doc.(*object); ok {
		if title, ok := o.get("title").(string); ok {
			return title, true
		}
	}
	return "", false
}

// Fields are the properties of the topmost object, and of the parts of an allOf.
func (p *parsed) Fields() []string {
	var out []string
	add := func(n *node) {
		if o, ok := n.body.(*objectRules); ok {
			out = append(out, o.names...)
		}
	}
	add(p.root)
	if c, ok := p.root.body.(*combined); ok && c.criterion == allOf {
		for _, n := range c.branches {
			add(n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Bytes is an estimate.
func (p *parsed) Bytes() int { return p.bytes }

// Differences compares by the rules of compare.go.
func (p *parsed) Differences(old schema.Parsed, policy schema.Policy, w *schema.Work) ([]schema.Difference, error) {
	found, err := compare(old.(*parsed).root, p.root, policy, w)
	var out []schema.Difference
	for i := range found {
		if !compatible(found[i].kind, policy) {
			out = append(out, found[i].public())
		}
	}
	return out, err
}
