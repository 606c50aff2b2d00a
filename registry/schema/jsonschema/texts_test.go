package jsonschema

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/registry/schema"
)

// TestTextsAreJackson's: recorded answers of jackson-databind 2.23.0.
func TestTextsAreJacksons(t *testing.T) {
	f, err := os.Open("testdata/jackson.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, n := bufio.NewScanner(f), 0
	for lines.Scan() {
		var c struct{ Text, Compact, Sorted string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		v, err := decode(c.Text)
		if err != nil {
			t.Fatalf("%s: %v", c.Text, err)
		}
		for _, one := range []struct {
			sorted bool
			want   string
		}{{false, c.Compact}, {true, c.Sorted}} {
			got := string(appendValue(nil, v, one.sorted))
			if got != one.want {
				t.Errorf("%s\n is %s\nnot %s", c.Text, got, one.want)
			}
			again, err := decode(got)
			if err != nil || string(appendValue(nil, again, one.sorted)) != got {
				t.Errorf("%s is not its own text: %v", got, err)
			}
		}
		n++
	}
	if n < 300 {
		t.Errorf("%d texts", n)
	}
}

// TestFixedPoints: the text of a text is itself, the normal form of a normal form too, and
// a schema is compatible with itself.
func TestFixedPoints(t *testing.T) {
	for _, c := range differenceCases(t) {
		for _, outer := range nestings {
			fixedPoints(t, nest(outer.text, c.next))
		}
	}
}

func fixedPoints(t *testing.T, text string) {
	t.Helper()
	p := mustParse(t, text)
	again, normal := mustParse(t, p.Text()), mustParse(t, p.Normal())
	if again.Text() != p.Text() {
		t.Errorf("%s became %s", p.Text(), again.Text())
	}
	if normal.Normal() != p.Normal() {
		t.Errorf("%s became %s", p.Normal(), normal.Normal())
	}
	for _, other := range []*parsed{again, normal} {
		if found, err := compare(p.root, other.root, schema.Strict, &schema.Work{}); err != nil || len(found) > 0 {
			t.Errorf("%s differs from itself: %v, %v", text, found, err)
		}
	}
}

// TestReferences: names are relative to where they are used, nothing is fetched, and
// metaschemas are known.
func TestReferences(t *testing.T) {
	ref := func(name, text string) schema.Resolved { return schema.Resolved{Name: name, Text: text, Direct: true} }
	number := ref("n.json", `{"type":"number"}`)
	for _, c := range []struct {
		text string
		refs []schema.Resolved
		ok   bool
	}{
		{`{"$ref":"n.json"}`, []schema.Resolved{number}, true},
		{`{"$ref":"n.json#"}`, []schema.Resolved{number}, true},
		{`{"$id":"http://example.com/a/b.json","$ref":"n.json"}`, []schema.Resolved{number}, true},
		{`{"$id":"http://example.com/a/b.json","properties":{"x":{"$ref":"n.json"}}}`, []schema.Resolved{number}, true},
		{`{"$ref":"http://example.com/n.json"}`, []schema.Resolved{ref("http://example.com/n.json", `{"type":"number"}`)}, true},
		{`{"$ref":"a%20b.json"}`, []schema.Resolved{ref("a b.json", `{"type":"number"}`)}, true},
		{`{"$ref":"dir/m.json"}`, []schema.Resolved{number, ref("dir/m.json", `{"$ref":"n.json"}`)}, true},
		{`{"$ref":"m.json"}`, []schema.Resolved{number, ref("m.json", `{"$id":"http://other/x/m.json","$ref":"n.json"}`)}, true},
		{`{"$ref":"m.json#/definitions/d"}`, []schema.Resolved{ref("m.json", `{"definitions":{"d":{"type":"number"}}}`)}, true},
		{`{"$ref":"http://json-schema.org/draft-07/schema#"}`, nil, true},
		{`{"$ref":"http://example.com/n.json"}`, []schema.Resolved{number}, false},
		{`{"$ref":"http://127.0.0.1:1/n.json"}`, nil, false},
		{`{"$ref":"file:///etc/passwd"}`, nil, false},
		{`{"$ref":"n.json"}`, nil, false},
		{`{"$ref":"#/definitions/none"}`, nil, false},
		{`{"$ref":"#none"}`, nil, false},
		{`{"$ref":"n.json"}`, []schema.Resolved{ref("n.json", `{"type":`)}, false},
		{`{"$ref":"n.json"}`, []schema.Resolved{ref("n.json", `{"$ref":"m.json"}`)}, false},
		{`{"$schema":"http://example.com/my-own","type":"string"}`, nil, true},
	} {
		p, err := Language{}.Parse(&schema.Source{Text: c.text, References: c.refs, Strict: true})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.text, err)
		}
		if err == nil && strings.Contains(c.text, ".json") && !hasNumber(p.(*parsed).root) {
			t.Errorf("%s is %#v", c.text, p.(*parsed).root.body)
		}
	}
	// What a reference says counts in the comparison.
	old := mustParse(t, `{"$ref":"n.json"}`, number)
	next := mustParse(t, `{"$ref":"n.json"}`, ref("n.json", `{"type":"integer"}`))
	if found, _ := next.Differences(old, schema.Strict, &schema.Work{}); len(found) != 1 || found[0].Kind != "TYPE_NARROWED" {
		t.Errorf("%v", found)
	}
}

func hasNumber(n *node) bool {
	if o, ok := n.body.(*objectRules); ok {
		n = o.properties["x"]
	}
	_, ok := n.body.(*numberRules)
	return ok
}

// TestStrictAndLenient: what the metaschema refuses is refused in new schemas, and left
// out of the model of stored ones.
func TestStrictAndLenient(t *testing.T) {
	for _, text := range []string{
		`{"type":"strin"}`, `{"type":"string","minLength":-1}`, `{"properties":{"a":{"type":"string","required":true}}}`,
		`{"type":"string","pattern":"("}`, `{"required":["a","a"]}`, `{"items":{"enum":7}}`,
	} {
		if _, err := (Language{}).Parse(&schema.Source{Text: text, Strict: true}); err == nil {
			t.Errorf("%s is taken", text)
		}
		p, err := Language{}.Parse(&schema.Source{Text: text})
		if err != nil {
			t.Errorf("%s is not read: %v", text, err)
			continue
		}
		if p.Text() != text {
			t.Errorf("%s became %s", text, p.Text())
		}
	}
	for _, text := range []string{
		`{"type":"string","pattern":"^(?=.*[a-z])(?!x)\\w{1,2000}$"}`, `{"pattern":"(a)\\1"}`, `{"patternProperties":{"(?<!a)b":{}}}`,
		`{"id":"http://x/y","$schema":"http://json-schema.org/draft-04/schema#","minimum":1,"exclusiveMinimum":true}`,
	} {
		if _, err := (Language{}).Parse(&schema.Source{Text: text, Strict: true}); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNamesAndFields(t *testing.T) {
	p := mustParse(t, `{"title":"T","allOf":[{"properties":{"b":{}}},{"properties":{"a":{},"b":{}}}]}`)
	if name, ok := p.RecordName(nil); name != "T" || !ok {
		t.Error(name)
	}
	if f := strings.Join(p.Fields(), ","); f != "a,b" {
		t.Error(f)
	}
	if _, ok := mustParse(t, `true`).RecordName(nil); ok {
		t.Error("true has a name")
	}
}
