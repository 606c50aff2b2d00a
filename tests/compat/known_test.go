package compat

import (
	"slices"
	"strings"
	"testing"
)

// A known difference is one field of the answers to one case, over a run of versions,
// with what this broker says there and why. Anything else that changes in that case, and
// the field itself when it changes again, is a failure; so is an entry that does not
// occur any more.
type known struct {
	suite, name, versions, path string
	here                        string
	why                         string
}

// match removes the known differences from found. unused are the entries of the suite
// that did not occur, among the cases that ran.
func match(suite string, found []difference, ran func(name string) bool) (unknown []difference, unused []known, matched int) {
	used := make(map[int]bool)
	for _, d := range found {
		at := -1
		for i, k := range allKnown() {
			if k.suite == d.suite && k.name == d.name && k.versions == d.versions && k.path == d.path && k.here == d.here {
				at = i
			}
		}
		if at < 0 {
			unknown = append(unknown, d)
			continue
		}
		used[at] = true
		matched++
	}
	for i, k := range allKnown() {
		if k.suite == suite && ran(k.name) && !used[i] {
			unused = append(unused, k)
		}
	}
	return unknown, unused, matched
}

func allKnown() []known {
	return slices.Concat(knownDifferences, knownInAdmin, knownInTransactions, knownInShapes)
}

// Each entry has a reason, and none is there twice.
func TestKnown(t *testing.T) {
	seen := make(map[string]bool)
	for _, k := range allKnown() {
		id := strings.Join([]string{k.suite, k.name, k.versions, k.path, k.here}, "/")
		if seen[id] {
			t.Errorf("twice: %s", id)
		}
		seen[id] = true
		if strings.TrimSpace(k.why) == "" {
			t.Errorf("no reason: %s", id)
		}
		if _, _, err := parseSpan(k.versions); err != nil {
			t.Errorf("%s: versions: %v", id, err)
		}
	}
}
