package bucket_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/faults"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
)

// overwriting is a store that does not know create-if-absent.
type overwriting struct {
	bucket.Bucket
	silent bool // it takes the second create
}

func (o overwriting) Create(ctx context.Context, key string, body bucket.Body) error {
	err := o.Bucket.Create(ctx, key, body)
	if !errors.Is(err, bucket.ErrExists) {
		return err
	}
	if err := o.Delete(ctx, key); err != nil {
		return err
	}
	if err := o.Bucket.Create(ctx, key, body); err != nil {
		return err
	}
	if o.silent {
		return nil
	}
	return bucket.ErrExists
}

func TestProbeRefusesUnfitStores(t *testing.T) {
	for _, silent := range []bool{true, false} {
		m := mem.New()
		err := bucket.Probe(t.Context(), overwriting{m, silent})
		if !errors.Is(err, bucket.ErrUnfit) {
			t.Errorf("silent=%v: got %v", silent, err)
		}
		if m.Len() != 0 {
			t.Errorf("silent=%v: the probe left %d objects", silent, m.Len())
		}
	}
}

func TestProbeThatCannotAsk(t *testing.T) {
	for _, op := range []faults.Op{faults.Create, faults.Get, faults.Delete} {
		for skip := range 2 {
			b := faults.New(mem.New(), 1)
			b.Add(faults.Rule{Op: op, Skip: skip, Fault: faults.Fault{Kind: faults.FailBefore}})
			err := bucket.Probe(t.Context(), b)
			failed := b.Count(op, faults.FailBefore) > 0
			if errors.Is(err, bucket.ErrUnfit) || failed != errors.Is(err, faults.ErrInjected) {
				t.Errorf("%s, after %d: %v", op, skip, err)
			}
		}
	}
}

func TestProbeSurvivesALostReply(t *testing.T) {
	b := faults.New(mem.New(), 1)
	b.Add(faults.Rule{Op: faults.Create, Times: 1, Fault: faults.Fault{Kind: faults.FailAfter, Err: bucket.ErrExists}})
	if err := bucket.Probe(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func TestReadAllIsBounded(t *testing.T) {
	m := mem.New()
	if err := m.Create(t.Context(), "k", bucket.Bytes(make([]byte, 100))); err != nil {
		t.Fatal(err)
	}
	if b, err := bucket.ReadAll(t.Context(), m, "k", 100); err != nil || len(b) != 100 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if _, err := bucket.ReadAll(t.Context(), m, "k", 99); err == nil {
		t.Error("read more than allowed")
	}
}

func TestGuardEndsEveryUse(t *testing.T) {
	g := bucket.Guard(io.NopCloser(strings.NewReader("abcdef")))
	p := make([]byte, 3)
	if _, err := io.ReadFull(g, p); err != nil || string(p) != "abc" {
		t.Fatal(err)
	}
	for range 2 {
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := g.Read(p); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Fatalf("read after Close: %d, %v", n, err)
	}
}

func TestLocalFileBody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("0123456789"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := mem.New()
	for range 2 { // it can be opened again
		_ = m.Delete(t.Context(), "k")
		if err := m.Create(t.Context(), "k", bucket.LocalFile(path, 4)); err != nil {
			t.Fatal(err)
		}
		if b, err := bucket.ReadAll(t.Context(), m, "k", 100); err != nil || string(b) != "0123" {
			t.Fatalf("%q, %v", b, err)
		}
	}
}
