package compat

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	page      = "../../docs/compatibility.md"
	pageBegin = "<!-- made by: go test ./tests/compat -run TestPage -update -->\n"
	pageEnd   = "<!-- end -->\n"
)

// TestPage holds the list of differences in the documentation to the one that the
// comparison uses.
func TestPage(t *testing.T) {
	now, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, begun := strings.Cut(string(now), pageBegin)
	_, tail, ended := strings.Cut(rest, pageEnd)
	if !begun || !ended {
		t.Fatalf("%s has no place for the list of differences", page)
	}
	list, err := differenceTable()
	if err != nil {
		t.Fatal(err)
	}
	want := []byte(head + pageBegin + list + pageEnd + tail)
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(now, want) {
		t.Errorf("%s does not list the differences that the comparison knows; run: go test ./tests/compat -run TestPage -update", page)
	}
}

// differenceTable is a row per difference, with what Kafka was recorded to say.
func differenceTable() (string, error) {
	var out strings.Builder
	out.WriteString("\n| request | versions | field | Kafka 4.4 | here | why |\n|---|---|---|---|---|---|\n")
	recordings := make(map[string]recording)
	for _, k := range allKnown() {
		if recordings[k.suite] == nil {
			r, err := readRecording(k.suite)
			if err != nil {
				return "", err
			}
			recordings[k.suite] = r
		}
		kafka, err := recordedAt(recordings[k.suite][k.name], &k)
		if err != nil {
			return "", fmt.Errorf("%s/%s: %w", k.suite, k.name, err)
		}
		path := "whole answer"
		if k.path != "" {
			path = code(k.path)
		}
		fmt.Fprintf(&out, "| %s: %s | %s | %s | %s | %s | %s |\n", k.suite, k.name, k.versions, path, code(kafka), code(k.here), k.why)
	}
	out.WriteString("\n")
	return out.String(), nil
}

// recordedAt is the value that Kafka has at a difference's field.
func recordedAt(answers []answer, k *known) (string, error) {
	from, _, err := parseSpan(k.versions)
	if err != nil {
		return "", err
	}
	tree, ok := at(answers, from)
	if !ok {
		return "", fmt.Errorf("version %d is not recorded", from)
	}
	found := absent
	diff("", tree, walkTo(tree, k.path), func(path, kafka, _ string) {
		if path == k.path {
			found = kafka
		}
	})
	return found, nil
}

// walkTo is a copy of a tree in which the field at path is another than it was.
func walkTo(tree any, path string) any { return replaced(tree, "", path) }

func replaced(v any, at, path string) any {
	if at == path {
		return struct{ Other bool }{true}
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, field := range v {
			out[name] = replaced(field, strings.TrimPrefix(at+"."+name, "."), path)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = replaced(v[i], fmt.Sprintf("%s[%d]", at, i), path)
		}
		return out
	}
	return v
}

// code shows a value in a cell of a table.
func code(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "..."
	}
	return "`" + strings.ReplaceAll(strings.ReplaceAll(s, "|", `\|`), "`", "'") + "`"
}
