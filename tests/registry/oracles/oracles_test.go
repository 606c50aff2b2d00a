// Package oracles asks the Java libraries that other registries are built on what they
// make of a text, and compares with what is recorded beside the packages of registry/schema.
// It asks only with -acceptance: the recordings are what the packages' own tests read.
package oracles

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/tests/peers"
)

var (
	acceptance = flag.Bool("acceptance", false, "ask the libraries anew")
	record     = flag.Bool("record", false, "write down what they answer")
)

const jacksonFile = "../../../registry/schema/jsonschema/testdata/jackson.jsonl"

type jacksonCase struct {
	Text    string `json:"text"`
	Compact string `json:"compact"`
	Sorted  string `json:"sorted"`
}

// TestJackson: 300 JSON texts as jackson-databind rewrites them.
func TestJackson(t *testing.T) {
	var cases []jacksonCase
	ask(t, "jackson", jacksonFile, 300, &cases, func(i int, answer *jacksonCase) {
		answer.Text = cases[i].Text
		if *answer != cases[i] && !*record {
			t.Errorf("%s is stale: %+v", cases[i].Text, answer)
		}
		cases[i] = *answer
	})
}

const wireFile = "../../../registry/schema/protobuf/testdata/wire.jsonl"

type wireCase struct {
	Text     string `json:"text"`
	Ours     string `json:"ours"` // as registry/schema/protobuf writes it; its tests hold it to that
	Elements string `json:"elements"`
}

type wireAnswer struct {
	Elements string `json:"elements"`
	OfOurs   string `json:"of_ours"`
	Error    string `json:"error"`
}

// TestWire: 300 Protobuf files have the elements that Wire found before, and their texts
// by ours have the same.
func TestWire(t *testing.T) {
	var cases []wireCase
	ask(t, "wire", wireFile, 300, &cases, func(i int, answer *wireAnswer) {
		if answer.Error != "" || answer.OfOurs != answer.Elements {
			t.Errorf("%s\nhas other elements by us: %+v", cases[i].Text, answer)
		}
		if answer.Elements != cases[i].Elements && !*record {
			t.Errorf("%s\nis stale: %+v", cases[i].Text, answer)
		}
		cases[i].Elements = answer.Elements
	})
}

// ask puts every line of a file to a library and hands on its answers.
func ask[Q, A any](t *testing.T, library, file string, least int, cases *[]Q, answered func(i int, answer *A)) {
	t.Helper()
	if !*acceptance && !*record {
		t.Skip("asks Java libraries: -acceptance")
	}
	questions, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(questions) {
		var q Q
		if err := json.Unmarshal(line, &q); err != nil {
			t.Fatal(err)
		}
		*cases = append(*cases, q)
	}
	if len(*cases) < least {
		t.Fatalf("%s has %d questions", file, len(*cases))
	}
	lines := bufio.NewScanner(strings.NewReader(run(t, library, string(questions))))
	lines.Buffer(nil, 64<<20)
	i := 0
	for ; lines.Scan(); i++ {
		var a A
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		answered(i, &a)
	}
	if i != len(*cases) {
		t.Fatalf("%d answers to %d questions", i, len(*cases))
	}
	if *record {
		write(t, file, *cases)
	}
}

func run(t *testing.T, library, questions string) string {
	t.Helper()
	java, err := peers.SchemaLibraries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if java, err = java.Compile(t.Context(), t.TempDir(), "java/Oracle.java"); err != nil {
		t.Fatal(err)
	}
	command := java.Command("Oracle", 256, library)
	answers, err := command.Run(t.Context(), questions)
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

func write[Q any](t *testing.T, file string, cases []Q) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for i := range cases {
		if err := e.Encode(cases[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
