package sqlite

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestPlans: what runs often, or over all sealed data, searches an index.
func TestPlans(t *testing.T) {
	s, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "meta.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for query, want := range map[string]string{
		queryGarbage:       "segments_garbage",
		queryIntents:       "INDEX",
		querySlices:        "PRIMARY KEY (topic=? AND part=?)",
		querySealed:        "PRIMARY KEY (topic=? AND part=?)",
		querySegment:       "INTEGER PRIMARY KEY",
		queryLogStart:      "PRIMARY KEY (topic=? AND part=?)",
		queryBefore:        "PRIMARY KEY (topic=? AND part=? AND base<?)",
		queryBelow:         "PRIMARY KEY (topic=? AND part=? AND base<?)",
		queryReplace:       "PRIMARY KEY (topic=? AND part=? AND base>? AND base<?)",
		queryTopicSegments: "PRIMARY KEY (topic=?)",
		queryTopicBlocks:   "SEARCH states USING PRIMARY KEY (topic=?)",
		queryLying:         "slices_segment (segment=?)",
		querySparse:        "SCAN segments",
		queryVolumes:       "PRIMARY KEY",
		queryOldest:        "SEARCH slices USING PRIMARY KEY ((topic,part)>(?,?))",
		queryHolding:       "MATERIALIZE blocks",
		queryStranded:      "SEARCH segments USING INTEGER PRIMARY KEY",
		queryAlone:         "SEARCH slices USING PRIMARY KEY (topic=?)",
	} {
		var plan []string
		args := make([]any, strings.Count(query, "?"))
		err := s.rows(t.Context(), s.read, "EXPLAIN QUERY PLAN "+query, args, func(scan func(...any) error) error {
			var id, parent, unused int
			var detail string
			err := scan(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		text := strings.Join(plan, "; ")
		if !strings.Contains(text, want) {
			t.Errorf("%s:\n  %s", query, text)
		}
		states := strings.Contains(text, "SCAN states") && !strings.HasPrefix(query, "WITH blocks") // Usage reads all of those
		if strings.Contains(text, "SCAN slices") || states {
			t.Errorf("%s reads a whole table:\n  %s", query, text)
		}
	}
}
