package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/metadata/metadatatest"
	"github.com/streamhouse/streamhouse/metadata/sqlite"
)

func TestSuite(t *testing.T) {
	metadatatest.Run(t, func(t *testing.T) *metadatatest.Harness {
		now := time.UnixMilli(1700000000000)
		o := sqlite.Options{
			Path: filepath.Join(t.TempDir(), "meta data ü?#%.db"), // characters that a URL would eat
			Now:  func() time.Time { return now },
		}
		current := open(t, o)
		return &metadatatest.Harness{
			Store:   current,
			Advance: func(d time.Duration) { now = now.Add(d) },
			Reopen: func(t *testing.T) metadata.Store {
				t.Helper()
				if err := current.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := current.Close(); err != nil {
					t.Fatal(err)
				}
				current = open(t, o)
				return current
			},
		}
	})
}

func open(t *testing.T, o sqlite.Options) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) // closing twice is allowed
	return s
}
