package rest

import (
	"slices"

	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/state"
	"github.com/streamhouse/streamhouse/registry/subject"
)

func types(r *request) (any, error) { return r.h.o.Registry.Types(), nil }

func listSchemas(r *request) (any, error) {
	prefix := subject.AllContexts
	if r.query.Has("subjectPrefix") || r.context != subject.Default {
		prefix = subject.Qualify(r.context, r.query.Get("subjectPrefix"))
	}
	type pair struct {
		name subject.Name
		*state.Version
	}
	var all []pair
	deleted, latest, rule := r.flag("deleted"), r.flag("latestOnly"), r.query.Get("ruleType")
	err := r.h.o.Registry.View(func(s *state.State) {
		for _, x := range s.Subjects(prefix) {
			versions := x.Versions
			if !deleted {
				versions = x.Live()
			}
			if latest && len(versions) > 0 {
				versions = versions[len(versions)-1:]
			}
			for _, v := range versions {
				if rule == "" || hasRule(v.Schema.Rules, rule) {
					all = append(all, pair{x.Name, v})
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	page, err := window(r, all, r.h.o.SearchDefault, r.h.o.SearchMax)
	if err != nil {
		return nil, err
	}
	out := make([]*schemaAnswer, len(page))
	for i, p := range page {
		if out[i], err = r.describeVersion(p.name, p.Version); err != nil {
			return nil, err
		}
		out[i].Deleted = p.Deleted
	}
	return out, nil
}

func hasRule(r *schema.RuleSet, kind string) bool {
	if r == nil {
		return false
	}
	is := func(rule schema.Rule) bool { return rule.Type == kind }
	return slices.ContainsFunc(r.Migration, is) || slices.ContainsFunc(r.Domain, is) || slices.ContainsFunc(r.Encoding, is)
}

// found is what an id of the path names: in the context of ?subject=, or if that is
// unqualified in any. The use is that of the subject, if it has one.
func (r *request) found() (*state.Found, *state.Use, error) {
	id, err := r.number("id")
	if err != nil {
		return nil, nil, err
	}
	n := r.alias(r.name(r.query.Get("subject")))
	asked := n.Subject != ""
	var got *state.Found
	var use *state.Use
	err = r.h.o.Registry.View(func(s *state.State) {
		contexts := []string{n.Context}
		if n.Context == subject.Default && r.context == subject.Default && asked {
			contexts = append(contexts, s.Contexts()...)
		}
		for _, c := range contexts {
			f := s.ByID(c, id)
			if f == nil {
				continue
			}
			if got == nil {
				got = f
			}
			for i := range f.Uses {
				if f.Uses[i].Name.Subject == n.Subject && asked {
					got, use = f, &f.Uses[i]
				}
			}
			if use != nil {
				return
			}
		}
	})
	if err == nil && got == nil {
		err = schema.Errorf(schema.SchemaNotFound, "Schema %s not found", itoa(id))
	}
	return got, use, err
}

func (r *request) byID() (*schemaAnswer, error) {
	f, use, err := r.found()
	if err != nil {
		return nil, err
	}
	a, err := r.describe(f.Context, f.Schema, f.GUID)
	if err != nil {
		return nil, err
	}
	if use != nil {
		a.Subject, a.Version = use.Name.String(), use.Version
	}
	if r.flag("fetchMaxId") {
		err = r.h.o.Registry.View(func(s *state.State) { a.MaxID = s.MaxID(f.Context) })
	}
	return a, err
}

func getID(r *request) (any, error) { return orNil(r.byID()) }

// orNil keeps a nil pointer from becoming an answer.
func orNil(a *schemaAnswer, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return a, nil
}

func getIDText(r *request) (any, error) {
	a, err := r.byID()
	if err != nil {
		return nil, err
	}
	return bare(a.Schema), nil
}

// uses are the versions that have an id, live ones unless asked otherwise.
func (r *request) uses() ([]state.Use, error) {
	f, _, err := r.found()
	if err != nil {
		return nil, err
	}
	want := r.query.Get("subject")
	n := r.alias(r.name(want))
	out := []state.Use{}
	err = r.h.o.Registry.View(func(s *state.State) {
		for _, u := range f.Uses {
			v := s.Subject(u.Name).Find(u.Version)
			if v == nil || v.Deleted && !r.flag("deleted") || n.Subject != "" && u.Name.Subject != n.Subject {
				continue
			}
			out = append(out, u)
		}
	})
	return out, err
}

func subjectsOfID(r *request) (any, error) {
	uses, err := r.uses()
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, u := range uses {
		if name := u.Name.String(); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return window(r, out, 0, 0)
}

func versionsOfID(r *request) (any, error) {
	uses, err := r.uses()
	if err != nil {
		return nil, err
	}
	type pair struct {
		Subject string `json:"subject"`
		Version int32  `json:"version"`
	}
	out := []pair{}
	for _, u := range uses {
		out = append(out, pair{u.Name.String(), u.Version})
	}
	return window(r, out, 0, 0)
}

func (r *request) byGUID() ([]*state.Found, error) {
	g, err := schema.ParseGUID(r.path["g"])
	var found []*state.Found
	if err == nil {
		if err := r.h.o.Registry.View(func(s *state.State) { found = s.ByGUID(g) }); err != nil {
			return nil, err
		}
	}
	if len(found) == 0 {
		return nil, schema.Errorf(schema.SchemaNotFound, "Schema %s not found", r.path["g"])
	}
	return found, nil
}

func getGUID(r *request) (any, error) {
	found, err := r.byGUID()
	if err != nil {
		return nil, err
	}
	return orNil(r.describe(found[0].Context, found[0].Schema, found[0].GUID))
}

func idsOfGUID(r *request) (any, error) {
	found, err := r.byGUID()
	if err != nil {
		return nil, err
	}
	type pair struct {
		Context string `json:"context"`
		ID      int32  `json:"id"`
	}
	out := make([]pair, len(found))
	for i, f := range found {
		out[i] = pair{f.Context, f.ID}
	}
	return out, nil
}

func listContexts(r *request) (any, error) {
	out := []string{}
	prefix := r.query.Get("contextPrefix")
	err := r.h.o.Registry.View(func(s *state.State) {
		for _, c := range s.Contexts() {
			if len(c) >= len(prefix) && c[:len(prefix)] == prefix {
				out = append(out, c)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return window(r, out, 0, 0)
}

func deleteContext(r *request) (any, error) {
	context := subject.ParseContext(r.path["c"])
	_, err := r.h.o.Registry.Decide(r.Context(), func(t *state.Tx) (state.Commit, error) {
		return t.DeleteContext(context), nil
	})
	return nil, err
}
