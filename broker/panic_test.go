package broker

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSharedFrame(t *testing.T) {
	in := func(names ...string) []string {
		out := []string{"runtime.gopanic"}
		for _, n := range names {
			out = append(out, modulePath+n)
		}
		return append(out, modulePath+"broker.(*conn).read", modulePath+"broker.(*conn).run")
	}
	for want, stack := range map[string][]string{
		"storage/log.(*Appender).Append":          in("storage/log.(*Appender).Append", "broker/api/produce.(*Stream).Serve"),
		"coordinator/shards.(*Host[...]).Shard":   in("protocol.Name", "coordinator/shards.(*Host[...]).Shard"),
		"broker/wire.(*Account).give":             in("broker/wire.(*Account).give", "broker/wire.(*Account).Give"),
		"broker/api/fetch.(*Sessions).step.func1": in("broker/api/fetch.(*Sessions).step.func1"),
		"registry.New":                            in("registry.New"), // a package that nobody has told about
	} {
		if got := sharedFrame(stack); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, name := range []string{
		"protocol/record.Validate", "config.(*Broker).def", "broker/wire.(*Input).Take", "broker/wire.(*Budgeted).x",
		"broker/api/fetch.(*Handlers).Fetch", "broker_test.TestPanic.func1.1",
	} {
		if got := sharedFrame(in(name)); got != "" {
			t.Errorf("%s: %q is taken for shared", name, got)
		}
	}
	if got := sharedFrame(callers()); got != "" || !slices.ContainsFunc(callers(), func(f string) bool { return strings.HasSuffix(f, "broker.TestSharedFrame") }) {
		t.Errorf("here: %q of %v", got, callers())
	}
}

// A type with a mutex in a private folder is shared by somebody, or it would have none:
// whoever adds one says so. And what is named is there.
func TestEveryLockIsKnown(t *testing.T) {
	named := make(map[string]bool) // folder.type: it is there
	for folder, types := range shared {
		for _, name := range types {
			named[folder+"."+name] = false
		}
	}
	for _, root := range private {
		err := filepath.WalkDir(filepath.Join("..", root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "apitest") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			folder := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), "../"))
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				name := folder + "." + spec.Name.Name
				if _, is := named[name]; is {
					named[name] = true
				} else if hasMutex(spec.Type) {
					t.Errorf("%s has a mutex and is not in the list of what connections share", name)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, there := range named {
		if !there {
			t.Errorf("%s is in the list of what connections share, and not in the code", name)
		}
	}
}

func hasMutex(t ast.Expr) bool {
	found := false
	ast.Inspect(t, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "Mutex" || s.Sel.Name == "RWMutex") {
			found = true
		}
		return !found
	})
	return found
}
