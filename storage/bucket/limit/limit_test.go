package limit

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/buckettest"
	"github.com/streamhouse/streamhouse/storage/bucket/faults"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
)

func TestConformance(t *testing.T) {
	b := New(mem.New(), Options{Writes: 1, Reads: 1})
	buckettest.Run(t, buckettest.Options{}, func(*testing.T) bucket.Bucket { return b })
	if len(b.reads) != 0 || len(b.writes) != 0 {
		t.Fatalf("%d readers and %d writers are still counted", len(b.reads), len(b.writes))
	}
}

func TestWritesAreBoundedAndReadsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := faults.New(mem.New(), 1)
		b := New(f, Options{Writes: 2, Reads: 1})
		f.Add(faults.Rule{Op: faults.Create, Fault: faults.Fault{Kind: faults.Stall}})
		var wg sync.WaitGroup
		for _, key := range []string{"a", "b", "c", "d"} {
			wg.Go(func() {
				if err := b.Create(t.Context(), key, bucket.Bytes([]byte(key))); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if n := f.Count(faults.Create, faults.Stall); n != 2 {
			t.Errorf("%d creates are under way", n)
		}
		if _, err := b.Stat(t.Context(), "none"); !errors.Is(err, bucket.ErrNotFound) {
			t.Errorf("a read waits for writes: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Delete(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a third write: %v", err)
		}
		f.Clear()
		wg.Wait()
	})
}

func TestReaderHoldsItsPlaceUntilClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(mem.New(), Options{Writes: 1, Reads: 1})
		if err := b.Create(t.Context(), "k", bucket.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		r, err := b.Get(t.Context(), "k", 0, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Get(ctx, "k", 0, -1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("a second reader: %v", err)
		}
		r.Close()
		r.Close() // gives back one place only
		if len(b.reads) != 0 {
			t.Fatalf("%d places are taken", len(b.reads))
		}
	})
}
