package rest

import (
	"errors"
	"slices"
	"strconv"

	"github.com/streamhouse/streamhouse/registry/entry"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/state"
	"github.com/streamhouse/streamhouse/registry/subject"
)

// look is a transaction on what is durable.
func (r *request) look() *state.Tx { return r.h.o.Registry.Look(r.Context()) }

// schemaBody is a schema as requests give it.
type schemaBody struct {
	ID         int32              `json:"id"`
	Version    int32              `json:"version"`
	SchemaType schema.Type        `json:"schemaType"`
	Schema     string             `json:"schema"`
	References []schema.Reference `json:"references"`
	Metadata   *schema.Metadata   `json:"metadata"`
	RuleSet    *schema.RuleSet    `json:"ruleSet"`
}

func (r *request) schema(n subject.Name) (*state.Request, error) {
	var b schemaBody
	if err := r.body(&b); err != nil {
		return nil, err
	}
	b.Metadata.Tidy()
	b.RuleSet.Tidy()
	return &state.Request{
		Name: n, Version: max(b.Version, 0), ID: max(b.ID, 0), Normalize: r.flag("normalize"), Force: r.flag("force"),
		Schema: schema.Schema{Type: b.SchemaType, Text: b.Schema, References: b.References, Metadata: b.Metadata, Rules: b.RuleSet},
	}, nil
}

// schemaAnswer is a schema as answers have it.
type schemaAnswer struct {
	Subject    string             `json:"subject,omitempty"`
	Version    int32              `json:"version,omitempty"`
	ID         int32              `json:"id,omitempty"`
	GUID       string             `json:"guid,omitempty"`
	SchemaType schema.Type        `json:"schemaType"`
	References []schema.Reference `json:"references,omitempty"`
	Metadata   *schema.Metadata   `json:"metadata,omitempty"`
	RuleSet    *schema.RuleSet    `json:"ruleSet,omitempty"`
	Schema     string             `json:"schema"`
	Time       int64              `json:"ts,omitempty"`
	Deleted    bool               `json:"deleted,omitempty"`
	MaxID      int32              `json:"maxId,omitempty"`
}

// describe makes the answer of a schema in the form that is asked for.
func (r *request) describe(context string, s *schema.Schema, guid schema.GUID) (*schemaAnswer, error) {
	a := &schemaAnswer{
		GUID: guid.String(), SchemaType: s.Type, References: s.References, Metadata: s.Metadata, RuleSet: s.Rules, Schema: s.Text,
	}
	if r.query.Get("referenceFormat") == "qualified" && context != subject.Default {
		a.References = slices.Clone(s.References)
		for i := range a.References {
			a.References[i].Subject = subject.Qualify(context, a.References[i].Subject)
		}
	}
	if format := r.query.Get("format"); format != "" {
		parsed, err := r.look().Stored(context, s)
		if err != nil {
			return nil, err
		}
		a.Schema = parsed.Format(format)
	}
	return a, nil
}

func (r *request) describeVersion(n subject.Name, v *state.Version) (*schemaAnswer, error) {
	a, err := r.describe(n.Context, v.Schema, v.GUID)
	if err != nil {
		return nil, err
	}
	a.Subject, a.Version, a.ID, a.Time = n.String(), v.Number, v.ID, v.Time
	return a, nil
}

func register(r *request) (any, error) {
	q, err := r.schema(r.subject())
	if err != nil {
		return nil, err
	}
	done, err := r.h.o.Registry.Decide(r.Context(), func(t *state.Tx) (state.Commit, error) {
		again := *q
		return t.Register(&again)
	})
	if err != nil {
		return nil, err
	}
	got := done.(*state.Registered)
	if v := r.look().Subject(got.Name).Find(got.Number); v != nil && v.ID == got.ID {
		got.Version = v // with the time of its record
	}
	a, err := r.describeVersion(got.Name, got.Version)
	if err != nil {
		return nil, err
	}
	a.Subject = ""
	return a, nil
}

// names are the subjects that a name may stand for: itself, and if it is unqualified those
// of all other contexts.
func (r *request) names(n subject.Name) []subject.Name {
	out := []subject.Name{n}
	if n.Context != subject.Default || r.context != subject.Default {
		return out
	}
	_ = r.h.o.Registry.View(func(s *state.State) { // asked again with what follows
		for _, c := range s.Contexts() {
			if c != subject.Default {
				out = append(out, subject.In(c, n.Subject))
			}
		}
	})
	return out
}

func lookup(r *request) (any, error) {
	q, err := r.schema(r.subject())
	if err != nil {
		return nil, err
	}
	var first error
	for _, n := range r.names(q.Name) {
		again := *q
		again.Name = n
		got, err := r.look().Lookup(&again, r.flag("deleted"))
		if err == nil {
			return r.describeVersion(got.Name, got.Version)
		}
		if first == nil || isCode(first, schema.SubjectNotFound) && !isCode(err, schema.SubjectNotFound) {
			first = err
		}
		if !isCode(err, schema.SubjectNotFound) && !isCode(err, schema.SchemaNotFound) {
			break
		}
	}
	return nil, first
}

func isCode(err error, c schema.Code) bool {
	var e *schema.Error
	return errors.As(err, &e) && e.Code == c
}

func listSubjects(r *request) (any, error) {
	prefix := subject.AllContexts
	if r.query.Has("subjectPrefix") || r.context != subject.Default {
		prefix = subject.Qualify(r.context, r.query.Get("subjectPrefix"))
	}
	deleted, only := r.flag("deleted"), r.flag("deletedOnly")
	out := []string{}
	err := r.h.o.Registry.View(func(s *state.State) {
		for _, x := range s.Subjects(prefix) {
			live := x.Latest() != nil
			if only && !live || !only && (live || deleted) {
				out = append(out, x.Name.String())
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return window(r, out, 0, 0)
}

func subjectNotFound(n subject.Name) error {
	return schema.Errorf(schema.SubjectNotFound, "Subject '%s' not found.", n)
}

func listVersions(r *request) (any, error) {
	n := r.subject()
	x := r.look().Subject(n)
	only, negative := r.flag("deletedOnly"), r.flag("deletedAsNegative")
	deleted := r.flag("deleted") || only || negative
	if x == nil || len(x.Versions) == 0 || !deleted && x.Latest() == nil {
		return nil, subjectNotFound(n)
	}
	var out []int32
	for _, v := range x.Versions {
		switch {
		case only && !v.Deleted, v.Deleted && !deleted:
		case v.Deleted && negative && !only:
			out = append(out, -v.Number)
		default:
			out = append(out, v.Number)
		}
	}
	if len(out) == 0 {
		return nil, subjectNotFound(n)
	}
	return window(r, out, 0, 0)
}

func (r *request) pick() (subject.Name, *state.Version, error) {
	number, err := r.version()
	if err != nil {
		return subject.Name{}, nil, err
	}
	var first error
	for _, n := range r.names(r.subject()) {
		v, err := r.look().Pick(n, number, r.flag("deleted"))
		if err == nil {
			return n, v, nil
		}
		if first == nil || isCode(first, schema.SubjectNotFound) {
			first = err
		}
	}
	if isCode(first, schema.VersionNotFound) || isCode(first, schema.SubjectNotFound) {
		return subject.Name{}, nil, first
	}
	return subject.Name{}, nil, first
}

func getVersion(r *request) (any, error) {
	n, v, err := r.pick()
	if err != nil {
		return nil, err
	}
	return r.describeVersion(n, v)
}

func getVersionText(r *request) (any, error) {
	n, v, err := r.pick()
	if err != nil {
		return nil, err
	}
	a, err := r.describeVersion(n, v)
	if err != nil {
		return nil, err
	}
	return bare(a.Schema), nil
}

func referencedBy(r *request) (any, error) {
	number, err := r.version()
	if err != nil {
		return nil, err
	}
	n := r.subject()
	v, err := r.look().Pick(n, number, true)
	if err != nil {
		return nil, err
	}
	ids := []int32{}
	err = r.h.o.Registry.View(func(s *state.State) {
		for _, u := range s.Referrers(state.Use{Name: n, Version: v.Number}) {
			by := s.Subject(u.Name).Find(u.Version)
			if by != nil && (!by.Deleted || r.flag("deleted")) && !slices.Contains(ids, by.ID) {
				ids = append(ids, by.ID)
			}
		}
	})
	slices.Sort(ids)
	if err != nil {
		return nil, err
	}
	return window(r, ids, 0, 0)
}

func latestWithMetadata(r *request) (any, error) {
	n := r.subject()
	keys, values := r.query["key"], r.query["value"]
	x := r.look().Subject(n)
	deleted := r.flag("deleted")
	if x == nil || x.Latest() == nil && !deleted {
		return nil, subjectNotFound(n)
	}
	for _, v := range slices.Backward(x.Versions) {
		if (!v.Deleted || deleted) && hasAll(v.Schema.Metadata, keys, values) {
			return r.describeVersion(n, v)
		}
	}
	return nil, schema.Errorf(schema.SchemaNotFound, "Schema not found")
}

func hasAll(m *schema.Metadata, keys, values []string) bool {
	for i, k := range keys {
		if i >= len(values) {
			break
		}
		if m == nil || m.Properties == nil {
			return false
		}
		if got, ok := m.Properties[k]; !ok || got != values[i] {
			return false
		}
	}
	return true
}

func deleteSubject(r *request) (any, error) {
	n := r.subject()
	return r.h.o.Registry.Decide(r.Context(), func(t *state.Tx) (state.Commit, error) {
		return t.DeleteSubject(n, r.flag("permanent"))
	})
}

func deleteVersion(r *request) (any, error) {
	number, err := r.version()
	if err != nil {
		return nil, err
	}
	n := r.subject()
	return r.h.o.Registry.Decide(r.Context(), func(t *state.Tx) (state.Commit, error) {
		return t.DeleteVersion(n, number, r.flag("permanent"))
	})
}

// compatibility

func compatibleAll(r *request) (any, error) { return r.compatible(0, false) }

func compatibleOne(r *request) (any, error) {
	number, err := r.version()
	if err != nil {
		return nil, err
	}
	return r.compatible(number, number == subject.Latest)
}

type compatibility struct {
	Compatible bool      `json:"is_compatible"`
	Messages   *[]string `json:"messages,omitempty"`
}

func (r *request) compatible(number int32, latest bool) (any, error) {
	q, err := r.schema(r.subject())
	if err != nil {
		return nil, err
	}
	verbose := r.flag("verbose")
	messages, err := r.look().Compare(q, max(number, 0), latest, verbose)
	if err != nil {
		return nil, err
	}
	a := compatibility{Compatible: len(messages) == 0}
	if verbose {
		if messages == nil {
			messages = []string{}
		}
		a.Messages = &messages
	}
	return a, nil
}

// config answers, which have no subject.
func configAnswer(c *entry.ConfigValue) *entry.ConfigValue {
	out := *c
	out.Subject = ""
	return &out
}

func itoa(n int32) string { return strconv.Itoa(int(n)) }
