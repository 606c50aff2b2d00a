package protobuf

import (
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
		if line = strings.TrimRight(line, "\n"); line == "" || line[0] == '#' {
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

// nestings put a message's body into a schema: the pointer is that of the message.
var nestings = []struct{ text, pointer string }{
	{"message M { % }", "#/M"},
	{"package p.q; message L { optional int32 z = 100; } message O { message M { % } optional M m = 100; }", "#/O/M"},
	{"message O { optional group G = 100 { % } }", "#/O/100"},
	{"message A { message B { message C { message M { % } } } }", "#/A/B/C/M"},
}

// whole makes a file of a body: what needs labels is of proto2, and gets them.
func whole(outer, body string) string {
	if text, ok := strings.CutPrefix(body, "!"); ok {
		return `syntax = "proto2"; ` + text
	}
	words := strings.Split(body, " ")
	depth, oneof := 0, -1
	for i, w := range words {
		starts := i == 0 || strings.HasSuffix(words[i-1], ";") || words[i-1] == "}" || words[i-1] == "{"
		if starts && oneof < 0 && !slices.Contains([]string{"oneof", "message", "enum", "optional", "required", "repeated", "}", ""}, w) &&
			!strings.HasPrefix(w, "map<") && !(depth > 0) {
			words[i] = "optional " + w
		}
		depth += strings.Count(w, "{") - strings.Count(w, "}")
	}
	return `syntax = "proto2"; ` + strings.ReplaceAll(outer, "%", strings.Join(words, " "))
}

// TestEveryKind shows each kind of difference alone and within other messages, and that no
// kind is without a case.
func TestEveryKind(t *testing.T) {
	shown := map[string]int{}
	for _, c := range differenceCases(t) {
		for _, outer := range nestings {
			old, next := mustParse(t, whole(outer.text, c.old)), mustParse(t, whole(outer.text, c.next))
			want := difference{c.kind, c.pointer}
			if !strings.HasPrefix(c.pointer, "#") {
				want.pointer = outer.pointer + c.pointer
			}
			found, err := compare(old, next, &schema.Work{})
			if err != nil || !slices.Contains(found, want) {
				t.Errorf("%s -> %s: %v, %v instead of %v", old.Text(), next.Text(), found, err, want)
				continue
			}
			shown[c.kind]++
			bad, err := next.Differences(old, schema.Strict, &schema.Work{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range bad {
				if compatible[bad[i].Kind] || !strings.Contains(bad[i].Description, bad[i].Pointer) {
					t.Errorf("%+v", bad[i])
				}
			}
			listed := slices.ContainsFunc(bad, func(d schema.Difference) bool { return d.Kind == c.kind })
			if listed == compatible[c.kind] {
				t.Errorf("%s is listed: %v", c.kind, listed)
			}
		}
	}
	for kind := range compatible {
		if shown[kind] < len(nestings) {
			t.Errorf("%s is shown %d times", kind, shown[kind])
		}
	}
}

// TestCompatible: changes that are none on the wire.
func TestCompatible(t *testing.T) {
	for _, c := range [][2]string{
		{"int32 a = 1;", "E a = 1; enum E { A = 0; }"}, {"bool a = 1;", "uint64 a = 1;"}, {"string a = 1;", "bytes a = 1;"},
		{"N a = 1; message N {}", "repeated N a = 1; message N {}"}, {"sfixed64 a = 1;", "fixed64 a = 1;"},
		{"oneof o { int32 a = 1; int32 b = 2; }", ""}, {"oneof o { int32 a = 1; int32 b = 2; }", "oneof p { int32 a = 1; int32 b = 2; }"},
		{"oneof o { int32 a = 1; int32 b = 2; }", "int32 a = 1; int32 b = 2;"}, {"int32 a = 1;", "oneof o { int32 a = 1; int32 b = 2; }"},
		{"required int32 a = 1;", "optional int32 a = 1;"},
	} {
		old, next := mustParse(t, whole(nestings[0].text, c[0])), mustParse(t, whole(nestings[0].text, c[1]))
		if found, err := next.Differences(old, schema.Strict, &schema.Work{}); err != nil || len(found) > 0 {
			t.Errorf("%v: %v, %v", c, found, err)
		}
	}
	old := mustParse(t, `syntax = "proto3"; message M { N a = 1; message N { M m = 1; } }`)
	next := mustParse(t, `syntax = "proto3"; message M { .M.N a = 1; message N { M m = 1; } }`)
	if found, err := compare(old, next, &schema.Work{}); err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}
