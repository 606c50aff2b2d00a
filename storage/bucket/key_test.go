package bucket

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckKey(t *testing.T) {
	good := []string{"a", "a/b", "A-Z_0.9/x..y", strings.Repeat("k", partBytesMax), "a/" + strings.Repeat("b/", 200) + "c"}
	for _, key := range good {
		if err := CheckKey(key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	bad := []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", ".tmp/x", "a/.b", "a b", "a\\b", "a\x00b",
		"ü", "a:b", strings.Repeat("k", partBytesMax+1), strings.Repeat("a/", 256) + "b",
	}
	for _, key := range bad {
		if err := CheckKey(key); !errors.Is(err, ErrKey) {
			t.Errorf("%q: got %v", key, err)
		}
	}
}

func TestCheckPrefix(t *testing.T) {
	for _, prefix := range []string{"", "a", "a/", "a/b", "journal/00"} {
		if err := CheckPrefix(prefix); err != nil {
			t.Errorf("%q: %v", prefix, err)
		}
	}
	for _, prefix := range []string{"/", "../", "a//", "a/../", "a/."} {
		if err := CheckPrefix(prefix); !errors.Is(err, ErrKey) {
			t.Errorf("%q: got %v", prefix, err)
		}
	}
}

func FuzzCheckKeyStaysInside(f *testing.F) {
	f.Add("a/../b")
	f.Add("a/b.c")
	f.Fuzz(func(t *testing.T, key string) {
		if CheckKey(key) != nil {
			return
		}
		path := filepath.Join("/root", filepath.FromSlash(key))
		if path != "/root/"+key {
			t.Fatalf("%q becomes %q", key, path)
		}
	})
}
