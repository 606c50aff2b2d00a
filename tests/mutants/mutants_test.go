// Package mutants shows that the model tests of key compaction see what they are for: each
// rule is broken in turn, and its test must fail. The tree has no switch for that: a test
// binary is built from a copy of the rule's file in which the switch is.
package mutants

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mutant is a rule that is broken. In its file, text is replaced by broken, in which mutant
// is the name of the mutant that is to act.
type mutant struct{ name, file, text, broken string }

// suite is a package with the tests that have to see its mutants.
type suite struct {
	dir, test string // test: a pattern
	mutants   []mutant
}

var suites = []suite{
	{"storage/compact", "TestFilterAgainstAModel", []mutant{
		{"older record kept", "filter.go", `return !f.rules.Superseded(r.Key, r.Offset)`, `return mutant == "older record kept" || !f.rules.Superseded(r.Key, r.Offset)`},
		{"marker before its data", "filter.go", `	case met:`, `	case met && mutant != "marker before its data":`},
		{"tombstone early", "filter.go", `passed := has && horizon <= f.rules.Now`, `passed := mutant == "tombstone early" || has && horizon <= f.rules.Now`},
		{"tombstone for ever", "filter.go", `has && horizon <= f.rules.Now`, `mutant != "tombstone for ever" && has && horizon <= f.rules.Now`},
		{"tail gap", "filter.go", `if h.BaseOffset <= f.rules.Last &&`, `if mutant != "tail gap" && h.BaseOffset <= f.rules.Last &&`},
		{"sequence lost", "filter.go", `return has && h.ProducerID >= 0 &&`, `return mutant != "sequence lost" && has && h.ProducerID >= 0 &&`},
		{"epoch lost", "filter.go", `	case f.stays(h):`, `	case f.stays(h) && mutant != "epoch lost":`},
		{"aborted record kept", "aborted.go", `return open && h.BaseOffset < x.LastOffset`, `return mutant != "aborted record kept" && open && h.BaseOffset < x.LastOffset`},
		{"a class of keys forgotten", "latest.go", `l.left = append(l.left, other)`, `if mutant != "a class of keys forgotten" {
			l.left = append(l.left, other)
		}`},
		{"empty key taken for none", "filter.go", `	if r.Key == nil {`, `	if r.Key == nil || mutant == "empty key taken for none" && len(r.Key) == 0 {`},
	}},
	{"storage/upkeep", "TestCompactionAgainstAModel|TestCompactionGroupsAscend", []mutant{
		{"end above the stable offset", "clean.go", `if s.LastOffset >= stable ||`, `if mutant != "end above the stable offset" && s.LastOffset >= stable ||`},
		{"groups reversed", "clean_run.go", `w.slice(ctx, c, i, &j.topic)`, `func() error {
			if mutant != "groups reversed" {
				return w.slice(ctx, c, i, &j.topic)
			}
			if err := w.slice(ctx, c, len(c.slices)-1-i, &j.topic); err != nil {
				return err
			}
			return w.finish(ctx)
		}()`},
	}},
}

// variable names the mutant to a test binary.
const variable = "STREAMHOUSE_TEST_MUTANT"

func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("builds test binaries; the long run does")
	}
	root := filepath.Join("..", "..")
	for _, s := range suites {
		t.Run(s.dir, func(t *testing.T) {
			t.Parallel()
			binary := s.build(t, root)
			if out, err := s.run(t, root, binary, ""); err != nil {
				t.Fatalf("fails without a mutant: %v\n%s", err, out)
			}
			for _, m := range s.mutants {
				if out, err := s.run(t, root, binary, m.name); err == nil || !strings.Contains(out, "--- FAIL: ") {
					t.Errorf("%s was not seen: %v\n%s", m.name, err, out)
				}
			}
		})
	}
}

// build makes a test binary that has all mutants of a suite, asleep.
func (s *suite) build(t *testing.T, root string) string {
	t.Helper()
	work := t.TempDir()
	pkg := filepath.Base(s.dir)
	files := map[string]string{"zz_mutant.go": "package " + pkg + "\n\nimport \"os\"\n\nvar mutant = os.Getenv(\"" + variable + "\")\n"}
	for _, m := range s.mutants {
		text, has := files[m.file]
		if !has {
			raw, err := os.ReadFile(filepath.Join(root, s.dir, m.file))
			if err != nil {
				t.Fatal(err)
			}
			text = string(raw)
		}
		if strings.Count(text, m.text) != 1 {
			t.Fatalf("%s: %q is there %d times in %s: the rule was rewritten, and so must be its mutant", m.name, m.text, strings.Count(text, m.text), m.file)
		}
		files[m.file] = strings.Replace(text, m.text, m.broken, 1)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name, text := range files {
		from, err := filepath.Abs(filepath.Join(root, s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(work, name)
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[from] = to
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	path, binary := filepath.Join(work, "overlay.json"), filepath.Join(work, "mutants.test")
	if err := os.WriteFile(path, list, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", path, "-o", binary, "./"+s.dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// run runs the suite's test with a mutant, or none.
func (s *suite) run(t *testing.T, root, binary, name string) (string, error) {
	cmd := exec.CommandContext(t.Context(), binary, "-test.run", "^("+s.test+")$", "-test.short", "-test.failfast", "-test.timeout", time.Minute.String())
	cmd.Dir = filepath.Join(root, s.dir)
	cmd.Env = append(os.Environ(), variable+"="+name)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
