package meter

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/buckettest"
	"github.com/streamhouse/streamhouse/storage/bucket/faults"
	"github.com/streamhouse/streamhouse/storage/bucket/file"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
)

func newMetrics(t *testing.T) *Metrics {
	t.Helper()
	m, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestConformance(t *testing.T) {
	m := newMetrics(t)
	b := New(mem.New(), m)
	buckettest.Run(t, buckettest.Options{}, func(*testing.T) bucket.Bucket { return b })
	for _, l := range [][2]string{{"create", "ok"}, {"create", "exists"}, {"get", "ok"}, {"get", "not_found"}, {"get", "range"}, {"stat", "cancelled"}, {"delete", "ok"}, {"list", "ok"}} {
		if testutil.ToFloat64(m.requests.WithLabelValues(l[0], l[1])) == 0 {
			t.Errorf("no %s with outcome %s was counted", l[0], l[1])
		}
	}
}

func TestCounts(t *testing.T) {
	m := newMetrics(t)
	f := faults.New(mem.New(), 1)
	b := New(f, m)
	ctx := t.Context()
	if err := b.Create(ctx, "k", bucket.Bytes(make([]byte, 1000))); err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.ReadAll(ctx, b, "k", 2000); err != nil {
		t.Fatal(err)
	}
	f.Add(faults.Rule{Op: faults.Get, Fault: faults.Fault{Kind: faults.Cut}})
	if _, err := bucket.ReadAll(ctx, b, "k", 2000); !errors.Is(err, faults.ErrInjected) {
		t.Fatal(err)
	}
	for what, have := range map[string][2]float64{
		"created bytes": {testutil.ToFloat64(m.bytes.WithLabelValues("create")), 1000},
		"read bytes":    {testutil.ToFloat64(m.bytes.WithLabelValues("get")), 1500},
		"gets":          {testutil.ToFloat64(m.requests.WithLabelValues("get", "ok")), 2},
		"broken bodies": {testutil.ToFloat64(m.requests.WithLabelValues("get_body", "error")), 1},
	} {
		if have[0] != have[1] {
			t.Errorf("%s: counted %v, want %v", what, have[0], have[1])
		}
	}
}

func TestAdoptPassesThrough(t *testing.T) {
	dir := t.TempDir()
	inner, err := file.Open(filepath.Join(dir, "bucket"))
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	source := filepath.Join(dir, "volume")
	if err := os.WriteFile(source, make([]byte, 77), 0o644); err != nil {
		t.Fatal(err)
	}
	m := newMetrics(t)
	b := New(inner, m)
	if err := bucket.Adopt(t.Context(), b, "k", source); err != nil {
		t.Fatal(err)
	}
	if n := testutil.ToFloat64(m.bytes.WithLabelValues("adopt")); n != 77 {
		t.Errorf("%v bytes were counted", n)
	}
	f, err := bucket.OpenFile(b, "k")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := io.Copy(io.Discard, f); n != 77 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	if err := os.Rename(inner.Root(), inner.Root()+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.OpenFile(b, "k"); !errors.Is(err, bucket.ErrRefused) {
		t.Errorf("a bucket that is away: %v", err)
	}
	if err := os.Rename(inner.Root()+".away", inner.Root()); err != nil {
		t.Fatal(err)
	}
	for outcome, want := range map[string]float64{"ok": 1, "refused": 1} {
		if n := testutil.ToFloat64(m.requests.WithLabelValues("open", outcome)); n != want {
			t.Errorf("%v opened files with outcome %s, want %v", n, outcome, want)
		}
	}
	if bucket.Local(New(mem.New(), m)) {
		t.Error("memory is taken for local files")
	}
	if err := bucket.Adopt(t.Context(), New(mem.New(), m), "k", source); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a bucket that cannot: %v", err)
	}
}

func TestOutcomes(t *testing.T) {
	for err, want := range map[error]string{
		nil: "ok", bucket.ErrNoRoom: "no_room", bucket.ErrRefused: "refused",
		context.DeadlineExceeded: "timeout", io.ErrUnexpectedEOF: "error",
	} {
		if got := outcome(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

func TestOncePerRegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	if _, err := NewMetrics(reg); err != nil {
		t.Fatal(err)
	}
	if _, err := NewMetrics(reg); err == nil {
		t.Fatal("registered twice")
	}
}
