package protocol

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the list of APIs in docs/compatibility.md anew")

const (
	apisPage  = "../docs/compatibility.md"
	apisBegin = "<!-- written by go test ./protocol -update -->\n"
	apisEnd   = "<!-- end of what protocol writes -->\n"
)

// TestDocs: the page lists exactly the APIs that are served, with their versions.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile(apisPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), apisBegin)
	was, after, ended := strings.Cut(rest, apisEnd)
	if !found || !ended {
		t.Fatalf("%s has no place for the APIs", apisPage)
	}
	want := apisTable()
	if *update {
		if err := os.WriteFile(apisPage, []byte(before+apisBegin+want+apisEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was != want {
		t.Errorf("%s does not list what is served; run: go test ./protocol -update", apisPage)
	}
}

// apisTable has two APIs in a row, in columns.
func apisTable() string {
	cells := make([]string, 0, len(Served()))
	for _, s := range Served() {
		versions := fmt.Sprintf("%d-%d", s.Min, s.Max)
		if s.Min == s.Max {
			versions = fmt.Sprint(s.Min)
		}
		cells = append(cells, fmt.Sprintf(" %d | %s | %s |", s.Key, s.Name, versions))
	}
	var b strings.Builder
	b.WriteString("| key | API | versions | | key | API | versions |\n|---|---|---|---|---|---|---|\n")
	half := (len(cells) + 1) / 2
	for i := range half {
		right := " | | |"
		if half+i < len(cells) {
			right = cells[half+i]
		}
		fmt.Fprintf(&b, "|%s |%s\n", cells[i], right)
	}
	return b.String()
}
