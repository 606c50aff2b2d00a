package jsonschema

import (
	"encoding/json"
	"math/big"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// node is a schema as comparisons see it. References are followed; a list of types is an
// any of them, and keywords of several families are an all of a node each.
type node struct {
	index uint32
	notes *notes
	// body is one of the types below.
	body any
}

// notes are what is said about a schema and does not bind values.
type notes struct {
	id, title, description string
	byDefault              string // canonical; "": none
}

type (
	anything struct{} // true, or no keyword that counts
	nothing  struct{} // false
	boolean  struct{}
	null     struct{}

	constant string   // canonical
	enum     []string // canonical, sorted
	not      struct{ node *node }

	stringRules struct {
		min, max   *int
		pattern    string
		hasPattern bool
	}
	numberRules struct {
		integer                            bool
		min, max, above, below, multipleOf *big.Rat // above and below are exclusive
	}
	objectRules struct {
		names      []string // of properties, sorted
		properties map[string]*node
		required   map[string]bool
		patterns   []patternRule
		additional rest
		// unevaluated counts where additional says nothing.
		unevaluated rest
		nameRules   *node
		min, max    *int
		needs       map[string][]string // dependencies on other properties, sorted
		shapes      map[string]*node    // dependencies on schemas
	}
	arrayRules struct {
		items       *node // of all places; nil with a tuple
		tuple       []*node
		additional  rest
		unevaluated rest
		contains    *node
		min, max    *int
		least, most *int // of contains
		unique      bool
	}
	combined struct {
		criterion criterion
		branches  []*node
	}
)

// rest says what is allowed beyond what is named.
type rest struct {
	closed bool
	schema *node // nil: anything, or nothing if closed
}

func (r rest) said() bool { return r.closed || r.schema != nil }

type patternRule struct {
	text string
	node *node
}

type criterion string

const (
	allOf criterion = "allOf"
	anyOf criterion = "anyOf"
	oneOf criterion = "oneOf"
)

// composite says whether a comparison of the node compares other nodes.
func (n *node) composite() bool {
	switch n.body.(type) {
	case *combined, *objectRules, *arrayRules, *not:
		return true
	}
	return false
}

// builder makes nodes of compiled schemas, one for each.
type builder struct {
	nodes map[*jsonschema.Schema]*node
	next  uint32
	bytes int
}

// nodeBytes is about what a node takes with its rules.
const nodeBytes = 320

func (b *builder) node(body any) *node {
	b.next++
	b.bytes += nodeBytes
	return &node{index: b.next, body: body}
}

func (b *builder) schema(s *jsonschema.Schema) *node {
	if s == nil {
		return nil
	}
	if b.nodes == nil {
		b.nodes = map[*jsonschema.Schema]*node{}
	}
	target := follow(s)
	if n, ok := b.nodes[target]; ok {
		return n
	}
	n := b.node(anything{})
	b.nodes[target] = n
	b.fill(n, target)
	return n
}

// follow goes through schemas that are a reference and nothing else. A ring of such
// references allows everything.
func follow(s *jsonschema.Schema) *jsonschema.Schema {
	for seen := map[*jsonschema.Schema]bool{}; s.Ref != nil && !seen[s] && (s.DraftVersion < 2019 || bare(s)); s = s.Ref {
		seen[s] = true
	}
	return s
}

// bare says whether a reference has no neighbours that bind values.
func bare(s *jsonschema.Schema) bool {
	return s.Types == nil && len(families(s)) == 0 && s.RecursiveRef == nil && s.DynamicRef == nil
}

func (b *builder) fill(n *node, s *jsonschema.Schema) {
	if s.Bool != nil {
		if !*s.Bool {
			n.body = nothing{}
		}
		return
	}
	n.notes = notesOf(s)
	var bodies []any
	for _, ref := range refs(s) {
		bodies = append(bodies, b.schema(ref))
	}
	bodies = append(bodies, b.bodies(s)...)
	if s.Types == nil {
		for _, f := range families(s) {
			bodies = append(bodies, b.typed(s, f))
		}
	} else {
		bodies = append(bodies, b.types(s))
	}
	switch len(bodies) {
	case 0:
	case 1:
		n.body = bodies[0]
		if other, ok := n.body.(*node); ok { // a reference that has nothing but notes beside it
			n.body = &combined{allOf, []*node{other}}
		}
	default:
		all := &combined{criterion: allOf}
		for _, body := range bodies {
			branch, ok := body.(*node)
			if !ok {
				branch = b.node(body)
			}
			all.branches = append(all.branches, branch)
		}
		n.body = all
	}
}

func refs(s *jsonschema.Schema) []*jsonschema.Schema {
	if s.Ref != nil && s.DraftVersion < 2019 {
		return nil // what is left of a ring
	}
	var out []*jsonschema.Schema
	if s.Ref != nil && !ring(s) {
		out = append(out, s.Ref)
	}
	if s.RecursiveRef != nil {
		out = append(out, s.RecursiveRef)
	}
	if s.DynamicRef != nil {
		out = append(out, s.DynamicRef.Ref)
	}
	return out
}

func ring(s *jsonschema.Schema) bool { return follow(s.Ref) == s && bare(s) }

func notesOf(s *jsonschema.Schema) *notes {
	out := notes{id: s.ID, title: s.Title, description: s.Description}
	if s.Default != nil {
		out.byDefault = canonical(*s.Default)
	}
	if out == (notes{}) {
		return nil
	}
	return &out
}

// bodies are those of enum, const, not and the combining keywords.
func (b *builder) bodies(s *jsonschema.Schema) []any {
	var out []any
	if s.Enum != nil {
		values := make(enum, 0, len(s.Enum.Values))
		for _, v := range s.Enum.Values {
			values = append(values, canonical(v))
			b.bytes += 16 + len(values[len(values)-1])
		}
		slices.Sort(values)
		out = append(out, slices.Compact(values))
	}
	for _, c := range []struct {
		criterion criterion
		branches  []*jsonschema.Schema
	}{{allOf, s.AllOf}, {anyOf, s.AnyOf}, {oneOf, s.OneOf}} {
		if len(c.branches) > 0 {
			out = append(out, &combined{c.criterion, b.schemas(c.branches)})
		}
	}
	if s.Not != nil {
		out = append(out, &not{b.schema(s.Not)})
	}
	if s.Const != nil {
		out = append(out, constant(canonical(*s.Const)))
	}
	return out
}

func (b *builder) schemas(s []*jsonschema.Schema) []*node {
	out := make([]*node, len(s))
	for i := range s {
		out[i] = b.schema(s[i])
	}
	return out
}

// types is the body of keyword type.
func (b *builder) types(s *jsonschema.Schema) any {
	names := s.Types.ToStrings()
	if len(names) == 1 {
		return b.typed(s, names[0])
	}
	out := &combined{criterion: anyOf}
	for _, name := range names {
		out.branches = append(out.branches, b.node(b.typed(s, name)))
	}
	return out
}

// families are the types that a schema without keyword type has keywords of.
func families(s *jsonschema.Schema) []string {
	var out []string
	if s.MinLength != nil || s.MaxLength != nil || s.Pattern != nil {
		out = append(out, "string")
	}
	if s.Items != nil || s.AdditionalItems != nil || s.PrefixItems != nil || s.Items2020 != nil || s.UnevaluatedItems != nil ||
		s.Contains != nil || s.MinItems != nil || s.MaxItems != nil || s.UniqueItems {
		out = append(out, "array")
	}
	if s.Properties != nil || s.PatternProperties != nil || s.AdditionalProperties != nil || s.UnevaluatedProperties != nil ||
		s.PropertyNames != nil || len(s.Required) > 0 || s.MinProperties != nil || s.MaxProperties != nil ||
		s.Dependencies != nil || s.DependentRequired != nil || s.DependentSchemas != nil {
		out = append(out, "object")
	}
	if s.Minimum != nil || s.Maximum != nil || s.ExclusiveMinimum != nil || s.ExclusiveMaximum != nil || s.MultipleOf != nil {
		out = append(out, "number")
	}
	return out
}

// typed is the body of one type with its keywords.
func (b *builder) typed(s *jsonschema.Schema, name string) any {
	switch name {
	case "string":
		out := &stringRules{min: s.MinLength, max: s.MaxLength}
		if s.Pattern != nil {
			out.pattern, out.hasPattern = s.Pattern.String(), true
		}
		return out
	case "number", "integer":
		return &numberRules{integer: name == "integer", min: s.Minimum, max: s.Maximum,
			above: s.ExclusiveMinimum, below: s.ExclusiveMaximum, multipleOf: s.MultipleOf}
	case "object":
		return b.object(s)
	case "array":
		return b.array(s)
	case "boolean":
		return boolean{}
	}
	return null{}
}

func (b *builder) object(s *jsonschema.Schema) *objectRules {
	out := &objectRules{min: s.MinProperties, max: s.MaxProperties, required: map[string]bool{},
		properties: map[string]*node{}, nameRules: b.schema(s.PropertyNames)}
	for name := range s.Properties {
		out.names = append(out.names, name)
		b.bytes += 64 + len(name)
	}
	slices.Sort(out.names)
	for _, name := range out.names {
		out.properties[name] = b.schema(s.Properties[name])
	}
	for _, name := range s.Required {
		out.required[name] = true
	}
	for p, of := range s.PatternProperties {
		out.patterns = append(out.patterns, patternRule{p.String(), b.schema(of)})
	}
	slices.SortFunc(out.patterns, func(x, y patternRule) int { return compareUTF16(x.text, y.text) })
	out.additional = b.rest(s.AdditionalProperties)
	out.unevaluated = b.rest(s.UnevaluatedProperties)
	out.needs, out.shapes = map[string][]string{}, map[string]*node{}
	for name, of := range s.Dependencies {
		switch of := of.(type) {
		case []string:
			out.needs[name] = sorted(of)
		case *jsonschema.Schema:
			out.shapes[name] = b.schema(of)
		}
	}
	for name, of := range s.DependentRequired {
		out.needs[name] = sorted(of)
	}
	for name, of := range s.DependentSchemas {
		out.shapes[name] = b.schema(of)
	}
	return out
}

func sorted(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

func (b *builder) array(s *jsonschema.Schema) *arrayRules {
	out := &arrayRules{min: s.MinItems, max: s.MaxItems, least: s.MinContains, most: s.MaxContains,
		unique: s.UniqueItems, contains: b.schema(s.Contains), unevaluated: b.rest(s.UnevaluatedItems)}
	switch items := s.Items.(type) {
	case []*jsonschema.Schema:
		out.tuple = b.schemas(items)
		out.additional = b.rest(s.AdditionalItems)
	case *jsonschema.Schema:
		out.items = b.schema(items)
	}
	if s.PrefixItems != nil {
		out.tuple = b.schemas(s.PrefixItems)
		out.additional = b.rest(s.Items2020)
	} else if s.Items2020 != nil {
		out.items = b.schema(s.Items2020)
	}
	return out
}

// rest takes what the compiler has for additional and unevaluated things: nothing, a
// bool, or a schema that may be one.
func (b *builder) rest(v any) rest {
	switch v := v.(type) {
	case bool:
		return rest{closed: !v}
	case *jsonschema.Schema:
		if v == nil {
			return rest{}
		}
		if v.Bool != nil {
			return rest{closed: !*v.Bool}
		}
		return rest{schema: b.schema(v)}
	}
	return rest{}
}

// canonical is a value as one text: members sorted, numbers by value.
func canonical(v any) string { return string(appendCanonical(nil, v)) }

func appendCanonical(b []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		b = append(b, '{')
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			b = append(appendString(b, name), ':')
			b = append(appendCanonical(b, v[name]), ',')
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i := range v {
			b = append(appendCanonical(b, v[i]), ',')
		}
		return append(b, ']')
	case json.Number:
		return appendExact(b, string(v))
	}
	return appendValue(b, v, true)
}
