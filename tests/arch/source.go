package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the import path that the rules' paths are relative to.
const Module = "github.com/streamhouse/streamhouse"

// Source is one Go file of the tree, under every build constraint.
type Source struct {
	Package string // folder relative to the module, "" for the root
	Name    string // path relative to the module
	File    *ast.File
	Fset    *token.FileSet
}

// Test says whether the file belongs to a test.
func (s Source) Test() bool { return strings.HasSuffix(s.Name, "_test.go") }

// Read parses every Go file of the tree. Folders that the go command ignores are left
// out.
func Read(tree fs.FS) ([]Source, error) {
	var sources []Source
	fset := token.NewFileSet()
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			if name != "." && (base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if dir == "." {
			dir = ""
		}
		sources = append(sources, Source{Package: dir, Name: name, File: file, Fset: fset})
		return nil
	})
	return sources, err
}

// CheckImports reports every import that the tables forbid.
func CheckImports(sources []Source, rules []Rule, externals []External) []string {
	var faults []string
	for _, s := range sources {
		i := slices.IndexFunc(rules, func(r Rule) bool { return matches(r.Package, s.Package) })
		if i < 0 {
			faults = append(faults, fmt.Sprintf("%s: package %q has no rule: decide what it may import", s.Name, s.Package))
			continue
		}
		for _, spec := range s.File.Imports {
			if fault := checkImport(s, importPath(spec), rules[i], externals); fault != "" {
				faults = append(faults, fmt.Sprintf("%s: %s", s.Fset.Position(spec.Pos()), fault))
			}
		}
	}
	return faults
}

func checkImport(s Source, imported string, rule Rule, externals []External) string {
	if inner, ok := strings.CutPrefix(imported, Module+"/"); ok {
		if s.Test() || inner == s.Package || matchesAny(rule.Imports, inner) {
			return ""
		}
		return fmt.Sprintf("%s may not import %s (%s: %s)", s.Package, inner, rule.Package, rule.Why)
	}
	for _, e := range externals {
		if !strings.HasPrefix(imported, e.Path) || matchesAny(e.Allowed, s.Package) || matches("tests/...", s.Package) || s.Package == "" {
			continue
		}
		return fmt.Sprintf("%s may not import %s (%s)", s.Package, imported, e.Why)
	}
	return ""
}

// CheckPure reports what a pure package does that depends on more than its arguments.
func CheckPure(sources []Source, pure []string) []string {
	var faults []string
	for _, s := range sources {
		if s.Test() || !slices.Contains(pure, s.Package) {
			continue
		}
		clock := ""
		for _, spec := range s.File.Imports {
			name := importPath(spec)
			if matchesAny(impureImports, name) && !slices.Contains(pureImports, name) {
				faults = append(faults, fmt.Sprintf("%s: pure package %s imports %s", s.Fset.Position(spec.Pos()), s.Package, name))
			}
			if name == "time" {
				clock = "time"
				if spec.Name != nil {
					clock = spec.Name.Name
				}
			}
		}
		faults = append(faults, impureUses(s, clock)...)
	}
	return faults
}

// impureUses finds goroutines and reads of the clock, whose package goes by the given
// name in this file.
func impureUses(s Source, clock string) []string {
	var faults []string
	ast.Inspect(s.File, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			faults = append(faults, fmt.Sprintf("%s: pure package %s starts a goroutine", s.Fset.Position(n.Pos()), s.Package))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && clock != "" && x.Name == clock && slices.Contains(impureTime, n.Sel.Name) {
				faults = append(faults, fmt.Sprintf("%s: pure package %s uses time.%s", s.Fset.Position(n.Pos()), s.Package, n.Sel.Name))
			}
		}
		return true
	})
	return faults
}

func importPath(spec *ast.ImportSpec) string {
	name, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		panic(err) // the parser has checked it
	}
	return name
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

// matches says whether name is pattern, or below it when the pattern ends in /... .
func matches(pattern, name string) bool {
	prefix, wild := strings.CutSuffix(pattern, "/...")
	return name == prefix || wild && strings.HasPrefix(name, prefix+"/")
}
