package tools

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var docs = flag.Bool("docs", false, "write the differences into docs/compatibility.md")

// page is where the differences are told to users, between two marks.
const (
	page  = "../../docs/compatibility.md"
	begin = "<!-- written by go test ./tests/tools -docs -->\n"
	end   = "<!-- end of what tests/tools writes -->\n"
)

// TestPage holds the page against the sessions: every difference, its reason, and
// nothing else.
func TestPage(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.session")
	if err != nil {
		t.Fatal(err)
	}
	table := "| tool | difference |\n|---|---|\n"
	commands, told := 0, map[string]bool{}
	for _, path := range paths {
		s, err := readSession(filepath.Base(path), path)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range s.steps {
			if step.verb == '$' {
				commands++
			}
			tool, _, _ := strings.Cut(step.words, " ")
			row := fmt.Sprintf("| %s | %s |\n", tool, step.why)
			if step.why != "" && !told[row] {
				table += row
				told[row] = true
			}
		}
	}
	text := fmt.Sprintf("%d calls of Kafka's command line tools print what they print with Kafka, line by line, but for these:\n\n%s", commands, table)
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(got), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place between %q and %q", page, begin, end)
	}
	if old == text {
		return
	}
	if !*docs {
		t.Fatalf("%s does not tell the differences as the sessions have them; go test ./tests/tools -docs writes them", page)
	}
	if err := os.WriteFile(page, []byte(before+begin+text+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
