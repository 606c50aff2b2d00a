package sql

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/sql/plan"
)

var update = flag.Bool("update", false, "write docs/sql.md anew")

// TestPage holds the tables of docs/sql.md to those of functions. They are written with:
// go test ./sql -run TestPage -update
func TestPage(t *testing.T) {
	const path, from = "../docs/sql.md", "<!-- functions: made by go test ./sql -update -->\n"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(b), from)
	if !ok {
		t.Fatalf("%s has no place for functions", path)
	}
	want := head + from + functionPage()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(b) != want {
		t.Errorf("%s is not what the functions say; run: go test ./sql -run TestPage -update", path)
	}
}

func functionPage() string {
	var b strings.Builder
	group := ""
	escape := strings.NewReplacer("|", `\|`)
	for _, f := range plan.Functions() {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "\n### %s\n\n| function | does | example | gives |\n|---|---|---|---|\n", group)
		}
		example, gives := "", ""
		if f.Example != "" {
			example, gives = "`"+escape.Replace(f.Example)+"`", "`"+escape.Replace(f.Gives)+"`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", escape.Replace(f.Name), escape.Replace(f.Doc), example, gives)
	}
	b.WriteString("\n### Aggregates\n\n| function | does |\n|---|---|\n")
	for _, n := range slices.Sorted(maps.Keys(plan.Aggregates())) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", n, plan.Aggregates()[n].Doc)
	}
	return b.String()
}

// The statements of docs/sql.md run: those of its code blocks that begin with SELECT or WITH.
func TestPageRuns(t *testing.T) {
	b, err := os.ReadFile("../docs/sql.md")
	if err != nil {
		t.Fatal(err)
	}
	s := engine(shop()).NewSession(User{})
	n := 0
	for block := range strings.SplitSeq(string(b), "```sql\n") {
		text, _, ok := strings.Cut(block, "```")
		if !ok || !strings.HasPrefix(text, "SELECT") && !strings.HasPrefix(text, "WITH") && !strings.HasPrefix(text, "SHOW") {
			continue
		}
		n++
		if _, _, _, err := ask(s, text); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
	if n < 8 {
		t.Errorf("%d statements", n)
	}
}
