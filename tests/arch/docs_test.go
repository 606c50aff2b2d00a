package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var goFile = regexp.MustCompile("`([\\w./-]+\\.go)`")

// TestArchitecturePage: its tables have each thing once, and the files that it names are
// there. Tables that several people add rows to end up with two generations of them.
func TestArchitecturePage(t *testing.T) {
	root := filepath.Join("..", "..")
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") {
			files = append(files, "/"+filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	section, rows, named := "", map[string]int{}, 0
	for n, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "## ") {
			section = line
		}
		if cells := strings.Split(line, "|"); len(cells) > 2 && cells[0] == "" && !strings.HasPrefix(line, "|--") {
			row := section + "|" + strings.TrimSpace(cells[1])
			if section == "## Goroutines" || section == "## Bounds" {
				if before := rows[row]; before > 0 {
					t.Errorf("line %d: the row %q stands in line %d too", n+1, strings.TrimSpace(cells[1]), before)
				}
				rows[row] = n + 1
			}
		}
		for _, m := range goFile.FindAllStringSubmatch(line, -1) {
			named++
			found := false
			for _, f := range files {
				found = found || strings.HasSuffix(f, "/"+m[1])
			}
			if !found {
				t.Errorf("line %d: there is no file %s", n+1, m[1])
			}
		}
	}
	if len(rows) < 100 || named < 60 {
		t.Errorf("%d rows and %d files, which is not the page", len(rows), named)
	}
}
