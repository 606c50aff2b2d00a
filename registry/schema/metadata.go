package schema

import (
	"maps"
	"slices"
)

// VersionProperty is the metadata property that holds a schema's own version number, once
// somebody gave one.
const VersionProperty = "confluent:version"

// ReservedProperty names fields, by commas, that a schema may not have.
const ReservedProperty = "confluent:reserved"

// Metadata is what is said about a schema beside its text. Lists of tags and Sensitive
// are sets: Tidy sorts them.
type Metadata struct {
	Tags       map[string][]string `json:"tags,omitempty"`
	Properties map[string]string   `json:"properties,omitempty"`
	Sensitive  []string            `json:"sensitive,omitempty"`
}

// Tidy sorts what is a set and removes what is there twice. nil stays nil.
func (m *Metadata) Tidy() {
	if m == nil {
		return
	}
	for k, v := range m.Tags {
		m.Tags[k] = set(v)
	}
	m.Sensitive = set(m.Sensitive)
}

func set(v []string) []string {
	slices.Sort(v)
	return slices.Compact(v)
}

// Equal compares contents; nil is not the empty value.
func (m *Metadata) Equal(o *Metadata) bool {
	if m == nil || o == nil {
		return m == o
	}
	return maps.EqualFunc(m.Tags, o.Tags, slices.Equal) && maps.Equal(m.Properties, o.Properties) &&
		slices.Equal(m.Sensitive, o.Sensitive)
}

// Property returns a property; "" of nil.
func (m *Metadata) Property(name string) string {
	if m == nil {
		return ""
	}
	return m.Properties[name]
}

// WithProperty is a copy with a property set; with value "" the property is gone, and
// metadata that nothing is left of stays empty.
func (m *Metadata) WithProperty(name, value string) *Metadata {
	out := &Metadata{}
	if m != nil {
		*out = *m
	}
	out.Properties = maps.Clone(out.Properties)
	if value == "" {
		delete(out.Properties, name)
		return out
	}
	if out.Properties == nil {
		out.Properties = map[string]string{}
	}
	out.Properties[name] = value
	return out
}

// MergeMetadata lays over on top of under, key by key; sensitive names add up. Either may
// be nil, and what is returned may share with them.
func MergeMetadata(under, over *Metadata) *Metadata {
	if under == nil {
		return over
	}
	if over == nil {
		return under
	}
	return &Metadata{
		Tags:       mergeMaps(under.Tags, over.Tags),
		Properties: mergeMaps(under.Properties, over.Properties),
		Sensitive:  set(slices.Concat(under.Sensitive, over.Sensitive)),
	}
}

func mergeMaps[V any](under, over map[string]V) map[string]V {
	if len(under) == 0 {
		return over
	}
	out := maps.Clone(under)
	maps.Copy(out, over)
	return out
}
