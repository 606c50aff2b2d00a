// Package meter is a bucket that counts: requests by operation and outcome, their
// time, and bytes.
package meter

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// Metrics are the counters of the process's buckets. The names are stable.
type Metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
}

// NewMetrics registers the counters, once per registry.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamhouse_bucket_requests_total",
			Help: "Bucket requests by operation and outcome; a body that broke while it was read counts as operation get_body.",
		}, []string{"operation", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "streamhouse_bucket_request_seconds",
			Help:    "Time of bucket requests; of get until its body can be read.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{"operation"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamhouse_bucket_bytes_total",
			Help: "Bytes of bodies that were created, adopted (linked, not copied) or read.",
		}, []string{"operation"}),
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.bytes} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Bucket counts the calls of another bucket.
type Bucket struct {
	bucket.Bucket
	m *Metrics
}

// New wraps b.
func New(b bucket.Bucket, m *Metrics) *Bucket { return &Bucket{b, m} }

// Unwrap returns the bucket behind.
func (b *Bucket) Unwrap() bucket.Bucket { return b.Bucket }

func (m *Metrics) done(operation string, begin time.Time, err error) {
	m.seconds.WithLabelValues(operation).Observe(time.Since(begin).Seconds())
	m.requests.WithLabelValues(operation, outcome(err)).Inc()
}

// outcome names an error for a label.
func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	for _, o := range []struct {
		err  error
		name string
	}{
		{bucket.ErrExists, "exists"}, {bucket.ErrNotFound, "not_found"}, {bucket.ErrRange, "range"},
		{bucket.ErrNoRoom, "no_room"}, {bucket.ErrRefused, "refused"}, {errors.ErrUnsupported, "unsupported"},
		{context.Canceled, "cancelled"}, {context.DeadlineExceeded, "timeout"},
	} {
		if errors.Is(err, o.err) {
			return o.name
		}
	}
	return "error"
}

// Create stores an object.
func (b *Bucket) Create(ctx context.Context, key string, body bucket.Body) error {
	begin := time.Now()
	err := b.Bucket.Create(ctx, key, body)
	b.m.done("create", begin, err)
	if err == nil {
		b.m.bytes.WithLabelValues("create").Add(float64(body.Size))
	}
	return err
}

// Get opens a range.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	begin := time.Now()
	r, err := b.Bucket.Get(ctx, key, off, n)
	b.m.done("get", begin, err)
	if err != nil {
		return nil, err
	}
	return &reader{ReadCloser: r, m: b.m}, nil
}

type reader struct {
	io.ReadCloser
	m *Metrics
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.m.bytes.WithLabelValues("get").Add(float64(n))
	if err != nil && err != io.EOF {
		r.m.requests.WithLabelValues("get_body", outcome(err)).Inc()
	}
	return n, err
}

// Stat returns an object's size.
func (b *Bucket) Stat(ctx context.Context, key string) (bucket.Info, error) {
	begin := time.Now()
	info, err := b.Bucket.Stat(ctx, key)
	b.m.done("stat", begin, err)
	return info, err
}

// List lists objects. Its time includes the callback's.
func (b *Bucket) List(ctx context.Context, prefix, after string, fn func(bucket.Info) error) error {
	begin := time.Now()
	err := b.Bucket.List(ctx, prefix, after, fn)
	b.m.done("list", begin, err)
	return err
}

// Delete removes objects, and counts as one.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	begin := time.Now()
	err := b.Bucket.Delete(ctx, keys...)
	b.m.done("delete", begin, err)
	return err
}

// Opened counts an object that was opened as a file.
func (b *Bucket) Opened(begin time.Time, err error) { b.m.done("open", begin, err) }

// Adopt links a local file, if the bucket behind can.
func (b *Bucket) Adopt(ctx context.Context, key, path string) error {
	begin := time.Now()
	err := bucket.Adopt(ctx, b.Bucket, key, path)
	b.m.done("adopt", begin, err)
	if err == nil {
		if st, err := os.Stat(path); err == nil {
			b.m.bytes.WithLabelValues("adopt").Add(float64(st.Size()))
		}
	}
	return err
}
