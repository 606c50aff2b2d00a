// Package state is what the registry knows: the fold of the entries of its topic, and
// what a request makes of it. It is pure: whoever holds a State guards it, and gives
// decisions short looks at it (Tx), so that parsing and comparing happen without a lock;
// a decision ends in a Commit, which is carried out only if what was looked at still
// holds.
package state

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/streamhouse/streamhouse/registry/entry"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/subject"
)

// Version is a version of a subject; it never changes.
type Version struct {
	Number  int32
	ID      int32
	Deleted bool // softly
	Schema  *schema.Schema
	GUID    schema.GUID
	Time    int64 // of the record, ms
}

// Subject is what is known of a name; it never changes, a change makes another. Subject
// "" of a context has the context's config and mode.
type Subject struct {
	Name     subject.Name
	Versions []*Version // by number
	Config   *entry.ConfigValue
	Mode     string
}

func (s *Subject) empty() bool { return len(s.Versions) == 0 && s.Config == nil && s.Mode == "" }

// Find returns a version by its number, softly deleted or not, or nil.
func (s *Subject) Find(number int32) *Version {
	if s == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(s.Versions, number, func(v *Version, n int32) int { return cmp.Compare(v.Number, n) })
	if !ok {
		return nil
	}
	return s.Versions[i]
}

// Live are the versions that are not deleted, oldest first.
func (s *Subject) Live() []*Version {
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.Versions), func(v *Version) bool { return v.Deleted })
}

// Latest is the newest live version, or nil.
func (s *Subject) Latest() *Version {
	if s != nil {
		for _, v := range slices.Backward(s.Versions) {
			if !v.Deleted {
				return v
			}
		}
	}
	return nil
}

// highest is the number of the newest version, deleted ones counted; 0 of none.
func (s *Subject) highest() int32 {
	if s == nil || len(s.Versions) == 0 {
		return 0
	}
	return s.Versions[len(s.Versions)-1].Number
}

// Use names a version of a subject.
type Use struct {
	Name    subject.Name
	Version int32
}

// content is what an id names.
type content struct {
	schema *schema.Schema
	guid   schema.GUID
	uses   []Use
}

// space is a context.
type space struct {
	known    bool  // its entry is there
	noted    int32 // the highest id by its entry
	max      int32 // the highest id that was ever given
	subjects map[string]*Subject
	ids      map[int32]*content
	guids    map[schema.GUID]int32
}

// State is the fold of entries.
type State struct {
	spaces map[string]*space
	// referrers has the versions that refer to a version.
	referrers map[Use]map[Use]bool
	// forms are the bytes of keys that differ from those we write.
	forms map[entry.Key][][]byte
	// Ignored counts schemas that another schema's id was given.
	Ignored int
	// Versions counts versions, deleted ones too.
	Versions int
}

// New makes an empty state.
func New() *State {
	return &State{spaces: map[string]*space{}, referrers: map[Use]map[Use]bool{}, forms: map[entry.Key][][]byte{}}
}

// Clone is a state that changes on its own; subjects and schemas are shared.
func (s *State) Clone() *State {
	out := &State{
		spaces: make(map[string]*space, len(s.spaces)), referrers: make(map[Use]map[Use]bool, len(s.referrers)),
		forms: make(map[entry.Key][][]byte, len(s.forms)), Ignored: s.Ignored, Versions: s.Versions,
	}
	for name, c := range s.spaces {
		twin := *c
		twin.subjects, twin.guids = maps.Clone(c.subjects), maps.Clone(c.guids)
		twin.ids = make(map[int32]*content, len(c.ids))
		for id, v := range c.ids {
			twin.ids[id] = &content{v.schema, v.guid, slices.Clone(v.uses)}
		}
		out.spaces[name] = &twin
	}
	for k, v := range s.referrers {
		out.referrers[k] = maps.Clone(v)
	}
	for k, v := range s.forms {
		out.forms[k] = slices.Clone(v)
	}
	return out
}

func (s *State) space(context string) *space {
	c := s.spaces[context]
	if c == nil {
		c = &space{subjects: map[string]*Subject{}, ids: map[int32]*content{}, guids: map[schema.GUID]int32{}}
		s.spaces[context] = c
	}
	return c
}

// Subject returns what is known of a name, or nil.
func (s *State) Subject(n subject.Name) *Subject {
	if c := s.spaces[n.Context]; c != nil {
		return c.subjects[n.Subject]
	}
	return nil
}

// change replaces what is known of a name; with nothing left it is forgotten.
func (s *State) change(n subject.Name, change func(*Subject)) {
	c := s.space(n.Context)
	next := &Subject{Name: n}
	if old := c.subjects[n.Subject]; old != nil {
		*next = *old
	}
	change(next)
	if next.empty() {
		delete(c.subjects, n.Subject)
		return
	}
	c.subjects[n.Subject] = next
}

// Apply folds an entry; time is its record's, in ms.
func (s *State) Apply(e *entry.Entry, time int64) {
	s.form(e)
	n := e.Key.Name
	switch e.Key.Kind {
	case entry.Schema:
		if v, ok := e.Value.(*entry.SchemaValue); ok {
			s.put(n, v, time)
		} else {
			s.remove(n, e.Key.Version)
		}
	case entry.Config:
		v, _ := e.Value.(*entry.ConfigValue)
		s.change(n, func(x *Subject) { x.Config = v })
	case entry.Mode:
		mode := ""
		if v, ok := e.Value.(*entry.ModeValue); ok {
			mode = v.Mode
		}
		s.change(n, func(x *Subject) { x.Mode = mode })
	case entry.DeleteSubject:
		if v, ok := e.Value.(*entry.DeleteValue); ok {
			s.softDelete(n, v.Version)
		}
	case entry.ClearSubject:
		s.clear(n)
	case entry.Context:
		v, _ := e.Value.(*entry.ContextValue)
		c := s.space(e.Key.Context)
		c.known = v != nil && !v.Deleted
		if v != nil {
			c.noted = max(c.noted, v.MaxID)
			c.max = max(c.max, v.MaxID)
		}
	}
}

// form remembers a key's bytes that are not ours until the key is tombstoned.
func (s *State) form(e *entry.Entry) {
	switch {
	case e.Raw == nil:
	case e.Value == nil:
		s.forms[e.Key] = slices.DeleteFunc(s.forms[e.Key], func(b []byte) bool { return string(b) == string(e.Raw) })
		if len(s.forms[e.Key]) == 0 {
			delete(s.forms, e.Key)
		}
	case !slices.ContainsFunc(s.forms[e.Key], func(b []byte) bool { return string(b) == string(e.Raw) }):
		s.forms[e.Key] = append(s.forms[e.Key], e.Raw)
	}
}

func (s *State) put(n subject.Name, v *entry.SchemaValue, time int64) {
	c := s.space(n.Context)
	at := Use{n, v.Version}
	guid := v.Content.GUID()
	known := c.ids[v.ID]
	if known != nil && (known.guid != guid || known.schema.Type != v.Content.Type) {
		if len(known.uses) > 1 || len(known.uses) == 1 && known.uses[0] != at {
			s.Ignored++
			return
		}
	}
	s.remove(n, v.Version)
	if known = c.ids[v.ID]; known == nil {
		known = &content{schema: v.Content, guid: guid}
		c.ids[v.ID] = known
		if old, ok := c.guids[guid]; !ok || v.ID < old {
			c.guids[guid] = v.ID
		}
	}
	known.uses = append(known.uses, at)
	c.max = max(c.max, v.ID)
	s.Versions++
	next := &Version{Number: v.Version, ID: v.ID, Deleted: v.Deleted, Schema: known.schema, GUID: guid, Time: time}
	s.change(n, func(x *Subject) {
		i, _ := slices.BinarySearchFunc(x.Versions, v.Version, func(v *Version, n int32) int { return cmp.Compare(v.Number, n) })
		x.Versions = slices.Insert(slices.Clone(x.Versions), i, next)
	})
	for _, r := range next.Schema.References {
		to := referred(n.Context, r)
		if s.referrers[to] == nil {
			s.referrers[to] = map[Use]bool{}
		}
		s.referrers[to][at] = true
	}
}

// referred is what a reference names; an unqualified subject is in the referrer's context.
func referred(context string, r schema.Reference) Use {
	return Use{subject.Parse(subject.Qualify(context, r.Subject)), r.Version}
}

func (s *State) remove(n subject.Name, number int32) {
	old := s.Subject(n).Find(number)
	if old == nil {
		return
	}
	s.Versions--
	c, at := s.space(n.Context), Use{n, number}
	for _, r := range old.Schema.References {
		to := referred(n.Context, r)
		delete(s.referrers[to], at)
		if len(s.referrers[to]) == 0 {
			delete(s.referrers, to)
		}
	}
	known := c.ids[old.ID]
	known.uses = slices.DeleteFunc(known.uses, func(u Use) bool { return u == at })
	if len(known.uses) == 0 {
		delete(c.ids, old.ID)
		if c.guids[known.guid] == old.ID {
			delete(c.guids, known.guid)
			for id, other := range c.ids { // rare: a foreign writer gave one content two ids
				if other.guid == known.guid {
					c.guids[known.guid] = id
				}
			}
		}
	}
	s.change(n, func(x *Subject) {
		x.Versions = slices.DeleteFunc(slices.Clone(x.Versions), func(v *Version) bool { return v.Number == number })
	})
}

func (s *State) softDelete(n subject.Name, upTo int32) {
	if s.Subject(n) == nil {
		return
	}
	s.change(n, func(x *Subject) {
		x.Versions = slices.Clone(x.Versions)
		for i, v := range x.Versions {
			if v.Number <= upTo && !v.Deleted {
				deleted := *v
				deleted.Deleted = true
				x.Versions[i] = &deleted
			}
		}
	})
}

func (s *State) clear(n subject.Name) {
	old := s.Subject(n)
	if old == nil {
		return
	}
	for _, v := range old.Versions {
		if v.Deleted {
			s.remove(n, v.Number)
		}
	}
}

// Contexts are the contexts that have an entry or a subject, sorted.
func (s *State) Contexts() []string {
	out := []string{subject.Default}
	for name, c := range s.spaces {
		if name != subject.Default && name != subject.Global && (c.known || hasVersions(c)) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func hasVersions(c *space) bool {
	for _, x := range c.subjects {
		if len(x.Versions) > 0 {
			return true
		}
	}
	return false
}

// Subjects are the subjects with versions whose names begin with a prefix (":*:": all
// contexts; ":*:p": subjects with p in any), in the order of their qualified names.
func (s *State) Subjects(prefix string) []*Subject {
	var out []*Subject
	rest, all := strings.CutPrefix(prefix, subject.AllContexts)
	want := subject.Parse(prefix)
	for name, c := range s.spaces {
		begin := rest
		if !all {
			if name != want.Context {
				continue
			}
			begin = want.Subject
		}
		for text, x := range c.subjects {
			if len(x.Versions) > 0 && strings.HasPrefix(text, begin) {
				out = append(out, x)
			}
		}
	}
	slices.SortFunc(out, func(a, b *Subject) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	return out
}

// Found is what an id names.
type Found struct {
	Context string
	ID      int32
	GUID    schema.GUID
	Schema  *schema.Schema
	Uses    []Use // sorted
}

// ByID returns what an id names in a context; nil if nothing.
func (s *State) ByID(context string, id int32) *Found {
	c := s.spaces[context]
	if c == nil || c.ids[id] == nil {
		return nil
	}
	known := c.ids[id]
	uses := slices.Clone(known.uses)
	slices.SortFunc(uses, compareUses)
	return &Found{Context: context, ID: id, GUID: known.guid, Schema: known.schema, Uses: uses}
}

// ByGUID returns what a content is called, by context.
func (s *State) ByGUID(g schema.GUID) []*Found {
	var out []*Found
	for name, c := range s.spaces {
		if id, ok := c.guids[g]; ok {
			out = append(out, s.ByID(name, id))
		}
	}
	slices.SortFunc(out, func(a, b *Found) int { return strings.Compare(a.Context, b.Context) })
	return out
}

// MaxID is the highest id that a context has given.
func (s *State) MaxID(context string) int32 {
	if c := s.spaces[context]; c != nil {
		return c.max
	}
	return 0
}

// Referrers are the versions that refer to one, sorted.
func (s *State) Referrers(to Use) []Use {
	return slices.SortedFunc(maps.Keys(s.referrers[to]), compareUses)
}

func compareUses(a, b Use) int {
	if c := strings.Compare(a.Name.String(), b.Name.String()); c != 0 {
		return c
	}
	return cmp.Compare(a.Version, b.Version)
}

// Counts are the subjects with a live version, and the ids.
func (s *State) Counts() (subjects, ids int) {
	for _, c := range s.spaces {
		ids += len(c.ids)
		for _, x := range c.subjects {
			if len(x.Versions) > 0 {
				subjects++
			}
		}
	}
	return subjects, ids
}

// tombstones are entries that remove a key in every form that was read.
func (s *State) tombstones(k entry.Key) []entry.Entry {
	out := []entry.Entry{{Key: k}}
	for _, raw := range s.forms[k] {
		out = append(out, entry.Entry{Key: k, Raw: raw})
	}
	return out
}
