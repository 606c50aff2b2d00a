package schema

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Type is a schema type by its name in the API.
type Type string

// The types.
const (
	Avro     Type = "AVRO"
	JSON     Type = "JSON"
	Protobuf Type = "PROTOBUF"
)

// Types are all types, in the order of the API's list.
func Types() []Type { return []Type{JSON, Protobuf, Avro} }

// Reference names a schema that another one uses: a full name in Avro, a URI in JSON
// Schema, an import in Protobuf.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	// Version is 1 or more; -1 in a request stands for the latest.
	Version int32 `json:"version"`
}

// CompareReferences orders references by name, subject and version, as a normal form
// has them.
func CompareReferences(a, b Reference) int {
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	if c := strings.Compare(a.Subject, b.Subject); c != 0 {
		return c
	}
	return int(a.Version) - int(b.Version)
}

// Schema is what an id names.
type Schema struct {
	Type       Type
	Text       string
	References []Reference
	// Metadata and Rules may be nil, which is another content than an empty value.
	Metadata *Metadata
	Rules    *RuleSet
}

// GUID names a content in all contexts and registries.
type GUID [md5.Size]byte

// String is the GUID as a UUID.
func (g GUID) String() string {
	h := hex.EncodeToString(g[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// ParseGUID reads a UUID; upper case is taken too.
func ParseGUID(text string) (g GUID, err error) {
	plain := strings.ReplaceAll(text, "-", "")
	if len(text) != 36 || len(plain) != 32 {
		return g, fmt.Errorf("%q is not a UUID", text)
	}
	if _, err = hex.Decode(g[:], []byte(plain)); err != nil {
		return GUID{}, fmt.Errorf("%q is not a UUID", text)
	}
	return g, nil
}

// GUID is the MD5 of the schema's content, by the order of fields that Confluent's
// registry has; the type is not in it.
func (s *Schema) GUID() GUID {
	h := md5.New()
	text := func(v string) { h.Write([]byte(v)) }
	text(s.Text)
	for _, r := range s.References {
		text(r.Name)
		text(r.Subject)
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(r.Version)))
	}
	if m := s.Metadata; m != nil {
		h.Write([]byte{1})
		for _, k := range sortedKeys(m.Tags) {
			text(k)
			for _, v := range m.Tags[k] {
				text(v)
			}
		}
		for _, k := range sortedKeys(m.Properties) {
			text(k)
			text(m.Properties[k])
		}
		for _, v := range m.Sensitive {
			text(v)
		}
	}
	if r := s.Rules; r != nil {
		h.Write([]byte{1})
		for _, set := range r.sets() {
			for i := range *set {
				(*set)[i].digest(text)
			}
		}
		text(r.EnableAt)
	}
	return GUID(h.Sum(nil))
}

func (r *Rule) digest(text func(string)) {
	for _, v := range []string{r.Name, r.Doc, r.Kind, r.Mode, r.Type} {
		text(v)
	}
	for _, v := range r.Tags {
		text(v)
	}
	for _, k := range sortedKeys(r.Params) {
		text(k)
		text(r.Params[k])
	}
	for _, v := range []string{r.Expr, r.OnSuccess, r.OnFailure} {
		text(v)
	}
	if r.Disabled {
		text("\x01")
	}
}

// Equal says whether two schemas have one content.
func (s *Schema) Equal(o *Schema) bool {
	return s.Type == o.Type && s.Text == o.Text && slices.Equal(s.References, o.References) &&
		s.Metadata.Equal(o.Metadata) && s.Rules.Equal(o.Rules)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
