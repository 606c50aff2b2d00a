package avro

import (
	"slices"
	"strconv"
	"strings"
)

// writer writes a type as Java's Schema.toString() does or, if normal, in the form that
// schemas share which differ in nothing but the order of what has none.
type writer struct {
	out    []byte
	known  map[string]bool // full names that were defined
	normal bool
}

func (w *writer) raw(s string) { w.out = append(w.out, s...) }

func (w *writer) pair(name, text string) {
	w.raw(`,"` + name + `":`)
	w.out = appendString(w.out, text)
}

// qualified is how a name is written where space is the namespace around it. One that
// reads as a primitive type is written in full.
func (w *writer) qualified(n name, space string) string {
	if w.normal || n.space != space || primitive(n.name) {
		return n.full()
	}
	return n.name
}

func (w *writer) schema(n *node, space string) {
	switch {
	case n.kind == kindUnion:
		w.raw("[")
		for i, b := range n.branches {
			if i > 0 {
				w.raw(",")
			}
			w.schema(b, space)
		}
		w.raw("]")
	case n.named():
		w.definition(n, space)
	case n.item != nil:
		w.raw(`{"type":"` + n.kind + `","` + map[string]string{kindArray: "items", kindMap: "values"}[n.kind] + `":`)
		w.schema(n.item, space)
		w.props(n.props)
		w.raw("}")
	case len(n.props) > 0:
		w.raw(`{"type":"` + n.kind + `"`)
		w.props(n.props)
		w.raw("}")
	default:
		w.raw(`"` + n.kind + `"`)
	}
}

func (w *writer) definition(n *node, space string) {
	if w.known[n.full()] {
		w.out = appendString(w.out, w.qualified(n.name, space))
		return
	}
	w.known[n.full()] = true
	kind := n.kind
	if n.isError {
		kind = kindError
	}
	if w.normal {
		w.raw(`{"name":`)
		w.out = appendString(w.out, n.full())
		w.raw(`,"type":"` + kind + `"`)
	} else {
		w.raw(`{"type":"` + kind + `"`)
		w.pair("name", n.name.name)
		if n.space != space {
			w.pair("namespace", n.space)
		}
	}
	if n.doc != nil {
		w.pair("doc", *n.doc)
	}
	switch n.kind {
	case kindRecord:
		w.fields(n)
	case kindEnum:
		w.raw(`,"symbols":`)
		w.strings(n.symbols)
		if n.enumDefault != nil {
			w.pair("default", *n.enumDefault)
		}
	case kindFixed:
		w.raw(`,"size":` + strconv.FormatInt(n.size, 10))
	}
	w.props(n.props)
	w.aliases(n)
	w.raw("}")
}

func (w *writer) fields(n *node) {
	w.raw(`,"fields":[`)
	for i := range n.fields {
		f := &n.fields[i]
		if i > 0 {
			w.raw(",")
		}
		w.raw(`{"name":`)
		w.out = appendString(w.out, f.name)
		w.raw(`,"type":`)
		w.schema(f.schema, n.space)
		if f.doc != nil {
			w.pair("doc", *f.doc)
		}
		if f.def != nil {
			w.raw(`,"default":`)
			w.out = appendValue(w.out, f.def, w.normal)
		}
		if f.order != "" {
			w.pair("order", f.order)
		}
		if len(f.aliases) > 0 {
			w.raw(`,"aliases":`)
			w.strings(w.set(f.aliases))
		}
		w.props(f.props)
		w.raw("}")
	}
	w.raw("]")
}

func (w *writer) aliases(n *node) {
	if len(n.aliases) == 0 {
		return
	}
	texts := make([]string, len(n.aliases))
	for i, a := range n.aliases {
		texts[i] = w.qualified(a, n.space)
	}
	w.raw(`,"aliases":`)
	w.strings(w.set(texts))
}

// set is a list without an order: the normal form sorts it.
func (w *writer) set(texts []string) []string {
	if w.normal {
		texts = slices.Sorted(slices.Values(texts))
	}
	return texts
}

func (w *writer) strings(texts []string) {
	w.raw("[")
	for i, s := range texts {
		if i > 0 {
			w.raw(",")
		}
		w.out = appendString(w.out, s)
	}
	w.raw("]")
}

func (w *writer) props(props []member) {
	if w.normal {
		props = slices.Clone(props)
		slices.SortStableFunc(props, func(a, b member) int { return strings.Compare(a.name, b.name) })
	}
	for i := range props {
		w.raw(",")
		w.out = append(appendString(w.out, props[i].name), ':')
		w.out = appendValue(w.out, &props[i].value, w.normal)
	}
}
