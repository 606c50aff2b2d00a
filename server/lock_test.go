package server

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestDataFolderIsForOne(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	first, err := lockDataFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	_, err = lockDataFolder(dir)
	if !errors.Is(err, errInUse) {
		t.Fatalf("a second holder: %v", err)
	}
	for _, want := range []string{dir, "process " + strconv.Itoa(os.Getpid()), host, "since 20"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := lockDataFolder(dir)
	if err != nil {
		t.Fatalf("after the first has gone: %v", err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHolderThatHasNotSigned(t *testing.T) {
	dir := t.TempDir()
	d, err := lockDataFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, content := range []string{"", "{", `{"pid":0}`} {
		if err := os.WriteFile(filepath.Join(dir, lockName), []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		if _, err := lockDataFolder(dir); !errors.Is(err, errInUse) || !strings.Contains(err.Error(), "another process") {
			t.Errorf("lock file %q: %v", content, err)
		}
	}
}
