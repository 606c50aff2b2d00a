package state

import (
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/registry/entry"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/subject"
)

// GetConfig is the config of a name; without one of its own an error, or with global what
// holds for it. Errors: LevelNotConfigured.
func (t *Tx) GetConfig(n subject.Name, global bool) (*entry.ConfigValue, error) {
	x := t.Subject(n)
	if topmost(n) || global {
		return t.Config(n), nil
	}
	if x == nil || x.Config == nil {
		return nil, schema.Errorf(schema.LevelNotConfigured, "Subject '%s' does not have subject-level compatibility configured", n)
	}
	own := *x.Config
	if own.CompatibilityLevel == "" {
		own.CompatibilityLevel = t.Defaults.Level
	}
	return &own, nil
}

// topmost says whether a name stands for all subjects.
func topmost(n subject.Name) bool { return n == subject.In(subject.Default, "") }

// SetConfig decides about a config: change is given a copy of what there is.
func (t *Tx) SetConfig(n subject.Name, change func(*entry.ConfigValue)) (Commit, error) {
	if err := checkTarget(n); err != nil {
		return nil, err
	}
	if err := t.writable(n); err != nil {
		return nil, err
	}
	next := &entry.ConfigValue{}
	if x := t.Subject(n); x != nil && x.Config != nil {
		*next = *x.Config
	}
	change(next)
	next.Subject = n.String()
	for _, rules := range []*schema.RuleSet{next.DefaultRuleSet, next.OverrideRuleSet} {
		if err := rules.Validate(); err != nil {
			return nil, err
		}
	}
	return func(*State) ([]entry.Entry, any, error) {
		return []entry.Entry{{Key: entry.Key{Kind: entry.Config, Name: n}, Value: next}}, nil, nil
	}, nil
}

func checkTarget(n subject.Name) error {
	if err := n.Check(); err != nil {
		return schema.Errorf(schema.InvalidSubject, "The specified subject '%s' is not a valid subject: %v", n, err)
	}
	return nil
}

// DeleteConfig decides about the end of a config; the answer is what it was, *ConfigValue.
func (t *Tx) DeleteConfig(n subject.Name) (Commit, error) {
	if err := t.writable(n); err != nil {
		return nil, err
	}
	x := t.Subject(n)
	if x == nil || x.Config == nil {
		if topmost(n) {
			holds := t.Config(n)
			return func(*State) ([]entry.Entry, any, error) { return nil, holds, nil }, nil
		}
		return nil, notFound(n)
	}
	was := *x.Config
	if was.CompatibilityLevel == "" {
		was.CompatibilityLevel = t.Defaults.Level
	}
	return func(s *State) ([]entry.Entry, any, error) {
		return s.tombstones(entry.Key{Kind: entry.Config, Name: n}), &was, nil
	}, nil
}

// GetMode is the mode of a name, as GetConfig. Errors: ModeNotConfigured.
func (t *Tx) GetMode(n subject.Name, global bool) (string, error) {
	x := t.Subject(n)
	if topmost(n) || global {
		return t.Mode(n), nil
	}
	if x == nil || x.Mode == "" {
		return "", schema.Errorf(schema.ModeNotConfigured, "Subject '%s' does not have subject-level mode configured", n)
	}
	return x.Mode, nil
}

// ParseMode reads a mode in any case. Errors: InvalidMode.
func ParseMode(text string) (string, error) {
	m := strings.ToUpper(text)
	if slices.Contains([]string{ReadWrite, ReadOnly, ReadOnlyOverride, Import, Forward}, m) {
		return m, nil
	}
	return "", schema.Errorf(schema.InvalidMode, "Invalid mode %q. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT and FORWARD", text)
}

// SetMode decides about a mode. IMPORT needs a subject or context without live versions
// unless forced; softly deleted ones go for good then.
func (t *Tx) SetMode(n subject.Name, mode string, force bool) (Commit, error) {
	if err := checkTarget(n); err != nil {
		return nil, err
	}
	switch {
	case !t.Defaults.MutableModes:
		return nil, schema.Errorf(schema.NotPermitted, "Mode changes are not allowed")
	case mode == Forward && n != subject.In(subject.Global, ""):
		return nil, schema.Errorf(schema.InvalidMode, "Mode FORWARD is for the global context only")
	}
	t.Subject(n)
	return func(s *State) ([]entry.Entry, any, error) {
		var out []entry.Entry
		if x := s.Subject(n); mode == Import && !force && (x == nil || x.Mode != Import) {
			var err error
			if out, err = s.emptied(n); err != nil {
				return nil, nil, err
			}
		}
		text := n.String()
		return append(out, entry.Entry{Key: entry.Key{Kind: entry.Mode, Name: n}, Value: &entry.ModeValue{Subject: text, Mode: mode}}), nil, nil
	}, nil
}

// emptied removes what is softly deleted of a subject or context, and refuses if anything
// is live.
func (s *State) emptied(n subject.Name) ([]entry.Entry, error) {
	var subjects []*Subject
	if n.Subject != "" {
		if x := s.Subject(n); x != nil {
			subjects = append(subjects, x)
		}
	} else {
		subjects = s.Subjects(n.String())
	}
	var out []entry.Entry
	noted := false
	for _, x := range subjects {
		if x.Latest() != nil {
			return nil, schema.Errorf(schema.NotPermitted, "Cannot import since found existing subjects")
		}
		if len(x.Versions) == 0 {
			continue
		}
		if !noted {
			out, noted = append(out, s.noteIDs(x.Name.Context)...), true
		}
		for _, v := range slices.Backward(x.Versions) {
			out = append(out, s.tombstones(entry.Key{Kind: entry.Schema, Name: x.Name, Version: v.Number})...)
		}
		out = append(out, entry.Entry{Key: entry.Key{Kind: entry.ClearSubject, Name: x.Name}, Value: &entry.ClearValue{Subject: x.Name.String()}})
	}
	return out, nil
}

// DeleteMode decides about the end of a mode; the answer is what it was, a string.
func (t *Tx) DeleteMode(n subject.Name, recursive bool) (Commit, error) {
	if !t.Defaults.MutableModes {
		return nil, schema.Errorf(schema.NotPermitted, "Mode changes are not allowed")
	}
	x := t.Subject(n)
	if (x == nil || x.Mode == "") && !topmost(n) && !recursive {
		return nil, notFound(n)
	}
	was := t.Mode(n)
	return func(s *State) ([]entry.Entry, any, error) {
		var out []entry.Entry
		if x != nil && x.Mode != "" {
			out = s.tombstones(entry.Key{Kind: entry.Mode, Name: n})
		}
		if recursive && n.Subject == "" {
			for text, inner := range s.space(n.Context).subjects {
				if text != "" && inner.Mode != "" {
					out = append(out, s.tombstones(entry.Key{Kind: entry.Mode, Name: inner.Name})...)
				}
			}
		}
		return out, was, nil
	}, nil
}
