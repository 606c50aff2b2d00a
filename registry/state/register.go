package state

import (
	"slices"
	"strconv"

	"github.com/streamhouse/streamhouse/registry/entry"
	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/subject"
)

// TextMax bounds a schema's text in bytes.
const TextMax = 1 << 20

// Request is a schema that is registered, looked up or compared.
type Request struct {
	Name subject.Name
	// Schema is as it was given: text "" stands for that of the version before.
	Schema    schema.Schema
	Version   int32 // 0: none given
	ID        int32 // 0: none given
	Normalize bool
	Force     bool // no comparison
}

// Registered is the answer to a registration, and to a lookup.
type Registered struct {
	Name subject.Name
	*Version
}

// Register decides about a new version. The answer is *Registered.
func (t *Tx) Register(q *Request) (Commit, error) {
	if err := t.admit(q); err != nil {
		return nil, err
	}
	importing := t.Mode(q.Name) == Import
	config := t.Config(q.Name)
	c := candidate{Request: *q, importing: importing}
	if !importing {
		t.inherit(&c, config)
	}
	if err := t.read(&c, config, t.strict(config, importing)); err != nil {
		return nil, err
	}
	x := t.Subject(q.Name)
	if v := t.match(&c, x); v != nil {
		return func(*State) ([]entry.Entry, any, error) { return nil, &Registered{q.Name, v}, nil }, nil
	}
	number, err := c.number(x)
	if err != nil {
		return nil, err
	}
	if config.CompatibilityLevel != schema.None && !importing && !q.Force {
		if err := t.compatible(&c, x, config); err != nil {
			return nil, err
		}
	}
	c.stamp(number)
	return c.commit(number), nil
}

// admit checks rules, name and mode.
func (t *Tx) admit(q *Request) error {
	if err := q.Schema.Rules.Validate(); err != nil {
		return err
	}
	if err := q.Name.Check(); err != nil {
		return schema.Errorf(schema.InvalidSubject, "The specified subject '%s' is not a valid subject: %v", q.Name, err)
	}
	if len(q.Schema.Text) > TextMax {
		return schema.Errorf(schema.TooLarge, "The schema has %d bytes, more than %d", len(q.Schema.Text), TextMax)
	}
	if err := t.writable(q.Name); err != nil {
		return err
	}
	switch importing := t.Mode(q.Name) == Import; {
	case q.ID > 0 && !importing:
		return schema.Errorf(schema.NotPermitted, "Subject '%s' is not in import mode: an id cannot be given", q.Name)
	case q.ID <= 0 && importing:
		return schema.Errorf(schema.NotPermitted, "Subject '%s' is in import mode: the schema needs an id", q.Name)
	}
	return nil
}

func (t *Tx) strict(config *entry.ConfigValue, importing bool) bool {
	if config.ValidateNewSchemas != nil {
		return *config.ValidateNewSchemas && !importing
	}
	return t.Defaults.ValidateNewSchemas && !importing
}

// candidate is a schema on its way to a version.
type candidate struct {
	Request
	importing bool
	parsed    schema.Parsed // nil for an import that does not parse
	bare      bool          // it came without references
}

// inherit gives a schema what the version before it has and the config adds.
func (t *Tx) inherit(c *candidate, config *entry.ConfigValue) {
	s := &c.Schema
	if before := t.Subject(c.Name).Latest(); before != nil {
		if s.Text == "" {
			s.Text, s.Type, s.References = before.Schema.Text, before.Schema.Type, before.Schema.References
		}
		if s.Metadata == nil {
			s.Metadata = before.Schema.Metadata
		}
		if s.Rules == nil {
			s.Rules = before.Schema.Rules
		}
	}
	s.Metadata = schema.MergeMetadata(schema.MergeMetadata(config.DefaultMetadata, s.Metadata), config.OverrideMetadata)
	s.Rules = schema.MergeRules(schema.MergeRules(config.DefaultRuleSet, s.Rules), config.OverrideRuleSet)
}

// read parses a candidate and gives it its text.
func (t *Tx) read(c *candidate, config *entry.ConfigValue, strict bool) error {
	s := &c.Schema
	if s.Type == "" {
		s.Type = schema.Avro
	}
	if s.Text == "" && !c.importing {
		return invalid("it is empty")
	}
	c.bare = len(s.References) == 0
	parsed, refs, err := t.parse(c.Name.Context, s, strict, !c.importing)
	if err != nil {
		if c.importing && schemaFault(err) {
			return nil // what another registry took is kept as it is
		}
		return err
	}
	c.parsed, s.References = parsed, refs
	if s.Text = parsed.Text(); c.Normalize || config.Normalize != nil && *config.Normalize {
		s.Text = parsed.Normal()
		s.References = slices.Clone(refs)
		slices.SortFunc(s.References, schema.CompareReferences)
		s.References = slices.Compact(s.References)
	}
	return nil
}

func schemaFault(err error) bool {
	e, ok := err.(*schema.Error)
	return ok && e.Code == schema.InvalidSchema
}

// match finds the version that a candidate is already.
func (t *Tx) match(c *candidate, x *Subject) *Version {
	if c.Version > 0 {
		v := x.Find(c.Version)
		if v != nil && !v.Deleted && (c.ID == 0 || c.ID == v.ID) && sameBut(v.Schema, &c.Schema) {
			return v
		}
		return nil
	}
	live := x.Live()
	for _, v := range live {
		if v.Schema.Equal(&c.Schema) && (c.ID == 0 || c.ID == v.ID) {
			return v
		}
	}
	for _, v := range slices.Backward(live) {
		if c.ID != 0 && c.ID != v.ID {
			continue
		}
		if sameBut(v.Schema, &c.Schema) || t.sameResolved(c, v) {
			return v
		}
	}
	return nil
}

// sameBut compares contents, the version among the properties aside.
func sameBut(a, b *schema.Schema) bool {
	return a.Type == b.Type && a.Text == b.Text && slices.Equal(a.References, b.References) &&
		unstamped(a.Metadata).Equal(unstamped(b.Metadata)) && a.Rules.Equal(b.Rules)
}

func unstamped(m *schema.Metadata) *schema.Metadata {
	if m.Property(schema.VersionProperty) == "" {
		return m
	}
	if m = m.WithProperty(schema.VersionProperty, ""); len(m.Properties)+len(m.Tags)+len(m.Sensitive) == 0 {
		return nil
	}
	return m
}

// sameResolved: a schema without references is one with them if it holds what they name.
func (t *Tx) sameResolved(c *candidate, v *Version) bool {
	if !c.bare || len(v.Schema.References) == 0 || c.parsed == nil || v.Schema.Type != c.Schema.Type ||
		!unstamped(v.Schema.Metadata).Equal(unstamped(c.Schema.Metadata)) || !v.Schema.Rules.Equal(c.Schema.Rules) {
		return false
	}
	stored, err := t.Stored(c.Name.Context, v.Schema)
	return err == nil && stored.Format("resolved") == c.parsed.Format("resolved")
}

// number is the version that a candidate becomes.
func (c *candidate) number(x *Subject) (int32, error) {
	next := x.highest() + 1
	switch {
	case c.Version == 0:
		return next, nil
	case c.importing && x.Find(c.Version) != nil:
		return 0, schema.Errorf(schema.NotPermitted, "Version %d of subject '%s' is taken", c.Version, c.Name)
	case !c.importing && c.Version != next:
		return 0, invalid("version %d is not the next one, which is %d", c.Version, next)
	}
	return c.Version, nil
}

// stamp keeps the property that holds the version, once somebody has given one.
func (c *candidate) stamp(number int32) {
	if !c.importing && (c.Version > 0 || c.Schema.Metadata.Property(schema.VersionProperty) != "") {
		c.Schema.Metadata = c.Schema.Metadata.WithProperty(schema.VersionProperty, strconv.Itoa(int(number)))
	}
}

// compatible compares a candidate with the live versions.
func (t *Tx) compatible(c *candidate, x *Subject, config *entry.ConfigValue) error {
	messages, err := t.compare(c, x.Live(), config)
	if err != nil || len(messages) == 0 {
		return err
	}
	return schema.Errorf(schema.Incompatible,
		"Schema being registered is incompatible with an earlier schema for subject \"%s\", details: %s", c.Name, list(messages))
}

func list(messages []string) string {
	out := []byte("[")
	for i, m := range messages {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = append(out, m...)
	}
	return string(append(out, ']'))
}

func (t *Tx) compare(c *candidate, live []*Version, config *entry.ConfigValue) ([]string, error) {
	check := schema.Check{Level: config.CompatibilityLevel, Policy: config.CompatibilityPolicy, Group: config.CompatibilityGroup}
	if check.Policy == "" {
		check.Policy = schema.Strict
	}
	check.ValidateFields = t.Defaults.ValidateFields
	if config.ValidateFields != nil {
		check.ValidateFields = *config.ValidateFields
	}
	before := make([]schema.Version, len(live))
	for i, v := range live {
		before[i] = schema.Version{Number: v.Number, Schema: v.Schema, Parse: func() (schema.Parsed, error) {
			return t.Stored(c.Name.Context, v.Schema)
		}}
	}
	next := schema.Version{Schema: &c.Schema, Parse: func() (schema.Parsed, error) { return c.parsed, nil }}
	messages, err := check.Compare(&next, before, t.Work)
	if err == schema.ErrTooMuch {
		return nil, invalid("%v", err)
	}
	return messages, err
}

// commit writes the version; the id is found when it is its turn.
func (c *candidate) commit(number int32) Commit {
	s := c.Schema
	return func(st *State) ([]entry.Entry, any, error) {
		sp := st.space(c.Name.Context)
		guid := s.GUID()
		id := c.ID
		switch known := sp.guids[guid]; {
		case id > 0:
			if other := sp.ids[id]; other != nil && other.guid != guid {
				return nil, nil, schema.Errorf(schema.NotPermitted, "Overwrite new schema with id %d is not permitted: the id is taken", id)
			}
		case known > 0:
			id = known
		case sp.max == 1<<31-1:
			return nil, nil, schema.Errorf(schema.StoreFailed, "all ids of context %s are given", c.Name.Context)
		default:
			id = sp.max + 1
		}
		var out []entry.Entry
		if !sp.known && c.Name.Context != subject.Default {
			out = append(out, entry.NewContext(c.Name.Context, sp.noted))
		}
		for _, v := range st.Subject(c.Name).versions() {
			if v.Deleted && v.ID == id && len(st.referrers[Use{c.Name, v.Number}]) == 0 && !c.importing {
				out = append(out, st.tombstones(entry.Key{Kind: entry.Schema, Name: c.Name, Version: v.Number})...)
			}
		}
		out = append(out, entry.NewSchema(c.Name, number, id, &s, false))
		return out, &Registered{c.Name, &Version{Number: number, ID: id, Schema: &s, GUID: guid}}, nil
	}
}

func (s *Subject) versions() []*Version {
	if s == nil {
		return nil
	}
	return s.Versions
}
