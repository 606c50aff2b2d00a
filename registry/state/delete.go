package state

import (
	"slices"

	"github.com/streamhouse/streamhouse/registry/entry"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/subject"
)

// DeleteSubject decides about a whole subject. The answer is the numbers of the versions
// that went, []int32.
func (t *Tx) DeleteSubject(n subject.Name, permanent bool) (Commit, error) {
	if err := t.writable(n); err != nil {
		return nil, err
	}
	x := t.Subject(n)
	if x.highest() == 0 {
		return nil, notFound(n)
	}
	if permanent && x.Latest() != nil {
		return nil, schema.Errorf(schema.SubjectNotSoftDeleted, "Subject '%s' was not deleted first before being permanently deleted", n)
	}
	if !permanent && x.Latest() == nil {
		return nil, schema.Errorf(schema.SubjectSoftDeleted, "Subject '%s' was soft deleted. Set permanent=true to delete permanently", n)
	}
	versions := x.Live()
	if permanent {
		versions = x.Versions
	}
	numbers := make([]int32, len(versions))
	for i, v := range versions {
		numbers[i] = v.Number
	}
	return func(s *State) ([]entry.Entry, any, error) {
		for _, v := range versions {
			if err := s.unreferenced(n, v.Number, permanent, true); err != nil {
				return nil, nil, err
			}
		}
		if !permanent {
			out := []entry.Entry{entry.NewDelete(n, x.highest())}
			return append(out, s.settings(n)...), numbers, nil
		}
		out := s.noteIDs(n.Context)
		for _, number := range slices.Backward(numbers) {
			out = append(out, s.tombstones(entry.Key{Kind: entry.Schema, Name: n, Version: number})...)
		}
		return append(out, s.settings(n)...), numbers, nil
	}, nil
}

// DeleteVersion decides about one version. The answer is its number, int32.
func (t *Tx) DeleteVersion(n subject.Name, number int32, permanent bool) (Commit, error) {
	if err := t.writable(n); err != nil {
		return nil, err
	}
	x := t.Subject(n)
	if number == subject.Latest && x.Latest() == nil {
		return nil, notFound(n)
	}
	v, err := pick(x, n, number, true)
	switch {
	case err != nil:
		return nil, err
	case permanent && !v.Deleted:
		return nil, schema.Errorf(schema.VersionNotSoftDeleted, "Subject '%s' Version %d was not deleted first before being permanently deleted", n, v.Number)
	case !permanent && v.Deleted:
		return nil, schema.Errorf(schema.VersionSoftDeleted, "Subject '%s' Version %d was soft deleted. Set permanent=true to delete permanently", n, v.Number)
	}
	return func(s *State) ([]entry.Entry, any, error) {
		if err := s.unreferenced(n, v.Number, permanent, false); err != nil {
			return nil, nil, err
		}
		var out []entry.Entry
		last := len(x.Live()) == 1
		if permanent {
			out = append(s.noteIDs(n.Context), s.tombstones(entry.Key{Kind: entry.Schema, Name: n, Version: v.Number})...)
			last = len(x.Versions) == 1
		} else {
			out = append(out, entry.NewSchema(n, v.Number, v.ID, v.Schema, true))
		}
		if last {
			out = append(out, s.settings(n)...)
		}
		return out, v.Number, nil
	}, nil
}

// unreferenced refuses what others refer to: live referrers, or with all any; those of the
// subject itself do not count where it goes as a whole.
func (s *State) unreferenced(n subject.Name, number int32, all, whole bool) error {
	for u := range s.referrers[Use{n, number}] {
		if whole && u.Name == n {
			continue
		}
		if v := s.Subject(u.Name).Find(u.Version); all || v != nil && !v.Deleted {
			return schema.Errorf(schema.Referenced, "One or more references exist to the schema {subject=%s,version=%d}.", n, number)
		}
	}
	return nil
}

// settings are the tombstones of a subject's mode and config.
func (s *State) settings(n subject.Name) []entry.Entry {
	var out []entry.Entry
	x := s.Subject(n)
	if x == nil || n.Subject == "" {
		return nil // those of "" are the context's
	}
	if x.Mode != "" {
		out = append(out, s.tombstones(entry.Key{Kind: entry.Mode, Name: n})...)
	}
	if x.Config != nil {
		out = append(out, s.tombstones(entry.Key{Kind: entry.Config, Name: n})...)
	}
	return out
}

// noteIDs notes the highest id that a context gave, before schemas go that show it.
func (s *State) noteIDs(context string) []entry.Entry {
	c := s.space(context)
	if c.noted >= c.max {
		return nil
	}
	e := entry.NewContext(context, c.max)
	e.Value.(*entry.ContextValue).Deleted = !c.known && context != subject.Default
	return []entry.Entry{e}
}

// DeleteContext decides about a context. Errors: ContextNotEmpty.
func (t *Tx) DeleteContext(context string) Commit {
	return func(s *State) ([]entry.Entry, any, error) {
		c := s.spaces[context]
		if c == nil || !c.known {
			return nil, nil, nil
		}
		if hasVersions(c) {
			return nil, nil, schema.Errorf(schema.ContextNotEmpty, "The specified context '%s' is not empty.", context)
		}
		if c.max == 0 {
			return s.tombstones(entry.Key{Kind: entry.Context, Context: context}), nil, nil
		}
		e := entry.NewContext(context, c.max) // what it gave is never given again
		e.Value.(*entry.ContextValue).Deleted = true
		return []entry.Entry{e}, nil, nil
	}
}
