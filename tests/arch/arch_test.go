package arch

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func tree(t *testing.T) []Source {
	t.Helper()
	sources, err := Read(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	// The floor keeps the test from passing over an empty folder.
	if len(sources) < 40 {
		t.Fatalf("only %d Go files found", len(sources))
	}
	return sources
}

func TestImportsFollowTheTable(t *testing.T) {
	for _, fault := range CheckImports(tree(t), Rules, Externals) {
		t.Error(fault)
	}
}

func TestPurePackagesArePure(t *testing.T) {
	sources := tree(t)
	for _, fault := range CheckPure(sources, Pure) {
		t.Error(fault)
	}
	for _, name := range Pure {
		if !slices.ContainsFunc(sources, func(s Source) bool { return s.Package == name }) {
			t.Errorf("pure package %s is not in the tree", name)
		}
	}
}

func TestEveryRuleHasAReason(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules {
		if len(r.Why) < 10 {
			t.Errorf("rule for %q has no reason", r.Package)
		}
		if seen[r.Package] {
			t.Errorf("two rules for %q", r.Package)
		}
		seen[r.Package] = true
	}
	for _, e := range Externals {
		if len(e.Why) < 5 {
			t.Errorf("rule for %q has no reason", e.Path)
		}
	}
}

// Each broken file must be found, with the package and the forbidden thing in the
// report; else the tests above prove nothing.
func TestBrokenTreesAreFound(t *testing.T) {
	const module = Module + "/"
	cases := []struct {
		name, file, source string
		want               []string // "" in front: nothing may be found
	}{
		{"upward import", "storage/pack/a.go", `import "` + module + `storage/log"`, []string{"storage/pack may not import storage/log"}},
		{"adapter outside the server", "storage/log/a.go", `import "` + module + `storage/bucket/s3"`, []string{"may not import storage/bucket/s3"}},
		{"insides from a black box", "tests/chaos/a.go", `import "` + module + `storage/log"`, []string{"tests/chaos may not import storage/log"}},
		{"database outside its adapter", "storage/log/a.go", `import _ "modernc.org/sqlite"`, []string{"may not import modernc.org/sqlite"}},
		{"folder nobody decided on", "storage/new/a.go", ``, []string{"has no rule"}},
		{"clock", "storage/pack/a.go", `import clock "time"; var t = clock.Now()`, []string{"uses time.Now"}},
		{"goroutine", "config/a.go", `func f() { go f() }`, []string{"starts a goroutine"}},
		{"randomness", "coordinator/group/a.go", `import "math/rand/v2"; var r = rand.Int()`, []string{"imports math/rand/v2"}},
		{"network", "protocol/record/a.go", `import "net/http"; var c = http.Client{}`, []string{"imports net/http"}},
		{"given time is free", "storage/pack/a.go", `import "time"; const d = time.Second`, nil},
		{"vocabulary is free", "storage/log/a.go", `import "` + module + `protocol"`, nil},
		{"tests may", "storage/pack/a_test.go", `import ("` + module + `storage/log"; "os"; "time"); var t = time.Now(); var f = os.Args`, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			sources, err := Read(fstest.MapFS{c.file: {Data: []byte("package p; " + c.source)}})
			if err != nil {
				t.Fatal(err)
			}
			found := append(CheckImports(sources, Rules, Externals), CheckPure(sources, Pure)...)
			all := strings.Join(found, "\n")
			if len(c.want) == 0 && len(found) > 0 {
				t.Fatalf("found in a sound file: %s", all)
			}
			for _, want := range c.want {
				if !strings.Contains(all, want) {
					t.Errorf("not found: %q in %q", want, all)
				}
			}
		})
	}
}
