package file

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// TestLostFolder: a bucket whose folder is gone, or is something else, knows nothing of its
// objects. It may not say that they do not exist, or that it deleted them.
func TestLostFolder(t *testing.T) {
	for name, put := range map[string]func(root string) error{
		"gone":   func(string) error { return nil },
		"a file": func(root string) error { return os.WriteFile(root, nil, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			root, ctx := filepath.Join(t.TempDir(), "bucket"), t.Context()
			b, err := Open(root)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Create(ctx, "segment/1", bucket.Bytes([]byte("kept"))); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(root, root+".away"); err != nil {
				t.Fatal(err)
			}
			if err := put(root); err != nil {
				t.Fatal(err)
			}
			_, get := b.Get(ctx, "segment/1", 0, -1)
			_, stat := b.Stat(ctx, "segment/1")
			for act, err := range map[string]error{
				"get": get, "stat": stat, "delete": b.Delete(ctx, "segment/1"),
				"list": b.List(ctx, "segment/", "", func(bucket.Info) error { return nil }),
			} {
				if !errors.Is(err, bucket.ErrRefused) || errors.Is(err, bucket.ErrNotFound) {
					t.Errorf("%s: %v, want %v", act, err, bucket.ErrRefused)
				}
			}
		})
	}
}
