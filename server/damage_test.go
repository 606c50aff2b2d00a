package server

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// A partition of which nothing that is stored checks is named by readiness, which stays
// ready, and all others are served.
func TestDamagedPartitionIsNamed(t *testing.T) {
	dir := t.TempDir()
	for _, topic := range []string{"ill", "well"} { // a segment each
		l := begin(t, Seams{}, dir, nil).serving()
		l.stored(topic)
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
	}
	l := begin(t, Seams{}, dir, nil).serving()
	l.says(200, "ready\n")
	id := pack.PartitionID{Topic: l.catalog.ByName("ill").ID}
	_, row, err := l.stores.meta.Partition(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	seg, err := l.stores.meta.Segment(t.Context(), row.Block)
	if err != nil {
		t.Fatal(err)
	}
	turnOver(t, dir, seg.Key, row.BlockPos+row.BlockLen/2, seg.Bytes-10)
	for range 2 {
		if _, err := l.load("ill"); !errors.Is(err, protocol.KafkaStorageError) {
			t.Fatal(err)
		}
	}
	l.says(200, "log: partition ill-0 is damaged")
	if n := l.logs.FilterMessageSnippet("partition is damaged").Len(); n != 1 {
		t.Errorf("%d lines name it", n)
	}
	if at := l.stored("well"); at != 1 {
		t.Errorf("offset %d", at)
	}
	turnOver(t, dir, seg.Key, row.BlockPos+row.BlockLen/2, seg.Bytes-10)
	if at := l.stored("ill"); at != 1 {
		t.Errorf("repaired: offset %d", at)
	}
	if _, body := l.readiness(); body != "ready\n" {
		t.Errorf("readiness says %q", body)
	}
}

// turnOver turns over a bit at each place of an object in a data folder's bucket.
func turnOver(t *testing.T, dir, key string, at ...int64) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(filepath.ToSlash(path), key) {
			return err
		}
		found++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, pos := range at {
			b[pos] ^= 1
		}
		return os.WriteFile(path, b, 0o644)
	})
	if err != nil || found != 1 {
		t.Fatalf("%d files are %s: %v", found, key, err)
	}
}
