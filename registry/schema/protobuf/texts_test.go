package protobuf

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/registry/schema"
)

func mustParse(t testing.TB, text string, refs ...schema.Resolved) *parsed {
	t.Helper()
	p, err := Language{}.Parse(&schema.Source{Text: text, References: refs, Strict: true})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p.(*parsed)
}

// TestTexts: our texts of recorded files are those in which Wire found the elements of the
// originals; each is its own text, its normal form is one, and it is compatible with itself.
func TestTexts(t *testing.T) {
	f, err := os.Open("testdata/wire.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, n := bufio.NewScanner(f), 0
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c struct{ Text, Ours string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		p := mustParse(t, c.Text)
		if p.Text() != c.Ours {
			t.Errorf("%s\n became\n%s\nnot\n%s", c.Text, p.Text(), c.Ours)
		}
		fixedPoints(t, p)
		n++
	}
	if err := lines.Err(); err != nil || n < 300 {
		t.Errorf("%d files, %v", n, err)
	}
}

func fixedPoints(t *testing.T, p *parsed) {
	t.Helper()
	again, normal := mustParse(t, p.Text()), mustParse(t, p.Normal())
	if again.Text() != p.Text() {
		t.Errorf("%s became %s", p.Text(), again.Text())
	}
	if normal.Normal() != p.Normal() || normal.Text() != p.Normal() {
		t.Errorf("%s became %s", p.Normal(), normal.Normal())
	}
	for _, other := range []*parsed{again, normal} {
		if found, err := compare(p, other, &schema.Work{}); err != nil || len(found) > 0 {
			t.Errorf("%s differs from itself: %v, %v", p.Text(), found, err)
		}
	}
}

const golden = `syntax = "proto3";
package a.b;

import "google/type/money.proto";
import "confluent/meta.proto";
import public "google/protobuf/any.proto";

option java_package = "com.x";

message M {
  reserved 1, 5 to 9;
  reserved "foo";

  option deprecated = true;

  map<string, int32> m = 3 [
    deprecated = true,
    (confluent.field_meta).doc = "a\"b\n"
  ];
  repeated string s = 4;
  google.type.Money money = 11 [(confluent.field_meta) = {
    doc: "x",
    tags: [
      "a",
      "b"
    ]
  }];

  oneof o {
    int32 a = 2;
  }

  message Q {}
  enum E {
    option allow_alias = true;
    A = 0;
    B = 0;
  }
}
message N {
  M.E e = 1;
}
enum Top {
  X = 0;
}

service S {
  rpc F (M) returns (stream M) {
    option deprecated = true;
  };
  rpc G (stream M) returns (N);
}
`

func TestForms(t *testing.T) {
	p := mustParse(t, golden)
	if p.Text() != golden {
		t.Errorf("%s", p.Text())
	}
	for _, want := range []string{
		"\nimport \"confluent/meta.proto\";\nimport \"google/type/money.proto\";\n", "  .google.type.Money money = 11",
		"    (confluent.field_meta).doc = \"a\\\"b\\n\",\n    deprecated = true\n", "  .a.b.M.E e = 1;\n", "rpc G (stream .a.b.M) returns (.a.b.N);",
	} {
		if !strings.Contains(p.Normal(), want) {
			t.Errorf("%q is not in %s", want, p.Normal())
		}
	}
	plain := p.Format("ignore_extensions")
	if strings.Contains(plain, "field_meta") || !strings.Contains(plain, "m = 3 [deprecated = true];") {
		t.Error(plain)
	}
	if p.Format("no such") != golden {
		t.Error("an unknown format is not the text")
	}
	// What clients send that have descriptors: custom options aside, which a descriptor
	// has as unknown fields, the same elements.
	back := mustParse(t, p.Format("serialized"))
	if found, err := compare(p, back, &schema.Work{}); err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
	fixedPoints(t, back)
	if _, err := (Language{}).Parse(&schema.Source{Text: "AAAA"}); err == nil {
		t.Error("a wrong descriptor is taken")
	}
}

func TestRecordNames(t *testing.T) {
	p := mustParse(t, golden)
	for _, c := range []struct {
		indexes []int
		name    string
		ok      bool
	}{
		{nil, "a.b.M", true}, {[]int{0}, "a.b.M", true}, {[]int{0, 0}, "a.b.M.Q", true}, {[]int{1}, "a.b.N", true},
		{[]int{2}, "", false}, {[]int{-1}, "", false}, {[]int{0, 1}, "", false}, {[]int{1, 0}, "", false},
	} {
		if name, ok := p.RecordName(c.indexes); name != c.name || ok != c.ok {
			t.Errorf("%v is %s, %v", c.indexes, name, ok)
		}
	}
	if _, ok := mustParse(t, `enum E { A = 0; }`).RecordName(nil); ok {
		t.Error("an enum has a record")
	}
	if f := strings.Join(p.Fields(), ","); f != "a,m,s,money" {
		t.Error(f)
	}
}

// TestReferences: imports are names of references or known files; nothing else is read.
func TestReferences(t *testing.T) {
	ref := func(name, text string) schema.Resolved { return schema.Resolved{Name: name, Text: text, Direct: true} }
	other := ref("other.proto", `syntax = "proto3"; package o; message O { int32 a = 1; }`)
	const text = `syntax = "proto3"; import "other.proto"; message M { o.O o = 1; }`
	for _, c := range []struct {
		text string
		refs []schema.Resolved
		ok   bool
	}{
		{text, []schema.Resolved{other}, true},
		{text, nil, false},
		{text, []schema.Resolved{ref("other.proto", `syntax = "proto3"; message P {}`)}, false},
		{text, []schema.Resolved{ref("other.proto", `syntax = `)}, false},
		{`syntax = "proto3"; import "x/mid.proto"; message M { m.Mid o = 1; }`,
			[]schema.Resolved{other, ref("x/mid.proto", `syntax = "proto3"; package m; import "other.proto"; message Mid { o.O o = 1; }`)}, true},
		{`syntax = "proto3"; import "google/type/timeofday.proto"; import "confluent/type/decimal.proto"; message M { google.type.TimeOfDay t = 1; confluent.type.Decimal d = 2; }`, nil, true},
		{`import "/etc/passwd"; message M {}`, nil, false},
		{`import "default"; message M {}`, nil, false},
	} {
		p, err := Language{}.Parse(&schema.Source{Text: c.text, References: c.refs, Strict: true})
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.text, err)
		}
		if err == nil && p.Format("serialized") == p.Text() {
			t.Errorf("%s has no descriptor", c.text)
		}
	}
	// Bodies of what references define are compared.
	old := mustParse(t, text, other)
	next := mustParse(t, text, ref("other.proto", `syntax = "proto3"; package o; message O { string a = 1; }`))
	found, err := next.Differences(old, schema.Strict, &schema.Work{})
	if err != nil || len(found) != 1 || found[0].Kind != "FIELD_SCALAR_KIND_CHANGED" || found[0].Pointer != "#/M/1/1" {
		t.Errorf("%v, %v", found, err)
	}
}

// TestLenient: what can not be linked is read where it is stored, and compared by the
// names that it has.
func TestLenient(t *testing.T) {
	for _, text := range []string{
		`syntax = "proto3"; message M { Gone g = 1; }`, `syntax = "proto3"; import "gone.proto"; message M { g.Gone g = 1; }`,
		`syntax = "proto3"; enum E { A = 1; }`, `message M { int32 a = 1; int32 b = 1; }`,
	} {
		if _, err := (Language{}).Parse(&schema.Source{Text: text, Strict: true}); err == nil {
			t.Errorf("%s is taken", text)
		}
		p, err := Language{}.Parse(&schema.Source{Text: text})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if found, err := p.Differences(p, schema.Strict, &schema.Work{}); err != nil || len(found) > 0 {
			t.Errorf("%s: %v, %v", text, found, err)
		}
	}
}
