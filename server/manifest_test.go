package server

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/faults"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
)

var update = flag.Bool("update", false, "write the golden files anew")

var own = manifest{Cluster: "clusterA", Journal: "file", Bucket: "file:bucket"}

func TestFirstStartClaimsThenRestarts(t *testing.T) {
	dir, b := t.TempDir(), mem.New()
	for range 3 {
		if err := own.check(t.Context(), dir, b); err != nil {
			t.Fatal(err)
		}
	}
	if b.Len() != 1 {
		t.Fatalf("%d objects in the bucket", b.Len())
	}
	data, err := bucket.ReadAll(t.Context(), b, manifestKey, manifestBytesMax)
	if err != nil {
		t.Fatal(err)
	}
	m, err := decodeManifest(data)
	if err != nil || m.Cluster != own.Cluster || m.Journal != own.Journal || m.Bucket != "" {
		t.Fatalf("the bucket's manifest: %+v, %v", m, err)
	}
}

// TestFirstStartIsRepeatable stops it after each of its two writes.
func TestFirstStartIsRepeatable(t *testing.T) {
	for _, kind := range []faults.Kind{faults.FailBefore, faults.FailAfter} {
		dir, b := t.TempDir(), faults.New(mem.New(), 1)
		b.Add(faults.Rule{Op: faults.Create, Times: 1, Fault: faults.Fault{Kind: kind}})
		if err := own.check(t.Context(), dir, b); !errors.Is(err, faults.ErrInjected) {
			t.Fatalf("kind %d: %v", kind, err)
		}
		if _, err := os.Stat(filepath.Join(dir, manifestName)); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("the folder was written before the bucket: %v", err)
		}
		if err := own.check(t.Context(), dir, b); err != nil {
			t.Fatalf("kind %d, again: %v", kind, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	fresh := func(t *testing.T) string { return t.TempDir() }
	for name, c := range map[string]struct {
		now    manifest
		before func(*testing.T, string, *mem.Bucket)
		dir    func(*testing.T) string // nil: the one of the first start
		bucket *mem.Bucket             // nil: the one of the first start
		wants  []string
	}{
		"another journal": {now: manifest{Cluster: "clusterA", Journal: "object", Bucket: "file:bucket"},
			wants: []string{"journal.kind is object", "with file"}},
		"another bucket": {now: manifest{Cluster: "clusterA", Journal: "file", Bucket: "s3://b"},
			wants: []string{"bucket.url means s3://b", "file:bucket"}},
		"another store": {now: manifest{Cluster: "clusterB", Journal: "file", Bucket: "file:bucket"},
			wants: []string{"clusterB", "clusterA", "recover"}},
		"everything": {now: manifest{Cluster: "clusterB", Journal: "object", Bucket: "s3://b"},
			wants: []string{"clusterB", "journal.kind", "bucket.url"}},
		"an emptied bucket": {now: own, bucket: mem.New(), wants: []string{"emptied"}},
		"a new folder before another cluster's bucket": {now: manifest{Cluster: "clusterB", Journal: "file", Bucket: "file:bucket"},
			dir: fresh, wants: []string{"clusterA", "clusterB", "recover", "empty bucket"}},
		"a new folder before the bucket of another journal": {now: manifest{Cluster: "clusterA", Journal: "object", Bucket: "file:bucket"},
			dir: fresh, wants: []string{"journal.kind"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, b := t.TempDir(), mem.New()
			if err := own.check(t.Context(), dir, b); err != nil {
				t.Fatal(err)
			}
			if c.dir != nil {
				dir = c.dir(t)
			}
			if c.bucket != nil {
				b = c.bucket
			}
			objects := b.Len()
			err := c.now.check(t.Context(), dir, b)
			if !errors.Is(err, errMismatch) {
				t.Fatalf("got %v", err)
			}
			for _, want := range c.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not mention %q", err, want)
				}
			}
			if b.Len() != objects {
				t.Error("a refused start wrote into the bucket")
			}
		})
	}
}

func TestBucketWithSomebodysObjectsIsNotClaimed(t *testing.T) {
	b := mem.New()
	for _, key := range []string{bucket.ProbePrefix + "left", "segment/1"} {
		if err := b.Create(t.Context(), key, bucket.Bytes(nil)); err != nil {
			t.Fatal(err)
		}
	}
	err := own.check(t.Context(), t.TempDir(), b)
	if !errors.Is(err, errMismatch) || !strings.Contains(err.Error(), "segment/1") || !strings.Contains(err.Error(), "recover") {
		t.Fatalf("got %v", err)
	}
	if err := b.Delete(t.Context(), "segment/1"); err != nil {
		t.Fatal(err)
	}
	if err := own.check(t.Context(), t.TempDir(), b); err != nil {
		t.Fatalf("what a probe left is in the way: %v", err)
	}
}

func TestManifestGolden(t *testing.T) {
	const path = "testdata/manifest.json"
	got, err := own.encode()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	m, err := decodeManifest(want)
	if err != nil || m.Cluster != own.Cluster || m.Journal != own.Journal || m.Bucket != own.Bucket {
		t.Fatalf("golden file reads as %+v, %v", m, err)
	}
}

func TestManifestDecoderIsStrict(t *testing.T) {
	good, err := own.encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(string) string{
		"cut":           func(s string) string { return s[:len(s)/2] },
		"empty":         func(string) string { return "" },
		"more behind":   func(s string) string { return s + "{}" },
		"other cluster": func(s string) string { return strings.Replace(s, "clusterA", "clusterB", 1) },
		"other version": func(s string) string { return strings.Replace(s, `"version": 1`, `"version": 2`, 1) },
		"other format":  func(s string) string { return strings.Replace(s, manifestMagic, "else", 1) },
		"unknown field": func(s string) string { return strings.Replace(s, "{", `{"x":1,`, 1) },
	} {
		if _, err := decodeManifest([]byte(change(string(good)))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzManifest(f *testing.F) {
	good, err := own.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeManifest(b)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if m2, err := decodeManifest(again); err != nil || m2 != m {
			t.Fatalf("%+v becomes %+v, %v", m, m2, err)
		}
	})
}

func TestDamagedManifestIsNotOverwritten(t *testing.T) {
	dir, b := t.TempDir(), mem.New()
	if err := own.check(t.Context(), dir, b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, manifestName)
	if err := os.WriteFile(path, []byte("{}"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := own.check(t.Context(), dir, b); err == nil || !strings.Contains(err.Error(), path) {
		t.Fatalf("got %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "{}" {
		t.Fatalf("the file is now %q, %v", got, err)
	}
}

func TestBucketIdentity(t *testing.T) {
	for url, want := range map[string]string{
		"/data/bucket":                                "file:bucket",
		"/data/a/../b":                                "file:b",
		"/elsewhere":                                  "file:///elsewhere",
		"/data/../other":                              "file:///other",
		"s3://b/p?region=x&path_style=true":           "s3://b/p",
		"s3://b?endpoint=http://h:1&region=x":         "s3://b?endpoint=http%3A%2F%2Fh%3A1",
		"s3://b?endpoint=http://h:1&path_style=false": "s3://b?endpoint=http%3A%2F%2Fh%3A1",
	} {
		l, err := bucket.ParseLocation(url)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := bucketIdentity("/data", l); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", url, got, err, want)
		}
	}
}
