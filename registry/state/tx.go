package state

import (
	"strconv"

	"github.com/streamhouse/streamhouse/registry/entry"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/subject"
)

// Defaults are what holds where no config or mode says anything.
type Defaults struct {
	Level              schema.Level
	ValidateFields     bool
	ValidateNewSchemas bool
	MutableModes       bool
}

// Tx is a look at a state that others change meanwhile: it remembers what it was shown,
// so that a Commit can be held to it. One goroutine uses it.
type Tx struct {
	// Look runs a function while nobody changes the state.
	Look func(func(*State))
	// Parse parses a schema of a type.
	Parse func(t schema.Type, src *schema.Source) (schema.Parsed, error)
	// Work bounds comparisons.
	Work     *schema.Work
	Defaults Defaults

	seen map[subject.Name]*Subject
}

// Commit makes the entries of a decision, and its answer. It runs with the state to
// itself, once Holds has said that what the decision saw is still so.
type Commit func(s *State) (entries []entry.Entry, answer any, err error)

// Subject is what is known of a name, or nil.
func (t *Tx) Subject(n subject.Name) *Subject {
	if x, ok := t.seen[n]; ok {
		return x
	}
	var x *Subject
	t.Look(func(s *State) { x = s.Subject(n) })
	if t.seen == nil {
		t.seen = map[subject.Name]*Subject{}
	}
	t.seen[n] = x
	return x
}

// Holds says whether a state is still what was seen of it.
func (t *Tx) Holds(s *State) bool {
	for n, x := range t.seen {
		if s.Subject(n) != x {
			return false
		}
	}
	return true
}

// chain are the names whose config or mode hold for a name, nearest first.
func chain(n subject.Name) []subject.Name {
	out := []subject.Name{n}
	if n.Subject != "" {
		out = append(out, subject.In(n.Context, ""))
	}
	if n.Context != subject.Global {
		out = append(out, subject.In(subject.Global, ""))
	}
	return out
}

// Config is the config that holds for a name: the nearest there is, with what it lacks of
// normalize, checks, policy and group from those behind it.
func (t *Tx) Config(n subject.Name) *entry.ConfigValue {
	var out *entry.ConfigValue
	for _, at := range chain(n) {
		x := t.Subject(at)
		if x == nil || x.Config == nil {
			continue
		}
		if out == nil {
			own := *x.Config
			out = &own
			continue
		}
		out.Inherit(x.Config)
	}
	if out == nil {
		out = &entry.ConfigValue{}
	}
	if out.CompatibilityLevel == "" {
		out.CompatibilityLevel = t.Defaults.Level
	}
	return out
}

// The modes.
const (
	ReadWrite        = "READWRITE"
	ReadOnly         = "READONLY"
	ReadOnlyOverride = "READONLY_OVERRIDE"
	Import           = "IMPORT"
	Forward          = "FORWARD"
)

// Mode is the mode that holds for a name.
func (t *Tx) Mode(n subject.Name) string {
	if x := t.Subject(subject.In(subject.Global, "")); x != nil && (x.Mode == ReadOnlyOverride || x.Mode == Forward) {
		return x.Mode
	}
	for _, at := range chain(n) {
		if x := t.Subject(at); x != nil && x.Mode != "" {
			return x.Mode
		}
	}
	return ReadWrite
}

// writable refuses what a mode forbids.
func (t *Tx) writable(n subject.Name) error {
	if m := t.Mode(n); m == ReadOnly || m == ReadOnlyOverride || m == Forward {
		return schema.Errorf(schema.NotPermitted, "Subject '%s' is in read-only mode (%s)", n, m)
	}
	return nil
}

func notFound(n subject.Name) error {
	return schema.Errorf(schema.SubjectNotFound, "Subject '%s' not found.", n)
}

func versionNotFound(number int32) error {
	word := strconv.Itoa(int(number))
	if number == subject.Latest {
		word = "latest"
	}
	return schema.Errorf(schema.VersionNotFound, "Version %s not found.", word)
}

// pick finds a version: by number, or the latest live one.
func pick(x *Subject, n subject.Name, number int32, deleted bool) (*Version, error) {
	if x.Latest() == nil && (!deleted || x.highest() == 0) {
		return nil, notFound(n)
	}
	if number == subject.Latest {
		if v := x.Latest(); v != nil {
			return v, nil
		}
		return x.Versions[len(x.Versions)-1], nil // all are deleted, and asked for
	}
	if v := x.Find(number); v != nil && (deleted || !v.Deleted) {
		return v, nil
	}
	return nil, versionNotFound(number)
}

// Pick finds a version of a subject: by number or the latest; deleted says whether softly
// deleted ones count. Errors: SubjectNotFound, VersionNotFound.
func (t *Tx) Pick(n subject.Name, number int32, deleted bool) (*Version, error) {
	return pick(t.Subject(n), n, number, deleted)
}
