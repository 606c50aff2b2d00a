package file

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// TestFileSystemThatCountsNoLinks: where every file seems to have one name, none is emptied
// that may have another, and none is adopted.
func TestFileSystemThatCountsNoLinks(t *testing.T) {
	root, ctx := t.TempDir(), context.Background()
	one := func(os.FileInfo) uint64 { return 1 }
	b, err := openWith(root, one)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, shrinkStep+1000)
	for _, key := range []string{"kept", "deleted"} {
		if err := b.Create(ctx, key, bucket.Bytes(data)); err != nil {
			t.Fatal(err)
		}
	}
	mine := filepath.Join(t.TempDir(), "volume")
	if err := os.Link(filepath.Join(root, "deleted"), mine); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(ctx, "deleted"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(mine); err != nil || info.Size() != int64(len(data)) {
		t.Errorf("a file with another name was emptied: %v, %v", info, err)
	}
	if err := b.Adopt(ctx, "adopted", mine); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("adopt: %v", err)
	}
	// A process that was killed between its link and the end of its temporary name.
	left := filepath.Join(root, tempFolder, "killed")
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(root, "kept"), filepath.Join(left, "1")); err != nil {
		t.Fatal(err)
	}
	again, err := openWith(root, one)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := bucket.ReadAll(ctx, again, "kept", 1<<30); err != nil || !bytes.Equal(got, data) {
		t.Errorf("an object was emptied by what a killed process left: %d bytes, %v", len(got), err)
	}
	if err := errors.Join(b.Close(), again.Close()); err != nil {
		t.Error(err)
	}
}

// TestFreshFileSystem: lost+found is nobody's object, and only root may look into it.
func TestFreshFileSystem(t *testing.T) {
	root, ctx := t.TempDir(), context.Background()
	lost := filepath.Join(root, "lost+found")
	if err := os.Mkdir(lost, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(lost, "12"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(lost, 0); err != nil { // of no use against root, who finds the file
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(lost, 0o700) })
	b, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, prefix := range []string{"", "lost"} {
		if err := b.List(ctx, prefix, "", func(i bucket.Info) error { return errors.New(i.Key) }); err != nil {
			t.Errorf("list %q: %v", prefix, err)
		}
	}
}
