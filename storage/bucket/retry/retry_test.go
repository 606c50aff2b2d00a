package retry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/buckettest"
	"github.com/streamhouse/streamhouse/storage/bucket/faults"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
)

var quick = Options{Attempts: 12, PauseBase: time.Millisecond, PauseMax: 2 * time.Millisecond}

// TestConformanceWithFailures runs the suite while half of all calls fail before their
// effect, and a quarter of the readers break: nobody may notice. A thousand calls with
// 40 attempts each leave no room for chance.
func TestConformanceWithFailures(t *testing.T) {
	f := faults.New(mem.New(), 7)
	f.SetChaos(faults.Chaos{FailBefore: 0.25, Cut: 0.25})
	o := quick
	o.Attempts = 40
	b := New(f, o)
	buckettest.Run(t, buckettest.Options{}, func(*testing.T) bucket.Bucket { return b })
	if n := f.Count(faults.Any, faults.FailBefore); n < 100 {
		t.Fatalf("only %d calls failed", n)
	}
	if n := f.Count(faults.Get, faults.Cut); n < 10 {
		t.Fatalf("only %d readers broke", n)
	}
}

func TestOwnObjectIsReportedAsExisting(t *testing.T) {
	f := faults.New(mem.New(), 1)
	f.Add(faults.Rule{Op: faults.Create, Times: 1, Fault: faults.Fault{Kind: faults.FailAfter}})
	b := New(f, quick)
	if err := b.Create(t.Context(), "k", bucket.Bytes([]byte("x"))); !errors.Is(err, bucket.ErrExists) {
		t.Fatalf("got %v: the caller has to compare", err)
	}
}

func TestAnswersAreNotRetried(t *testing.T) {
	for _, final := range []error{
		bucket.ErrExists, bucket.ErrNotFound, bucket.ErrRange, bucket.ErrKey, bucket.ErrNoRoom, bucket.ErrRefused, context.Canceled,
	} {
		calls := 0
		err := Do(t.Context(), quick, func() error { calls++; return final })
		if err != final || calls != 1 {
			t.Errorf("%v: got %v after %d calls", final, err, calls)
		}
	}
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		calls := 0
		begin := time.Now()
		err := Do(t.Context(), Options{}, func() error { calls++; return boom })
		if !errors.Is(err, boom) || calls != 6 {
			t.Errorf("got %v after %d calls", err, calls)
		}
		// Pauses are below 0.1, 0.2, 0.4, 0.8, 1.6 s, and at least half of that.
		if took := time.Since(begin); took < 1550*time.Millisecond || took > 3100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		calls = 0
		err = Do(t.Context(), Options{Attempts: 1000, TimeMax: 10 * time.Second}, func() error { calls++; return boom })
		if took := time.Since(begin); !errors.Is(err, boom) || calls > 30 || took > 14*time.Second {
			t.Errorf("%d calls, %v, %v", calls, took, err)
		}
	})
}

func TestPauseEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		err := Do(ctx, Options{PauseBase: time.Hour, PauseMax: time.Hour, TimeMax: 1000 * time.Hour}, func() error { return boom })
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, boom) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestReaderThatKeepsBreaking(t *testing.T) {
	f := faults.New(mem.New(), 1)
	b := New(f, quick)
	data := bytes.Repeat([]byte("0123456789"), 1000)
	if err := b.Create(t.Context(), "k", bucket.Bytes(data)); err != nil {
		t.Fatal(err)
	}
	f.Add(faults.Rule{Op: faults.Get, Times: 5, Fault: faults.Fault{Kind: faults.Cut}})
	for _, n := range []int64{-1, 9000} {
		r, err := b.Get(t.Context(), "k", 1000, n)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		r.Close()
		if err != nil || !bytes.Equal(got, data[1000:]) {
			t.Fatalf("n=%d: %d bytes, %v", n, len(got), err)
		}
	}
	f.Clear()
	f.Add(faults.Rule{Op: faults.Get, Fault: faults.Fault{Kind: faults.Cut}})
	r, err := b.Get(t.Context(), "k", 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadAll(r); !errors.Is(err, faults.ErrInjected) {
		t.Fatalf("endless breaking: %v", err)
	}
}

// TestReaderThatComesOn: a line that breaks again and again, and brings something each
// time, brings a large object through.
func TestReaderThatComesOn(t *testing.T) {
	m := mem.New()
	b := New(breakingGets{m, 100 << 10}, Options{Attempts: 3, PauseBase: time.Microsecond, PauseMax: time.Microsecond})
	data := bytes.Repeat([]byte("0123456789"), 200_000)
	if err := m.Create(t.Context(), "k", bucket.Bytes(data)); err != nil {
		t.Fatal(err)
	}
	r, err := b.Get(t.Context(), "k", 0, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d of %d bytes, %v", len(got), len(data), err)
	}
}

// breakingGets fails each reader after so many bytes.
type breakingGets struct {
	bucket.Bucket
	after int64
}

func (b breakingGets) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	r, err := b.Bucket.Get(ctx, key, off, n)
	if err != nil {
		return nil, err
	}
	broken := iotest.ErrReader(errors.New("connection lost"))
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, b.after), broken), r}, nil
}

// TestListGoesOnWhereItBroke: the callback sees each key once.
func TestListGoesOnWhereItBroke(t *testing.T) {
	m := mem.New()
	for _, key := range []string{"a", "b", "c", "d"} {
		if err := m.Create(t.Context(), key, bucket.Bytes(nil)); err != nil {
			t.Fatal(err)
		}
	}
	b := New(&breakingList{Bucket: m, after: 2}, quick)
	var keys string
	if err := b.List(t.Context(), "", "", func(i bucket.Info) error { keys += i.Key; return nil }); err != nil || keys != "abcd" {
		t.Fatalf("got %q, %v", keys, err)
	}
}

// breakingList fails after so many keys, every time.
type breakingList struct {
	bucket.Bucket
	after int
}

func (b *breakingList) List(ctx context.Context, prefix, after string, fn func(bucket.Info) error) error {
	n := 0
	return b.Bucket.List(ctx, prefix, after, func(i bucket.Info) error {
		if n++; n > b.after {
			return errors.New("connection lost")
		}
		return fn(i)
	})
}
