package cache

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/file"
)

func newLocal(t *testing.T, filesMax, objects int) (*Objects, *metrics, *file.Bucket) {
	t.Helper()
	b, err := file.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := NewObjects(b, Options{FilesMax: filesMax})
	m := o.files.m
	t.Cleanup(func() {
		if err := errors.Join(o.Close(), b.Close()); err != nil {
			t.Error(err)
		}
	})
	for i := range objects {
		if err := b.Create(t.Context(), keyOf(i), bucket.Bytes([]byte(keyOf(i)))); err != nil {
			t.Fatal(err)
		}
	}
	return o, m, b
}

func keyOf(i int) string { return fmt.Sprintf("o/%04d", i) }

func openLocal(t *testing.T, o *Objects, i int) Source {
	t.Helper()
	s, err := o.Open(t.Context(), keyOf(i), int64(len(keyOf(i))))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func check(t *testing.T, s Source, i int) {
	t.Helper()
	p := make([]byte, len(keyOf(i)))
	if _, err := s.ReadAt(p, 0); err != nil || string(p) != keyOf(i) {
		t.Fatalf("object %d: %q, %v", i, p, err)
	}
}

func TestFilesAreSharedAndBounded(t *testing.T) {
	o, m, _ := newLocal(t, 3, 10)
	first, second := openLocal(t, o, 0), openLocal(t, o, 0)
	if first.File() == nil || first.File() != second.File() {
		t.Error("two sources of one object do not share the file")
	}
	first.Close()
	first.Close() // gives up its own hold only
	check(t, second, 0)
	second.Close()
	for i := range 10 {
		s := openLocal(t, o, i)
		check(t, s, i)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := testutil.ToFloat64(m.openFiles); n != 3 {
		t.Errorf("%v files are open, 3 are allowed", n)
	}
	again := openLocal(t, o, 9)
	if n := testutil.ToFloat64(m.openFiles); n != 3 {
		t.Errorf("the latest file was opened again: %v are open", n)
	}
	check(t, again, 9)
	again.Close()
}

func TestForgetKeepsHeldFilesOpen(t *testing.T) {
	o, m, b := newLocal(t, 3, 1)
	held := openLocal(t, o, 0)
	if err := b.Delete(t.Context(), keyOf(0)); err != nil {
		t.Fatal(err)
	}
	o.Forget(keyOf(0))
	check(t, held, 0)
	if _, err := o.Open(t.Context(), keyOf(0), 1); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("a deleted object can be opened: %v", err)
	}
	file := held.File()
	held.Close()
	if _, err := file.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the last holder did not close the file: %v", err)
	}
	if n := testutil.ToFloat64(m.openFiles); n != 0 {
		t.Errorf("%v files are open", n)
	}
}

func TestLocalObjectOfAnotherSize(t *testing.T) {
	o, _, _ := newLocal(t, 3, 1)
	if _, err := o.Open(t.Context(), keyOf(0), 5); !errors.Is(err, bucket.ErrRange) {
		t.Fatalf("got %v", err)
	}
}

func TestClosedPool(t *testing.T) {
	o, m, _ := newLocal(t, 3, 2)
	held := openLocal(t, o, 0)
	openLocal(t, o, 1).Close()
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if n := testutil.ToFloat64(m.openFiles); n != 1 {
		t.Errorf("%v files are open, one is held", n)
	}
	check(t, held, 0)
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Open(t.Context(), keyOf(0), 6); !errors.Is(err, errClosed) {
		t.Errorf("open after Close: %v", err)
	}
	if n := testutil.ToFloat64(m.openFiles); n != 0 {
		t.Errorf("%v files are open", n)
	}
}

func TestFilesConcurrently(t *testing.T) {
	o, m, _ := newLocal(t, 2, 5)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 200 {
				n := (w + i) % 5
				s, err := o.Open(t.Context(), keyOf(n), int64(len(keyOf(n))))
				if err != nil {
					t.Error(err)
					return
				}
				p := make([]byte, len(keyOf(n)))
				if _, err := s.ReadAt(p, 0); err != nil || string(p) != keyOf(n) {
					t.Errorf("object %d: %q, %v", n, p, err)
				}
				if i%17 == 0 {
					o.Forget(keyOf(n))
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := testutil.ToFloat64(m.openFiles); n > 2 {
		t.Errorf("%v files are open, 2 are allowed", n)
	}
}

// A file more than may be open takes the place of one that nobody reads, and is refused
// when all are read.
func TestFilesOpenAtAll(t *testing.T) {
	o, m, _ := newLocal(t, 10, 5)
	o.files.most = 2
	first, second := openLocal(t, o, 0), openLocal(t, o, 1)
	if _, err := o.Open(t.Context(), keyOf(2), int64(len(keyOf(2)))); !errors.Is(err, ErrTooMany) {
		t.Errorf("a third while two are read: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 { // in the place of the first, one after the other
		s := openLocal(t, o, i)
		check(t, s, i)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if n := testutil.ToFloat64(m.openFiles); n > 2 {
			t.Errorf("%v files are open", n)
		}
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Open(t.Context(), keyOf(9), 1); err == nil {
		t.Error("an object that is not there was opened")
	}
	if n := float64(o.files.opened); n != testutil.ToFloat64(m.openFiles) {
		t.Errorf("%v are counted, %v are open", n, testutil.ToFloat64(m.openFiles))
	}
}
