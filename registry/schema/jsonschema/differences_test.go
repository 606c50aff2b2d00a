package jsonschema

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/registry/schema"
)

type differenceCase struct{ kind, pointer, old, next string }

func differenceCases(t testing.TB) []differenceCase {
	t.Helper()
	text, err := os.ReadFile("testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []differenceCase
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		part := strings.Split(line, " | ")
		if len(part) != 4 {
			t.Fatalf("not four parts: %s", line)
		}
		out = append(out, differenceCase{part[0], part[1], part[2], part[3]})
	}
	return out
}

func mustParse(t testing.TB, text string, refs ...schema.Resolved) *parsed {
	t.Helper()
	p, err := Language{}.Parse(&schema.Source{Text: text, References: refs, Strict: true})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p.(*parsed)
}

func differ(t testing.TB, old, next string) []difference {
	t.Helper()
	found, err := compare(mustParse(t, old).root, mustParse(t, next).root, schema.Strict, &schema.Work{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// nestings put a schema into another one: pairs of text and the pointer to the place.
var nestings = []struct{ text, pointer string }{
	{`%`, ""},
	{`{"type":"object","properties":{"a/b":%}}`, "/properties/a~1b"},
	{`{"type":"array","items":%}`, "/items"},
	{`{"type":"array","items":[true,%]}`, "/items/1"},
	{`{"type":"object","additionalProperties":{"$ref":"#/definitions/d"},"definitions":{"d":%}}`, "/additionalProperties"},
	{`{"type":"object","dependencies":{"x":%}}`, "/dependencies/x"},
}

// nest moves $schema to the root, and an id's change stays one.
func nest(outer, inner string) string {
	const latest = `"$schema":"https://json-schema.org/draft/2020-12/schema",`
	if strings.Contains(inner, latest) && outer != "%" {
		inner = strings.Replace(inner, latest, "", 1)
		outer = "{" + latest + strings.Replace(strings.Replace(outer[1:], `"items":[`, `"prefixItems":[`, 1), `"dependencies"`, `"dependentSchemas"`, 1)
	}
	return strings.ReplaceAll(outer, "%", inner)
}

// TestEveryKind shows each kind of difference alone and at each place that a schema can
// have, and that no kind is without a case.
func TestEveryKind(t *testing.T) {
	shown := map[string]int{}
	for _, c := range differenceCases(t) {
		if _, ok := kinds[c.kind]; !ok {
			t.Errorf("%s is no kind", c.kind)
		}
		for _, outer := range nestings {
			found := differ(t, nest(outer.text, c.old), nest(outer.text, c.next))
			want := difference{c.kind, "#" + outer.pointer + c.pointer[1:]}
			if !slices.Contains(found, want) {
				t.Errorf("%s -> %s in %s: %v instead of %v", c.old, c.next, outer.text, found, want)
				continue
			}
			shown[c.kind]++
			if kinds[c.kind] == never && verdictOf(found, schema.Lenient) {
				t.Errorf("%s is compatible", c.kind)
			}
		}
	}
	for kind := range kinds {
		if shown[kind] < len(nestings) {
			t.Errorf("%s is shown %d times", kind, shown[kind])
		}
	}
	if len(shown) < 90 {
		t.Errorf("%d kinds are shown", len(shown))
	}
}

func verdictOf(found []difference, p schema.Policy) bool {
	return !slices.ContainsFunc(found, func(d difference) bool { return !compatible(d.kind, p) })
}

// TestVerdictIsTheList: the public list is what is incompatible, by policy, and its
// message is Confluent's.
func TestVerdictIsTheList(t *testing.T) {
	for _, c := range differenceCases(t) {
		old, next := mustParse(t, c.old), mustParse(t, c.next)
		all := differ(t, c.old, c.next)
		for _, policy := range []schema.Policy{schema.Strict, schema.Lenient} {
			found, err := next.Differences(old, policy, &schema.Work{})
			if err != nil {
				t.Fatal(err)
			}
			if (len(found) == 0) != verdictOf(all, policy) {
				t.Errorf("%s: %d differences of %v under %s", c.kind, len(found), all, policy)
			}
			for i := range found {
				if d := &found[i]; !strings.Contains(d.Description, d.Pointer) || d.Quote != '"' || !strings.Contains(d.Description, "{reader}") {
					t.Errorf("%s reads %q", d.Kind, d.Description)
				}
			}
		}
	}
}

// TestContentModels are the 24 cases of optional properties, required ones and such with a
// default, added and removed, by policy.
func TestContentModels(t *testing.T) {
	const (
		none      = `{"type":"object"%}`
		optional  = `{"type":"object","properties":{"p":{"type":"string"}}%}`
		required  = `{"type":"object","properties":{"p":{"type":"string"}},"required":["p"]%}`
		byDefault = `{"type":"object","properties":{"p":{"type":"string","default":""}},"required":["p"]%}`
	)
	for _, c := range []struct {
		old, next                                          string
		strictOpen, lenientOpen, strictClosed, lenientShut bool
	}{
		{none, optional, false, true, true, true},
		{none, required, false, false, false, false},
		{none, byDefault, false, true, true, true},
		{optional, none, true, true, false, true},
		{required, none, true, true, false, true},
		{byDefault, none, true, true, false, true},
	} {
		for _, side := range []struct {
			more   string
			policy schema.Policy
			want   bool
		}{
			{"", schema.Strict, c.strictOpen}, {"", schema.Lenient, c.lenientOpen},
			{`,"additionalProperties":false`, schema.Strict, c.strictClosed},
			{`,"additionalProperties":false`, schema.Lenient, c.lenientShut},
		} {
			old, next := strings.Replace(c.old, "%", side.more, 1), strings.Replace(c.next, "%", side.more, 1)
			found, err := mustParse(t, next).Differences(mustParse(t, old), side.policy, &schema.Work{})
			if err != nil || (len(found) == 0) != side.want {
				t.Errorf("%s -> %s under %s: %v, %v", old, next, side.policy, found, err)
			}
		}
	}
}

// TestRecursion: schemas within themselves are compared, at any depth of the change.
func TestRecursion(t *testing.T) {
	const list = `{"type":"object","properties":{"next":{"$ref":"#"},"v":%}}`
	const pair = `{"$ref":"#/definitions/a","definitions":{
		"a":{"type":"object","properties":{"b":{"$ref":"#/definitions/b"}},"additionalProperties":false},
		"b":{"type":"object","properties":{"a":{"anyOf":[{"$ref":"#/definitions/a"},{"type":"null"}]},"v":%},"additionalProperties":false}}}`
	const dynamic = `{"$schema":"https://json-schema.org/draft/2020-12/schema","$dynamicAnchor":"n","type":"object","properties":{"kids":{"type":"array","items":{"$dynamicRef":"#n"}},"v":%}}`
	for _, outer := range []string{list, pair, dynamic} {
		in := func(text string) string { return strings.Replace(outer, "%", text, 1) }
		if found := differ(t, in(`{"type":"integer"}`), in(`{"type":"number"}`)); !verdictOf(found, schema.Strict) || len(found) == 0 {
			t.Errorf("wider: %v", found)
		}
		if found := differ(t, in(`{"type":"number"}`), in(`{"type":"integer"}`)); verdictOf(found, schema.Strict) {
			t.Errorf("narrower: %v", found)
		}
	}
	// A branch that is only wrong deep inside is no partner.
	const tree = `{"anyOf":[{"type":"object","properties":{"t":{"$ref":"#"},"v":{"type":"%"}},"additionalProperties":false},{"type":"null"}]}`
	found := differ(t, strings.Replace(tree, "%", "string", 1), strings.Replace(tree, "%", "number", 1))
	if verdictOf(found, schema.Strict) || found[len(found)-1].kind != "COMBINED_TYPE_SUBSCHEMAS_CHANGED" {
		t.Errorf("%v", found)
	}
	// Only references: anything goes.
	if found := differ(t, `{"$ref":"#"}`, `{"$ref":"#/definitions/x","definitions":{"x":{"$ref":"#"}}}`); len(found) > 0 {
		t.Errorf("%v", found)
	}
}

// TestMatching: branches find partners in any order, where taking the first would not do.
func TestMatching(t *testing.T) {
	found := differ(t, `{"anyOf":[{"type":"integer"},{"type":"number"}]}`, `{"anyOf":[{"type":"number"},{"type":"integer"}]}`)
	if !verdictOf(found, schema.Strict) {
		t.Error(found)
	}
	var old, next []string
	for i := range 60 {
		old = append(old, `{"type":"string","maxLength":`+itoa(i)+`}`)
		next = append(next, `{"type":"string","maxLength":`+itoa(59-i)+`}`)
	}
	all := func(branches []string) string { return `{"oneOf":[` + strings.Join(branches, ",") + `]}` }
	if found := differ(t, all(old), all(next)); !verdictOf(found, schema.Strict) {
		t.Error(found)
	}
	next[7] = `{"type":"string","maxLength":0}`
	if found := differ(t, all(old), all(next)); verdictOf(found, schema.Strict) {
		t.Error("a branch without a partner is not seen")
	}
}

func itoa(i int) string { b, _ := json.Marshal(i); return string(b) }
