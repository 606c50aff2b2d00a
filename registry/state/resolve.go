package state

import (
	"errors"
	"fmt"

	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/subject"
)

// Bounds of what a schema refers to, at any depth.
const (
	refsDepthMax = 32
	refsMax      = 1000
	refsBytesMax = 8 << 20
)

// resolution collects what a schema refers to.
type resolution struct {
	tx    *Tx
	list  []schema.Resolved
	at    map[string]int // by name, in list
	bytes int
}

// resolve returns what references name, at any depth, and the references with the number
// for "the latest". live: they must be of versions that are not deleted.
func (t *Tx) resolve(context string, refs []schema.Reference, live bool) ([]schema.Resolved, []schema.Reference, error) {
	if len(refs) == 0 {
		return nil, nil, nil
	}
	r := resolution{tx: t, at: map[string]int{}}
	fixed := make([]schema.Reference, len(refs))
	for i, ref := range refs {
		v, err := r.follow(context, ref, live, 1)
		if err != nil {
			return nil, nil, err
		}
		ref.Version = v.Number
		fixed[i] = ref
		if k, ok := r.at[ref.Name]; ok {
			r.list[k].Direct = true
		}
	}
	return r.list, fixed, nil
}

// follow adds what a reference names behind what that refers to itself.
func (r *resolution) follow(context string, ref schema.Reference, live bool, depth int) (*Version, error) {
	name := subject.Parse(subject.Qualify(context, ref.Subject))
	v, err := r.tx.Pick(name, ref.Version, !live)
	if err != nil {
		why := err.Error()
		var known *schema.Error
		if errors.As(err, &known) {
			why = known.Message
		}
		return nil, invalid("reference '%s' to subject '%s' version %d: %s", ref.Name, ref.Subject, ref.Version, why)
	}
	if _, seen := r.at[ref.Name]; seen {
		return v, nil
	}
	if depth > refsDepthMax || len(r.at) >= refsMax {
		return nil, invalid("more than %d references, or references deeper than %d", refsMax, refsDepthMax)
	}
	if r.bytes += len(v.Schema.Text); r.bytes > refsBytesMax {
		return nil, invalid("references of more than %d bytes", refsBytesMax)
	}
	r.at[ref.Name] = -1 // met: a cycle ends here
	for _, inner := range v.Schema.References {
		if _, err := r.follow(name.Context, inner, false, depth+1); err != nil {
			return nil, err
		}
	}
	r.at[ref.Name] = len(r.list)
	r.list = append(r.list, schema.Resolved{Name: ref.Name, Text: v.Schema.Text})
	return v, nil
}

func invalid(format string, args ...any) error {
	return schema.Errorf(schema.InvalidSchema, "Invalid schema: %s", fmt.Sprintf(format, args...))
}

// parse reads a schema with its references and returns it with their numbers.
func (t *Tx) parse(context string, s *schema.Schema, strict, live bool) (schema.Parsed, []schema.Reference, error) {
	list, fixed, err := t.resolve(context, s.References, live)
	if err != nil {
		return nil, nil, err
	}
	p, err := t.Parse(s.Type, &schema.Source{Text: s.Text, References: list, Strict: strict})
	var bad *schema.Invalid
	if errors.As(err, &bad) {
		return nil, nil, invalid("{schemaType=%s}: %v", s.Type, bad)
	}
	return p, fixed, err
}

// Stored parses what a subject of a context has.
func (t *Tx) Stored(context string, s *schema.Schema) (schema.Parsed, error) {
	p, _, err := t.parse(context, s, false, false)
	return p, err
}
