package compat

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	monitorsBegin = "<!-- made by: go test ./tests/compat -run TestMonitors -update -->\n"
	monitorsEnd   = "<!-- end of monitors -->\n"
)

// TestMonitors holds the list of monitors and UIs in the documentation to the requests
// that are replayed of each.
func TestMonitors(t *testing.T) {
	now, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, begun := strings.Cut(string(now), monitorsBegin)
	_, tail, ended := strings.Cut(rest, monitorsEnd)
	if !begun || !ended {
		t.Fatalf("%s has no place for the list of monitors", page)
	}
	want := []byte(head + monitorsBegin + monitorTable(t) + monitorsEnd + tail)
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(now, want) {
		t.Errorf("%s does not list the monitors as they are replayed; run: go test ./tests/compat -run TestMonitors -update", page)
	}
}

// monitorTable is a row per tool.
func monitorTable(t *testing.T) string {
	var out strings.Builder
	out.WriteString("| tool | source read | its client | requests | that differ |\n|---|---|---|---|---|\n")
	for _, m := range []tool{kminion, exporter, burrow, console, kafbat, akhq, cruise} {
		asked, differ := 0, make(map[string]bool)
		for _, s := range suites {
			for i := range s.cases {
				if strings.HasPrefix(s.cases[i].name, m.name+": ") {
					asked++
				}
			}
		}
		for _, k := range allKnown() {
			if strings.HasPrefix(k.name, m.name+": ") {
				differ[k.suite+"/"+k.name] = true
			}
		}
		if asked == 0 {
			t.Errorf("nothing is replayed of %s", m.name)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %d | %d |\n", m.name, m.source, m.client, asked, len(differ))
	}
	return out.String()
}
