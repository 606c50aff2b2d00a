package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/buckettest"
)

func open(t *testing.T, root string) *Bucket {
	t.Helper()
	b, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	return b
}

func TestConformance(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "not", "there", "yet"))
	buckettest.Run(t, buckettest.Options{}, func(*testing.T) bucket.Bucket { return b })
}

// TestConformanceShared runs the suite in a folder that another process has open,
// where objects are synced before they are believed.
func TestConformanceShared(t *testing.T) {
	root := t.TempDir()
	open(t, root)
	b := open(t, root)
	if !b.shared {
		t.Fatal("the other instance was not noticed")
	}
	buckettest.Run(t, buckettest.Options{ListCount: 50}, func(*testing.T) bucket.Bucket { return b })
}

func TestLeftoversOfAKilledProcessAreRemoved(t *testing.T) {
	root := t.TempDir()
	dead, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dead.writeTemp(t.Context(), bucket.Bytes([]byte("half done"))); err != nil {
		t.Fatal(err)
	}
	alive := open(t, root)
	temp, err := alive.writeTemp(t.Context(), bucket.Bytes([]byte("under way")))
	if err != nil {
		t.Fatal(err)
	}
	dead.inst.lock.Close() // what the kernel does for a process that dies
	third := open(t, root)
	if _, err := os.Stat(dead.inst.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("leftovers are still there: %v", err)
	}
	if _, err := os.Stat(temp); err != nil {
		t.Errorf("a living process lost its file: %v", err)
	}
	if !third.shared {
		t.Error("the living process was not noticed")
	}
	if err := alive.link(temp, "k"); err != nil {
		t.Error(err)
	}
}

func TestNoTemporaryFilesRemain(t *testing.T) {
	b := open(t, t.TempDir())
	ctx := t.Context()
	_ = b.Create(ctx, "a", bucket.Bytes([]byte("a")))
	_ = b.Create(ctx, "a", bucket.Bytes([]byte("b")))
	_ = b.Create(ctx, "c", bucket.Body{Size: 9, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("few")), nil
	}})
	_ = b.Delete(ctx, "a")
	entries, err := os.ReadDir(b.inst.dir)
	if err != nil || len(entries) != 0 {
		t.Fatalf("left: %v, %v", entries, err)
	}
}

func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	b := open(t, filepath.Join(dir, "bucket"))
	source := filepath.Join(dir, "volume")
	if err := os.WriteFile(source, []byte("volume"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for range 2 { // the second time it is there already
		if err := bucket.Adopt(ctx, b, "segments/1", source); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("volume"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.Adopt(ctx, "segments/1", other); !errors.Is(err, bucket.ErrExists) {
		t.Errorf("another file with the same bytes: %v", err)
	}
	if err := b.Adopt(ctx, "../x", source); !errors.Is(err, bucket.ErrKey) {
		t.Errorf("bad key: %v", err)
	}
	if err := b.Adopt(ctx, "segments/2", filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing source: %v", err)
	}
	// The journal lets go of its name; the object stays.
	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	got, err := bucket.ReadAll(ctx, b, "segments/1", 100)
	if err != nil || string(got) != "volume" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAdoptWhereNoLinkIsPossible(t *testing.T) {
	for _, no := range []syscall.Errno{syscall.EXDEV, syscall.EPERM, syscall.EMLINK, syscall.ENOTSUP} {
		if !noLink(&os.LinkError{Op: "link", Err: no}) {
			t.Errorf("%v would not make the caller copy", no)
		}
	}
	if noLink(&os.LinkError{Op: "link", Err: syscall.EIO}) || noLink(nil) {
		t.Error("other errors must not be taken for an answer")
	}
	if err := bucket.Adopt(t.Context(), struct{ bucket.Bucket }{}, "k", "p"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a bucket that is no adopter: %v", err)
	}
}

// TestAdoptAcrossFileSystems needs a second file system; /dev/shm is one on Linux.
func TestAdoptAcrossFileSystems(t *testing.T) {
	other, err := os.MkdirTemp("/dev/shm", "bucket")
	if err != nil {
		t.Skipf("no second file system on this machine: %v", err)
	}
	defer os.RemoveAll(other)
	source := filepath.Join(other, "volume")
	if err := os.WriteFile(source, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	b := open(t, t.TempDir())
	if err := b.Adopt(t.Context(), "k", source); !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("got %v", err)
	}
	if _, err := b.Stat(t.Context(), "k"); !errors.Is(err, bucket.ErrNotFound) {
		t.Fatalf("something appeared: %v", err)
	}
}

func TestFullDiskIsNamed(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no /dev/full on this system: %v", err)
	}
	defer full.Close()
	err = mapWriteError(fill(t.Context(), full, bucket.Bytes(make([]byte, 100))))
	if !errors.Is(err, bucket.ErrNoRoom) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v", err)
	}
	if err := mapWriteError(&os.PathError{Err: syscall.EDQUOT}); !errors.Is(err, bucket.ErrNoRoom) {
		t.Fatalf("quota: got %v", err)
	}
}

func TestCreateStopsInTheMiddle(t *testing.T) {
	b := open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	body := bucket.Body{Size: 3 * copyStep, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(&cancelAfter{n: copyStep, cancel: cancel}), nil
	}}
	if err := b.Create(ctx, "k", body); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

// cancelAfter yields zeros and cancels once n of them were read.
type cancelAfter struct {
	n      int
	cancel func()
}

func (c *cancelAfter) Read(p []byte) (int, error) {
	clear(p)
	if c.n -= len(p); c.n <= 0 {
		c.cancel()
	}
	return len(p), nil
}

func TestDeleteShrinksUnlessLinked(t *testing.T) {
	dir := t.TempDir()
	b := open(t, filepath.Join(dir, "bucket"))
	ctx := t.Context()
	large := func(name string) string {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(3*shrinkStep + 1); err != nil { // sparse
			t.Fatal(err)
		}
		return path
	}
	size := func(f *os.File) int64 {
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return st.Size()
	}
	for _, c := range []struct {
		name   string
		linked bool
		want   int64
	}{{"alone", false, 1}, {"linked", true, 3*shrinkStep + 1}} {
		source := large(c.name)
		if err := b.Adopt(ctx, c.name, source); err != nil {
			t.Fatal(err)
		}
		if !c.linked {
			if err := os.Remove(source); err != nil {
				t.Fatal(err)
			}
		}
		f, err := bucket.OpenFile(b, c.name)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Delete(ctx, c.name); err != nil {
			t.Fatal(err)
		}
		if got := size(f); got != c.want {
			t.Errorf("%s: %d bytes are left in the file, want %d", c.name, got, c.want)
		}
		f.Close()
	}
}

func TestReaderOfAShrunkObjectFails(t *testing.T) {
	b := open(t, t.TempDir())
	ctx := t.Context()
	if err := b.Create(ctx, "k", bucket.Bytes(make([]byte, 1000))); err != nil {
		t.Fatal(err)
	}
	r, err := b.Get(ctx, "k", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Truncate(b.path("k"), 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("got %v", err)
	}
}

func TestEmptyFoldersGo(t *testing.T) {
	b := open(t, t.TempDir())
	ctx := t.Context()
	for _, key := range []string{"journal/1/a", "journal/1/b"} {
		if err := b.Create(ctx, key, bucket.Bytes(nil)); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(b.root, "journal", "1")
	for i, key := range []string{"journal/1/a", "journal/1/b"} {
		if err := b.Delete(ctx, key); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); (err == nil) != (i == 0) {
			t.Fatalf("after delete %d: folder: %v", i, err)
		}
	}
}

// TestFolderRemovedByAnotherProcess: the memory of durable folders is wrong then.
func TestFolderRemovedByAnotherProcess(t *testing.T) {
	b := open(t, t.TempDir())
	ctx := t.Context()
	for _, key := range []string{"j/1/a", "j/1/b"} {
		if err := b.Create(ctx, key, bucket.Bytes([]byte(key))); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(b.root, "j")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Create(ctx, "j/1/c", bucket.Bytes([]byte("c"))); err != nil {
		t.Fatal(err)
	}
}

func TestFoldersUnderCreateAndDelete(t *testing.T) {
	b := open(t, t.TempDir())
	errs := make(chan error, 4)
	for w := range 4 {
		go func() {
			for i := range 50 {
				key := fmt.Sprintf("hot/%d-%d", w, i)
				err := b.Create(t.Context(), key, bucket.Bytes([]byte(key)))
				if err == nil {
					var got []byte
					if got, err = bucket.ReadAll(t.Context(), b, key, 100); err == nil && !bytes.Equal(got, []byte(key)) {
						err = fmt.Errorf("%s holds %q", key, got)
					}
				}
				if err == nil {
					err = b.Delete(t.Context(), key)
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func TestSettledFoldersAreBounded(t *testing.T) {
	f := newFolders(t.TempDir())
	for i := range settledMax {
		f.settled[fmt.Sprint(i)] = struct{}{}
	}
	if err := f.settle(filepath.Join(f.root, "x")); err != nil {
		t.Fatal(err)
	}
	if len(f.settled) != 1 {
		t.Fatalf("%d folders are remembered", len(f.settled))
	}
}
