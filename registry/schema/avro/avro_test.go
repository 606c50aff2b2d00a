package avro

import (
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/registry/schema"
)

var written = map[string]string{
	` "string" `:                          `"string"`,
	`{"type": "string"}`:                  `"string"`,
	`{"type":"int","logicalType":"date"}`: `{"type":"int","logicalType":"date"}`,
	`{"fields":[{"type":"int","name":"a","default":1,"x":1.10}],"name":"n.R","type":"record","doc":"d"}`:          `{"type":"record","name":"R","namespace":"n","doc":"d","fields":[{"name":"a","type":"int","default":1,"x":1.1}]}`,
	`{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"],"default":null,"order":"ignore"}]}`: `{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"],"default":null,"order":"ignore"}]}`,
	`{"type":"enum","name":"E","namespace":"a","aliases":["F","b.G"],"symbols":["X"],"default":"X"}`:              `{"type":"enum","name":"E","namespace":"a","symbols":["X"],"default":"X","aliases":["F","b.G"]}`,
	`{"type":"map","values":{"type":"array","items":{"type":"fixed","name":"F","size":4}}}`:                       `{"type":"map","values":{"type":"array","items":{"type":"fixed","name":"F","size":4}}}`,
}

// stands holds a schema to what is true of all: its text and normal form stay as they
// are, and it reads what it wrote.
func stands(t *testing.T, p schema.Parsed) {
	t.Helper()
	again, err := Language{}.Parse(&schema.Source{Text: p.Text()})
	if err != nil || again.Text() != p.Text() {
		t.Fatalf("text %s parses to %v, %v", p.Text(), again, err)
	}
	normal, err := Language{}.Parse(&schema.Source{Text: p.Normal()})
	if err != nil || normal.Normal() != p.Normal() {
		t.Fatalf("normal form %s parses to %v, %v", p.Normal(), normal, err)
	}
	if found, err := again.Differences(p, schema.Strict, &schema.Work{}); err != nil && err != schema.ErrTooMuch || len(found) > 0 {
		t.Fatalf("%s does not read itself: %+v, %v", p.Text(), found, err)
	}
}

func TestTexts(t *testing.T) {
	for in, want := range written {
		p, err := Language{}.Parse(&schema.Source{Text: in, Strict: true})
		if err != nil || p.Text() != want {
			t.Errorf("%s: %v, %v", in, p, err)
			continue
		}
		stands(t, p)
	}
	for _, bad := range []string{
		``, `{`, `string`, `"nothing"`, `{"type":"record","name":"R"}`, `{"type":"enum","name":"E","symbols":["A","A"]}`,
		`["int","int"]`, `[["int"]]`, `{"type":"fixed","name":"F"}`, `"int" "int"`, strings.Repeat("[", 1000),
		`{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}`, `{"type":"record","name":"a-b","fields":[]}`,
	} {
		if p, err := (Language{}).Parse(&schema.Source{Text: bad, Strict: true}); err == nil {
			t.Errorf("%s is %s", bad, p.Text())
		}
	}
}

func TestReferences(t *testing.T) {
	src := &schema.Source{
		Text:       `{"type":"record","name":"O","fields":[{"name":"i","type":"n.I"}]}`,
		References: []schema.Resolved{{Name: "n.I", Text: `{"type":"record","name":"n.I","fields":[]}`, Direct: true}},
	}
	p, err := Language{}.Parse(src)
	if err != nil || p.Text() != src.Text {
		t.Fatalf("%v, %v", p, err)
	}
	if got := p.Format("resolved"); got != `{"type":"record","name":"O","fields":[{"name":"i","type":{"type":"record","name":"I","namespace":"n","fields":[]}}]}` {
		t.Error(got)
	}
}

func TestDifferences(t *testing.T) {
	record := func(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }
	for _, c := range []struct{ reader, writer, want string }{
		{`"long"`, `"int"`, ""}, {`"string"`, `"bytes"`, ""}, {`"int"`, `"long"`, "TYPE_MISMATCH /"},
		{record(`{"name":"a","type":"int"}`), record(``), "READER_FIELD_MISSING_DEFAULT_VALUE /fields/0"},
		{record(`{"name":"a","type":"int","default":1}`), record(``), ""},
		{record(`{"name":"a","type":"int"},{"name":"b","type":"int"}`), record(`{"name":"a","type":"string"}`), "TYPE_MISMATCH /fields/0/type, READER_FIELD_MISSING_DEFAULT_VALUE /fields/1"},
		{`["null","int"]`, `["null","string"]`, "MISSING_UNION_BRANCH /1"},
		{`{"type":"enum","name":"E","symbols":["A"]}`, `{"type":"enum","name":"F","symbols":["B"]}`, "NAME_MISMATCH /name, MISSING_ENUM_SYMBOLS /symbols"},
		{`{"type":"fixed","name":"F","size":1}`, `{"type":"fixed","name":"F","size":2}`, "FIXED_SIZE_MISMATCH /size"},
	} {
		reader, err := Language{}.Parse(&schema.Source{Text: c.reader})
		if err != nil {
			t.Fatal(err)
		}
		writer, err := Language{}.Parse(&schema.Source{Text: c.writer})
		if err != nil {
			t.Fatal(err)
		}
		found, err := reader.Differences(writer, schema.Strict, &schema.Work{})
		var got []string
		for _, d := range found {
			got = append(got, d.Kind+" "+d.Pointer)
		}
		if err != nil || strings.Join(got, ", ") != c.want {
			t.Errorf("%s reads %s: %v, %v", c.reader, c.writer, got, err)
		}
	}
}

func FuzzAvro(f *testing.F) {
	for in := range written {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := (Language{}).Parse(&schema.Source{Text: text, Strict: true}); err == nil {
			stands(t, p)
		}
	})
}
