package jsonschema

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/streamhouse/streamhouse/registry/schema"
)

const (
	// base is the URL of a text without an id; no reference's name resolves to it.
	base = "registry://schema/"
	// objectsMax is how many JSON objects a text may have, those of its references counted.
	objectsMax = 20_000
	// pointersMax is how many bytes the paths of all objects may have: the compiler keeps them.
	pointersMax = 8 << 20
	// searchesMax is how much the compiler may search: it looks through all ids for every
	// object, and through all objects for every reference to what is no schema's place.
	searchesMax = 20_000_000
	// basesMax is how many folders of references a name is looked for in.
	basesMax = 32
	// reasonMax is how long a reason may be: it repeats parts of the text.
	reasonMax = 1000
	// repairsMax is how many faults a stored text may have.
	repairsMax = 64
)

// compile resolves references and checks against the metaschema. Errors are *schema.Invalid.
func compile(src *schema.Source, doc any) (*jsonschema.Schema, error) {
	var size measure
	size.value(doc, 0)
	lib := &library{src: src, size: &size}
	root := plain(doc)
	lib.bases = []string{base}
	if id := idOf(root); id != "" {
		lib.bases = append(lib.bases, resolve(base, id))
	}
	if err := size.check(); err != nil {
		return nil, err
	}
	for range repairsMax {
		compiled, err := lib.compile(root)
		if err == nil {
			return compiled, nil
		}
		fault := deepest(err)
		if src.Strict || fault == nil || !remove(root, fault.InstanceLocation) {
			return nil, invalid(err)
		}
	}
	return nil, schema.Invalidf("the schema has more than %d faults", repairsMax)
}

func (l *library) compile(root any) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7)
	c.UseLoader(l)
	c.UseRegexpEngine(func(text string) (jsonschema.Regexp, error) {
		if _, err := compilePattern(text); err != nil {
			return nil, err
		}
		return pattern(text), nil
	})
	if err := c.AddResource(base, root); err != nil {
		return nil, err
	}
	return c.Compile(base)
}

// deepest is the fault that says where most exactly; nil: the error is of another kind.
func deepest(err error) *jsonschema.ValidationError {
	var of *jsonschema.SchemaValidationError
	var top *jsonschema.ValidationError
	if !errors.As(err, &of) || !errors.As(of.Err, &top) {
		return nil
	}
	return deepestOf(top)
}

func deepestOf(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	out := e
	for _, cause := range e.Causes {
		if d := deepestOf(cause); len(d.InstanceLocation) > len(out.InstanceLocation) || len(out.Causes) > 0 {
			out = d
		}
	}
	return out
}

func invalid(err error) error {
	var bad *schema.Invalid
	if errors.As(err, &bad) {
		return bad
	}
	reason := strings.ReplaceAll(err.Error(), base, "")
	if fault := deepest(err); fault != nil {
		lines := strings.Split(fault.Error(), "\n")
		reason = strings.TrimPrefix(strings.TrimSpace(lines[len(lines)-1]), "- ")
	}
	if len(reason) > reasonMax {
		reason = strings.ToValidUTF8(reason[:reasonMax], "") + "..."
	}
	return schema.Invalidf("%s", reason)
}

// remove takes what is at a place out of a document; false if nothing is there.
func remove(doc any, place []string) bool {
	for len(place) > 0 {
		switch v := doc.(type) {
		case map[string]any:
			next, ok := v[place[0]]
			if !ok {
				return false
			}
			if len(place) == 1 || isArray(next) {
				delete(v, place[0])
				return true
			}
			doc = next
		default:
			return false
		}
		place = place[1:]
	}
	return false
}

func isArray(v any) bool { _, ok := v.([]any); return ok }

// plain is a value as the compiler takes it. A root's $schema that names no draft is left
// out: draft 7 is meant then.
func plain(v any) any {
	out := unordered(v)
	if m, ok := out.(map[string]any); ok {
		if name, ok := m["$schema"].(string); ok && !slices.Contains(drafts, strings.TrimSuffix(name, "#")) {
			delete(m, "$schema")
		}
	}
	return out
}

var drafts = []string{
	"http://json-schema.org/draft-04/schema", "http://json-schema.org/draft-06/schema",
	"http://json-schema.org/draft-07/schema",
	"https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema",
}

func unordered(v any) any {
	switch v := v.(type) {
	case *object:
		out := make(map[string]any, len(v.names))
		for i, name := range v.names {
			out[name] = unordered(v.values[i])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = unordered(v[i])
		}
		return out
	}
	return v
}

func idOf(doc any) string {
	if m, ok := doc.(map[string]any); ok {
		for _, keyword := range []string{"$id", "id"} {
			if id, ok := m[keyword].(string); ok {
				id, _, _ = strings.Cut(id, "#")
				return id
			}
		}
	}
	return ""
}

// library loads the schemas that a text refers to, and nothing else.
type library struct {
	src   *schema.Source
	size  *measure
	bases []string // URLs that names of references are relative to
}

var _ jsonschema.URLLoader = (*library)(nil)

// Load is asked for what is no part of the text and no metaschema.
func (l *library) Load(url string) (any, error) {
	for i := range l.src.References {
		r := &l.src.References[i]
		if !l.is(url, r.Name) {
			continue
		}
		doc, err := decode(r.Text)
		if err != nil {
			return nil, schema.Invalidf("reference '%s': %v", r.Name, err)
		}
		l.size.value(doc, 0)
		if err := l.size.check(); err != nil {
			return nil, err
		}
		out := plain(doc)
		for _, more := range []string{url, resolve(url, idOf(out))} {
			if !slices.Contains(l.bases, more) && len(l.bases) < basesMax {
				l.bases = append(l.bases, more)
			}
		}
		return out, nil
	}
	return nil, schema.Invalidf("'%s' is the name of no reference of the schema (schemas are not fetched from elsewhere)",
		strings.TrimPrefix(url, base))
}

func (l *library) is(url, name string) bool {
	name, _, _ = strings.Cut(name, "#")
	for _, from := range l.bases {
		if u := resolve(from, name); u == url || u == unescape(url) {
			return true
		}
	}
	return false
}

// resolve is a name as a URL, by the part of RFC 3986 that names of schemas need.
func resolve(from, name string) string {
	if name == "" {
		return from
	}
	if colon := strings.IndexByte(name, ':'); colon > 0 && !strings.ContainsAny(name[:colon], "/?") {
		return name
	}
	scheme, rest, ok := strings.Cut(from, "://")
	if !ok {
		return name
	}
	host, folder, _ := strings.Cut(rest, "/")
	if !strings.HasPrefix(name, "/") {
		name = path.Dir("/"+folder+"x") + "/" + name
	}
	return scheme + "://" + host + path.Clean(name)
}

// unescape undoes percent encoding where it is well formed.
func unescape(url string) string {
	var b strings.Builder
	for i := 0; i < len(url); i++ {
		if url[i] == '%' && i+2 < len(url) {
			var c byte
			if n, _ := fmt.Sscanf(url[i+1:i+3], "%02x", &c); n == 1 {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(url[i])
	}
	return b.String()
}

// measure counts what a text costs to compile.
type measure struct {
	objects, named, pointers, ids, odd int
}

func (m *measure) value(v any, pointer int) {
	switch v := v.(type) {
	case *object:
		m.objects++
		m.pointers += pointer
		for i, name := range v.names {
			m.member(name, v.values[i])
			m.value(v.values[i], pointer+1+len(name))
		}
	case []any:
		for i := range v {
			m.value(v[i], pointer+6)
		}
	case bool: // may be a schema
		m.pointers += pointer
	}
}

func (m *measure) member(name string, v any) {
	switch v := v.(type) {
	case *object:
		if name == "definitions" || name == "$defs" {
			m.named += len(v.names)
		}
	case string:
		switch name {
		case "$id", "id":
			m.ids++
		case "$ref", "$dynamicRef", "$recursiveRef":
			if strings.Contains(v, "/") && !strings.Contains(v, "/definitions/") && !strings.Contains(v, "/$defs/") {
				m.odd++
			}
		}
	}
}

func (m *measure) check() error {
	switch {
	case m.objects > objectsMax:
		return schema.Invalidf("the schema has more than %d objects, with its references", objectsMax)
	case m.named > schema.NamedMax:
		return schema.Invalidf("the schema has more than %d definitions, with its references", schema.NamedMax)
	case m.pointers > pointersMax:
		return schema.Invalidf("the paths of the schema's parts have more than %d bytes", pointersMax)
	case (m.ids+m.odd)*m.objects > searchesMax:
		return schema.Invalidf("the schema has too many ids and references for its size")
	}
	return nil
}
