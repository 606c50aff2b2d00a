package compat

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// errorCodes lists, for every API that is advertised, each error code that Kafka can
// answer with, and where that is produced here: by a case of this package (suite/case),
// by a Go test of another one (go, its folder, its name), or by nothing, with the reason
// behind a dash. UNKNOWN_SERVER_ERROR is nobody's intent and not listed, as are codes
// that an old Kafka gave and 4.4 does not.
var errorCodes = union(dataCodes, topicCodes, groupCodes, transactionCodes, configCodes, clusterCodes)

func union(tables ...map[int16]map[int16]string) map[int16]map[int16]string {
	all := make(map[int16]map[int16]string)
	for _, table := range tables {
		for key, codes := range table {
			if all[key] != nil {
				panic(fmt.Sprintf("two tables for key %d", key))
			}
			all[key] = codes
		}
	}
	return all
}

// Reasons why a code cannot occur. They begin with a dash, which names of cases do not.
const (
	oneBroker  = "- one broker leads and coordinates everything"
	noSecurity = "- there is no authorizer"
	noQuotas   = "- there are no quotas"
	noPolicies = "- there are no policies"
	noTiers    = "- there are no tiers"
)

func note(into map[int16]map[int16]map[string]bool, key, code int16, name string) {
	if into[key] == nil {
		into[key] = make(map[int16]map[string]bool)
	}
	if into[key][code] == nil {
		into[key][code] = make(map[string]bool)
	}
	into[key][code][name] = true
}

// checkCodes holds the table to what a whole run produced: each case that it names gave
// the code, and no code came that it does not have or calls impossible. It has every code
// that Kafka was recorded to give, too.
func checkCodes(t *testing.T, produced, recorded map[int16]map[int16]map[string]bool) {
	for key, table := range errorCodes {
		api := kmsg.NameForKey(key)
		for code, origin := range table {
			impossible := strings.HasPrefix(origin, "-")
			_, _, outside := goOrigin(origin)
			switch cases := produced[key][code]; {
			case impossible && len(cases) > 0:
				t.Errorf("%s: %d is called impossible (%s), and was produced by %v", api, code, origin, slices.Sorted(maps.Keys(cases)))
			case !impossible && !outside && !cases[origin]:
				t.Errorf("%s: %s did not produce %d; these did: %v", api, origin, code, slices.Sorted(maps.Keys(cases)))
			}
		}
		for code, cases := range produced[key] {
			if _, ok := table[code]; !ok && code != 0 {
				t.Errorf("%s: %d is not in the table, and was produced by %v", api, code, slices.Sorted(maps.Keys(cases)))
			}
		}
		for code, cases := range recorded[key] {
			if _, ok := table[code]; !ok && code > 0 {
				t.Errorf("%s: %d is not in the table, and Kafka gives it to %v", api, code, slices.Sorted(maps.Keys(cases)))
			}
		}
	}
}

// TestEveryAPIHasItsCodes: an API that is advertised is in the table, and nothing else.
func TestEveryAPIHasItsCodes(t *testing.T) {
	for _, s := range protocol.Served() {
		if errorCodes[s.Key] == nil {
			t.Errorf("%s (%d) has no table of error codes", s.Name, s.Key)
		}
	}
	for key, table := range errorCodes {
		if s := protocol.Lookup(key); s == nil || !s.Served {
			t.Errorf("key %d has a table, and is not served", key)
		}
		for code, origin := range table {
			if origin == "" || !strings.Contains(origin, "/") && !strings.HasPrefix(origin, "- ") && !strings.HasPrefix(origin, "go ") {
				t.Errorf("key %d: code %d: %q is neither a case nor a test nor a reason", key, code, origin)
			}
		}
	}
}

// TestCodesOfOtherTests: each test of another package that the table relies on exists,
// and speaks of the code.
func TestCodesOfOtherTests(t *testing.T) {
	names := codeNames(t)
	seen := 0
	for key, table := range errorCodes {
		for code, origin := range table {
			folder, test, ok := goOrigin(origin)
			if !ok {
				continue
			}
			seen++
			if err := speaksOf(folder, test, code, names); err != nil {
				t.Errorf("%s: %d: %v", kmsg.NameForKey(key), code, err)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d codes come from other tests: the table is not read", seen)
	}
	for _, broken := range []string{"go coordinator TestNothing", "go nowhere TestStop", "go coordinator TestFetch"} {
		folder, test, _ := goOrigin(broken)
		if speaksOf(folder, test, 14, names) == nil {
			t.Errorf("%s passes for a test of code 14", broken)
		}
	}
}

// goOrigin takes apart "go folder TestName".
func goOrigin(origin string) (folder, test string, ok bool) {
	fields := strings.Fields(origin)
	if len(fields) != 3 || fields[0] != "go" {
		return "", "", false
	}
	return fields[1], fields[2], true
}

// codeNames are the Go names of error codes, as protocol declares them.
func codeNames(t *testing.T) map[int16]string {
	file, err := parser.ParseFile(token.NewFileSet(), "../../protocol/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[int16]string)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
			if code, err := strconv.ParseInt(literal.Value, 10, 16); err == nil {
				names[int16(code)] = spec.Names[0].Name
			}
		}
		return true
	})
	if len(names) < 100 {
		t.Fatalf("%d names of codes were found", len(names))
	}
	return names
}

// speaksOf says whether the test of a folder names the code, by its Go name or, in a
// table, by its number.
func speaksOf(folder, test string, code int16, names map[int16]string) error {
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no tests in %s (%v)", folder, err)
	}
	number := regexp.MustCompile(fmt.Sprintf(`\b%d\b`, code))
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || f.Name.Name != test {
				continue
			}
			found := false
			ast.Inspect(f.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.Ident:
					found = found || n.Name == names[code]
				case *ast.BasicLit:
					found = found || number.MatchString(n.Value)
				}
				return !found
			})
			if !found {
				return fmt.Errorf("%s: %s does not speak of %s", path, test, names[code])
			}
			return nil
		}
	}
	return fmt.Errorf("no %s in %s", test, folder)
}
