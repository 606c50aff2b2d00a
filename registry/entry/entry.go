// Package entry is the format of the registry's topic, _schemas: keys and values as
// Confluent's registry and others write and read them. Compaction compares the bytes of
// keys, so keys are written in one form; other forms are read, and are to be tombstoned
// in their own bytes. Values are JSON with members that readers pass by if unknown.
package entry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/subject"
)

// Kind is the keytype of a key.
type Kind string

// The kinds.
const (
	Schema        Kind = "SCHEMA"
	Config        Kind = "CONFIG"
	Mode          Kind = "MODE"
	DeleteSubject Kind = "DELETE_SUBJECT"
	ClearSubject  Kind = "CLEAR_SUBJECT"
	Context       Kind = "CONTEXT"
	Noop          Kind = "NOOP"
)

// Tenant is the one tenant that a registry of its own has.
const tenant = "default"

// Key is what a record is about.
type Key struct {
	Kind Kind
	// Name is that of the kinds that have a subject. Config and mode of subject "" in the
	// default context are the global ones, whose keys have no subject.
	Name    subject.Name
	Version int32  // SCHEMA
	Context string // CONTEXT
}

// Entry is a record of the topic. A value of nil is a tombstone; else it is of the type
// that belongs to the key's kind: *SchemaValue, *ConfigValue, *ModeValue, *DeleteValue,
// *ContextValue, and nothing (ClearValue) for CLEAR_SUBJECT and NOOP.
type Entry struct {
	Key   Key
	Raw   []byte // the key's bytes as read, where they are not Key.Bytes
	Value any
}

// SchemaValue is a version of a subject.
type SchemaValue struct {
	Subject    string             `json:"subject"`
	Version    int32              `json:"version"`
	ID         int32              `json:"id"`
	SchemaType schema.Type        `json:"schemaType,omitempty"` // absent: AVRO
	References []schema.Reference `json:"references,omitempty"`
	Metadata   *schema.Metadata   `json:"metadata,omitempty"`
	RuleSet    *schema.RuleSet    `json:"ruleSet,omitempty"`
	Schema     string             `json:"schema"`
	Deleted    bool               `json:"deleted"`

	// Content is the schema, once for value and state; it is set by Decode.
	Content *schema.Schema `json:"-"`
}

// ConfigValue is the config of a subject, a context or all.
type ConfigValue struct {
	Subject             string           `json:"subject,omitempty"`
	Alias               string           `json:"alias,omitempty"`
	AliasForDeks        string           `json:"aliasForDeks,omitempty"`
	Normalize           *bool            `json:"normalize,omitempty"`
	ValidateFields      *bool            `json:"validateFields,omitempty"`
	ValidateNewSchemas  *bool            `json:"validateNewSchemas,omitempty"`
	ValidateRules       *bool            `json:"validateRules,omitempty"`
	CompatibilityLevel  schema.Level     `json:"compatibilityLevel,omitempty"`
	CompatibilityPolicy schema.Policy    `json:"compatibilityPolicy,omitempty"`
	CompatibilityGroup  string           `json:"compatibilityGroup,omitempty"`
	DefaultMetadata     *schema.Metadata `json:"defaultMetadata,omitempty"`
	OverrideMetadata    *schema.Metadata `json:"overrideMetadata,omitempty"`
	DefaultRuleSet      *schema.RuleSet  `json:"defaultRuleSet,omitempty"`
	OverrideRuleSet     *schema.RuleSet  `json:"overrideRuleSet,omitempty"`
}

// ModeValue is the mode of a subject, a context or all.
type ModeValue struct {
	Subject string `json:"subject,omitempty"`
	Mode    string `json:"mode"`
}

// DeleteValue soft-deletes versions of a subject, up to one.
type DeleteValue struct {
	Subject string `json:"subject"`
	Version int32  `json:"version"`
}

// ClearValue removes what is left of a subject.
type ClearValue struct {
	Subject string `json:"subject,omitempty"`
}

// ContextValue is a context. MaxID and Deleted are ours: MaxID is the highest id that the context ever gave;
// other registries pass it by.
type ContextValue struct {
	Tenant  string `json:"tenant"`
	Context string `json:"context"`
	MaxID   int32  `json:"maxId,omitempty"`
	Deleted bool   `json:"deleted,omitempty"` // ours too: the entry is there for MaxID only
}

// Bytes is the key as it is written.
func (k Key) Bytes() []byte {
	b := []byte(`{"keytype":"` + string(k.Kind) + `"`)
	magic := byte('0')
	switch k.Kind {
	case Schema:
		b = append(b, `,"subject":`...)
		b = appendString(b, k.Name.String())
		b = fmt.Appendf(b, `,"version":%d`, k.Version)
		magic = '1'
	case Context:
		b = append(b, `,"tenant":"`+tenant+`","context":`...)
		b = appendString(b, k.Context)
	case Noop:
	default:
		named := k.Kind == DeleteSubject || k.Kind == ClearSubject // the others are global without one
		if text := k.Name.String(); k.Name.Context != "" && (named || text != "") {
			b = append(b, `,"subject":`...)
			b = appendString(b, text)
		}
	}
	return append(b, `,"magic":`+string(magic)+`}`...)
}

// KeyBytes are the bytes of the entry's key: those that were read, if they differ from
// those that are written.
func (e *Entry) KeyBytes() []byte {
	if e.Raw != nil {
		return e.Raw
	}
	return e.Key.Bytes()
}

// ValueBytes is the value as it is written; nil for a tombstone.
func (e *Entry) ValueBytes() []byte {
	if e.Value == nil {
		return nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e.Value); err != nil {
		panic(err) // our own types encode
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

func appendString(b []byte, s string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string encodes, into memory
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}

// Errors of Decode.
var (
	// ErrUnknown is a key of a kind that is not ours: another product's, or newer.
	ErrUnknown = errors.New("an entry of an unknown kind")
	ErrInvalid = errors.New("an invalid entry")
)

type rawKey struct {
	Kind    Kind    `json:"keytype"`
	Subject *string `json:"subject"`
	Version int32   `json:"version"`
	Tenant  string  `json:"tenant"`
	Context string  `json:"context"`
}

// Decode reads a record. A value of nil is a tombstone. Errors: ErrUnknown, ErrInvalid.
func Decode(key, value []byte) (*Entry, error) {
	var raw rawKey
	if err := json.Unmarshal(key, &raw); err != nil {
		return nil, fmt.Errorf("%w: key: %v", ErrInvalid, err)
	}
	e := &Entry{Key: Key{Kind: raw.Kind, Version: raw.Version, Context: raw.Context}}
	switch {
	case raw.Subject != nil && raw.Kind != Context && raw.Kind != Noop:
		e.Key.Name = subject.Parse(*raw.Subject)
	case raw.Kind == Config || raw.Kind == Mode:
		e.Key.Name = subject.In(subject.Default, "")
	}
	var into any
	switch raw.Kind {
	case Schema:
		if raw.Subject == nil || raw.Version < 1 {
			return nil, fmt.Errorf("%w: key without subject or version", ErrInvalid)
		}
		into = &SchemaValue{}
	case Config:
		into = &ConfigValue{}
	case Mode:
		into = &ModeValue{}
	case DeleteSubject, ClearSubject:
		if raw.Subject == nil {
			return nil, fmt.Errorf("%w: key without subject", ErrInvalid)
		}
		if into = any(&ClearValue{}); raw.Kind == DeleteSubject {
			into = &DeleteValue{}
		}
	case Context:
		if raw.Context == "" {
			return nil, fmt.Errorf("%w: key without context", ErrInvalid)
		}
		into = &ContextValue{}
	case Noop:
		into = &ClearValue{}
	default:
		return nil, fmt.Errorf("%w: %q", ErrUnknown, raw.Kind)
	}
	if !bytes.Equal(e.Key.Bytes(), key) {
		e.Raw = bytes.Clone(key)
	}
	if value == nil {
		return e, nil
	}
	if err := json.Unmarshal(value, into); err != nil {
		return nil, fmt.Errorf("%w: value: %v", ErrInvalid, err)
	}
	e.Value = into
	return e, e.check()
}

// check fills what values may leave out and refuses what cannot be.
func (e *Entry) check() error {
	switch v := e.Value.(type) {
	case *SchemaValue:
		if v.ID < 1 {
			return fmt.Errorf("%w: a schema with id %d", ErrInvalid, v.ID)
		}
		v.Subject, v.Version = e.Key.Name.String(), e.Key.Version
		v.Metadata.Tidy()
		v.RuleSet.Tidy()
		v.Content = v.schema()
	case *DeleteValue:
		v.Subject = e.Key.Name.String()
	case *ModeValue:
		if v.Mode == "" {
			return fmt.Errorf("%w: a mode without a mode", ErrInvalid)
		}
	}
	return nil
}

func (v *SchemaValue) schema() *schema.Schema {
	t := v.SchemaType
	if t == "" {
		t = schema.Avro
	}
	return &schema.Schema{Type: t, Text: v.Schema, References: v.References, Metadata: v.Metadata, Rules: v.RuleSet}
}

// NewSchema makes the entry of a version.
func NewSchema(n subject.Name, version, id int32, s *schema.Schema, deleted bool) Entry {
	v := &SchemaValue{
		Subject: n.String(), Version: version, ID: id, References: s.References,
		Metadata: s.Metadata, RuleSet: s.Rules, Schema: s.Text, Deleted: deleted, Content: s,
	}
	if s.Type != schema.Avro {
		v.SchemaType = s.Type
	}
	return Entry{Key: Key{Kind: Schema, Name: n, Version: version}, Value: v}
}

// NewContext makes the entry of a context.
func NewContext(context string, maxID int32) Entry {
	return Entry{Key: Key{Kind: Context, Context: context}, Value: &ContextValue{Tenant: tenant, Context: context, MaxID: maxID}}
}

// NewDelete makes the entry that soft-deletes versions of a subject up to one.
func NewDelete(n subject.Name, upTo int32) Entry {
	return Entry{Key: Key{Kind: DeleteSubject, Name: n}, Value: &DeleteValue{Subject: n.String(), Version: upTo}}
}

// Inherit takes from another config what this one lacks of the fields that a config of
// its own does not reset.
func (c *ConfigValue) Inherit(from *ConfigValue) {
	for _, f := range []struct{ own, other **bool }{
		{&c.Normalize, &from.Normalize}, {&c.ValidateFields, &from.ValidateFields},
		{&c.ValidateNewSchemas, &from.ValidateNewSchemas}, {&c.ValidateRules, &from.ValidateRules},
	} {
		if *f.own == nil {
			*f.own = *f.other
		}
	}
	if c.CompatibilityPolicy == "" {
		c.CompatibilityPolicy = from.CompatibilityPolicy
	}
	if c.CompatibilityGroup == "" {
		c.CompatibilityGroup = from.CompatibilityGroup
	}
}
