package s3

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/buckettest"
	"github.com/streamhouse/streamhouse/storage/bucket/retry"
	"github.com/streamhouse/streamhouse/tests/s3gateway"
)

func open(t *testing.T, o Options) *Bucket {
	t.Helper()
	o.AccessKey, o.SecretKey = s3gateway.AccessKey, s3gateway.SecretKey
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestConformance(t *testing.T) {
	g := s3gateway.Start(t, "suite")
	for name, prefix := range map[string]string{"Root": "", "Prefix": "some/prefix"} {
		t.Run(name, func(t *testing.T) {
			b := open(t, Options{Location: g.Location("suite", prefix), PartBytes: 5 << 20})
			buckettest.Run(t, buckettest.Options{LargeBytes: 12<<20 + 12345, ListCount: 1100}, func(*testing.T) bucket.Bucket { return b })
		})
	}
}

// uploads counts the unfinished uploads that the store knows of.
func uploads(t *testing.T, b *Bucket) int {
	t.Helper()
	n := 0
	for u := range b.core.ListIncompleteUploads(t.Context(), b.name, b.prefix, true) {
		if u.Err != nil {
			t.Fatal(u.Err)
		}
		n++
	}
	return n
}

// TestFailedUploadLeavesNothing: at most the upload itself is left, and the sweep
// removes it. A part that was under way when the upload was aborted may land after
// the abort, and after a sweep too; the store keeps it, so each case has a store of
// its own and sweeps until nothing comes any more.
func TestFailedUploadLeavesNothing(t *testing.T) {
	const size = 20 << 20
	for name, body := range map[string]func(cancel func()) io.Reader{
		"short body": func(func()) io.Reader { return io.LimitReader(zeros{}, 12<<20) },
		"cancelled": func(cancel func()) io.Reader {
			return io.MultiReader(io.LimitReader(zeros{}, 11<<20), readerFunc(func([]byte) (int, error) {
				cancel()
				return 0, context.Canceled
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := s3gateway.Start(t, "suite")
			b := open(t, Options{Location: g.Location("suite", "p"), PartBytes: 5 << 20})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := b.Create(ctx, "k", bucket.Body{Size: size, Open: func() (io.ReadCloser, error) {
				return io.NopCloser(body(cancel)), nil
			}})
			if err == nil {
				t.Fatal("created")
			}
			if _, err := b.Stat(t.Context(), "k"); !errors.Is(err, bucket.ErrNotFound) {
				t.Errorf("something is there: %v", err)
			}
			if n := uploads(t, b); n > 1 {
				t.Errorf("%d uploads were left by one", n)
			}
			removed := 0
			for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				n, err := b.RemoveStaleUploads(t.Context(), time.Now().Add(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				if removed += n; uploads(t, b) == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("uploads are left after %d were removed", removed)
				}
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestRemoveStaleUploads(t *testing.T) {
	g := s3gateway.Start(t, "suite")
	b := open(t, Options{Location: g.Location("suite", "p")})
	other := open(t, Options{Location: g.Location("suite", "q")})
	for _, b := range []*Bucket{b, b, other} {
		if _, err := b.beginUpload(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := b.RemoveStaleUploads(t.Context(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Fatalf("young uploads: %d removed, %v", n, err)
	}
	if n, err := bucket.RemoveStaleUploads(t.Context(), retry.New(b, retry.Options{}), time.Now().Add(time.Hour)); n != 2 || err != nil {
		t.Fatalf("stale uploads: %d removed, %v", n, err)
	}
	if n, others := uploads(t, b), uploads(t, other); n != 0 || others != 1 {
		t.Fatalf("%d are left, %d of another prefix", n, others)
	}
}

// TestCompletionIsExclusive: two uploads of one key are both whole before either is
// completed.
func TestCompletionIsExclusive(t *testing.T) {
	g := s3gateway.Start(t, "suite")
	b := open(t, Options{Location: g.Location("suite", "")})
	type upload struct {
		id    string
		parts []minio.CompletePart
	}
	var ups []upload
	for range 2 {
		id, err := b.beginUpload(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		parts, err := b.uploadParts(t.Context(), "k", id, bucket.Bytes(make([]byte, 100)))
		if err != nil {
			t.Fatal(err)
		}
		ups = append(ups, upload{id, parts})
	}
	if err := b.completeUpload(t.Context(), "k", ups[0].id, ups[0].parts, 100); err != nil {
		t.Fatal(err)
	}
	if err := b.completeUpload(t.Context(), "k", ups[1].id, ups[1].parts, 100); !errors.Is(err, bucket.ErrExists) {
		t.Fatalf("a second completion: %v", err)
	}
}

// TestStoreIsAwayForAWhile stops the server under calls that are tried again.
func TestStoreIsAwayForAWhile(t *testing.T) {
	g := s3gateway.Start(t, "suite")
	b := retry.New(open(t, Options{Location: g.Location("suite", "")}), retry.Options{Attempts: 100, PauseMax: 100 * time.Millisecond})
	if err := b.Create(t.Context(), "before", bucket.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	g.Stop()
	if err := b.Unwrap().Create(t.Context(), "away", bucket.Bytes([]byte("x"))); err == nil || bucket.Final(err) {
		t.Fatalf("one attempt while it is away: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Create(t.Context(), "k", bucket.Bytes([]byte("y"))) }()
	if err := g.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"before": "x", "k": "y"} {
		if got, err := bucket.ReadAll(t.Context(), b, key, 10); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", key, got, err)
		}
	}
}

func TestWrongKeysAndWrongBucket(t *testing.T) {
	g := s3gateway.Start(t, "suite")
	wrong, err := New(Options{Location: g.Location("suite", ""), AccessKey: s3gateway.AccessKey, SecretKey: "no"})
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	for name, b := range map[string]*Bucket{"keys": wrong, "bucket": open(t, Options{Location: g.Location("none", "")})} {
		if err := bucket.Probe(t.Context(), b); !errors.Is(err, bucket.ErrRefused) {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
}
