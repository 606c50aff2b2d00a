package clients

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var docs = flag.Bool("docs", false, "write the table of clients into docs/compatibility.md")

// page is where users find the clients, between two marks.
const (
	page  = "../../docs/compatibility.md"
	begin = "<!-- written by go test ./tests/clients -docs -->\n"
	end   = "<!-- end of what tests/clients writes -->\n"
)

// TestPage holds the page's table against the clients that the tests run.
func TestPage(t *testing.T) {
	var table strings.Builder
	table.WriteString("| client | version | codecs | cases | has nothing for | runs |\n|---|---|---|---|---|---|\n")
	for _, c := range clients {
		when := "every test"
		if c.slow {
			when = "acceptance"
		}
		var lacks []string
		for _, name := range slices.Sorted(maps.Keys(c.lacks)) {
			lacks = append(lacks, fmt.Sprintf("%s (%s)", name, c.lacks[name]))
		}
		fmt.Fprintf(&table, "| %s | %s | %s | story, %d of %d demands | %s | %s |\n", c.title, c.version, strings.Join(c.codecs, ", "),
			len(demanded)-len(lacks), len(demanded), strings.Join(lacks, "; "), when)
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(got), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place between %q and %q", page, begin, end)
	}
	if old == table.String() {
		return
	}
	if !*docs {
		t.Fatalf("%s has another table of clients than the tests; go test ./tests/clients -run TestPage -docs writes it", page)
	}
	if err := os.WriteFile(page, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
