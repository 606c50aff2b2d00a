package entry

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/registry/schema"
	"github.com/streamhouse/streamhouse/registry/subject"
)

func yes() *bool { v := true; return &v }

// written are entries in the bytes that are written, which golden.txt has.
func written() []Entry {
	n := subject.Parse(":.ctx:s<&>\"\\ü")
	meta := &schema.Metadata{Tags: map[string][]string{"a": {"PII"}}, Properties: map[string]string{"p": "1"}, Sensitive: []string{"p"}}
	rules := &schema.RuleSet{Domain: []schema.Rule{{Name: "r", Kind: "CONDITION", Mode: "WRITE", Type: "CEL", Expr: "a < b"}}}
	return []Entry{
		NewSchema(subject.Parse("s"), 1, 1, &schema.Schema{Type: schema.Avro, Text: `"string"`}, false),
		NewSchema(n, 2, 7, &schema.Schema{Type: schema.JSON, Text: `{"a":"<"}`, References: []schema.Reference{{Name: "r", Subject: "t", Version: 3}}, Metadata: meta, Rules: rules}, true),
		{Key: Key{Kind: Schema, Name: subject.Parse("s"), Version: 1}},
		{Key: Key{Kind: Config}, Value: &ConfigValue{CompatibilityLevel: schema.Full}},
		{Key: Key{Kind: Config, Name: subject.Parse("s")}, Value: &ConfigValue{Subject: "s", Alias: "t", Normalize: yes(), CompatibilityLevel: schema.None, CompatibilityPolicy: schema.Lenient, CompatibilityGroup: "g", DefaultMetadata: meta, OverrideRuleSet: rules}},
		{Key: Key{Kind: Mode}, Value: &ModeValue{Mode: "READONLY"}},
		{Key: Key{Kind: Mode, Name: subject.Parse(":.ctx:")}, Value: &ModeValue{Subject: ":.ctx:", Mode: "IMPORT"}},
		NewDelete(n, 2),
		{Key: Key{Kind: ClearSubject, Name: n}, Value: &ClearValue{Subject: n.String()}},
		NewContext(".ctx", 0),
		NewContext(".", 12),
		{Key: Key{Kind: Noop}, Value: &ClearValue{}},
	}
}

// TestGolden holds the format to its golden file, one record in two lines.
func TestGolden(t *testing.T) {
	var got bytes.Buffer
	for _, e := range written() {
		got.Write(e.KeyBytes())
		got.WriteString("\n")
		if v := e.ValueBytes(); v != nil {
			got.Write(v)
		} else {
			got.WriteString("null")
		}
		got.WriteString("\n")
	}
	want, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Fatalf("the format has changed:\n%s", got.Bytes())
	}
	lines := bufio.NewScanner(bytes.NewReader(want))
	for i := range written() {
		lines.Scan()
		key := bytes.Clone(lines.Bytes())
		lines.Scan()
		value := bytes.Clone(lines.Bytes())
		if string(value) == "null" {
			value = nil
		}
		e, err := Decode(key, value)
		if err != nil || e.Raw != nil || !bytes.Equal(e.KeyBytes(), key) || !bytes.Equal(e.ValueBytes(), value) {
			t.Errorf("record %d: %+v, %v", i, e, err)
		}
	}
}

// Other registries write other forms, and did so in earlier versions.
func TestForeignForms(t *testing.T) {
	for name, c := range map[string]struct{ key, value string }{
		"magic 0, no id type":  {`{"keytype":"SCHEMA","subject":"s","version":1,"magic":0}`, `{"subject":"s","version":1,"id":1,"schema":"\"int\"","deleted":false}`},
		"another order":        {`{"magic":1,"version":1,"subject":"s","keytype":"SCHEMA"}`, `{"schema":"\"int\"","id":1}`},
		"md5, offset, ts":      {`{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}`, `{"subject":"s","version":1,"id":1,"md5":"aGk=","schema":"\"int\"","deleted":false,"offset":4,"ts":5,"references":[],"metadata":null}`},
		"null subject":         {`{"keytype":"CONFIG","subject":null,"magic":0}`, `{"compatibilityLevel":"NONE"}`},
		"config with unknowns": {`{"keytype":"CONFIG","subject":"s","magic":0}`, `{"compatibilityLevel":"NONE","validateRules":true,"later":{}}`},
	} {
		e, err := Decode([]byte(c.key), []byte(c.value))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(e.KeyBytes(), []byte(c.key)) {
			t.Errorf("%s: a tombstone would have key %s", name, e.KeyBytes())
		}
		if v, ok := e.Value.(*SchemaValue); ok && (v.Content.Text != `"int"` || v.Content.Type != schema.Avro || v.Subject != "s" || v.Version != 1) {
			t.Errorf("%s: %+v", name, v)
		}
	}
	for name, c := range map[string]struct {
		key, value string
		want       error
	}{
		"ASSOC":      {`{"keytype":"ASSOC","x":1}`, `{}`, ErrUnknown},
		"no key":     {``, `{}`, ErrInvalid},
		"no kind":    {`{}`, `{}`, ErrUnknown},
		"no version": {`{"keytype":"SCHEMA","subject":"s"}`, `{}`, ErrInvalid},
		"no subject": {`{"keytype":"SCHEMA","version":1}`, `{}`, ErrInvalid},
		"no id":      {`{"keytype":"SCHEMA","subject":"s","version":1}`, `{"schema":"x"}`, ErrInvalid},
		"no context": {`{"keytype":"CONTEXT"}`, `{}`, ErrInvalid},
		"bad value":  {`{"keytype":"MODE"}`, `[]`, ErrInvalid},
		"no mode":    {`{"keytype":"MODE"}`, `{}`, ErrInvalid},
	} {
		if _, err := Decode([]byte(c.key), []byte(c.value)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range written() {
		f.Add(e.KeyBytes(), e.ValueBytes())
	}
	f.Add([]byte(`{"magic":1,"version":1,"subject":"s","keytype":"SCHEMA"}`), []byte(`{"schema":"x","id":1,"metadata":{"tags":{"a":["b","b"]}}}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		e, err := Decode(key, value)
		if err != nil {
			return
		}
		if !bytes.Equal(e.KeyBytes(), key) {
			t.Fatalf("key %s became %s", key, e.KeyBytes())
		}
		again, err := Decode(e.Key.Bytes(), e.ValueBytes())
		if err != nil || again.Key != e.Key || !bytes.Equal(again.ValueBytes(), e.ValueBytes()) {
			if strings.ContainsRune(string(key), '\ufffd') || !isUTF8(key) {
				return
			}
			t.Fatalf("%s %s: read again %+v, %v", key, value, again, err)
		}
	})
}

func isUTF8(b []byte) bool { return strings.ToValidUTF8(string(b), "") == string(b) }
