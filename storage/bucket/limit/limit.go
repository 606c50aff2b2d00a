// Package limit is a bucket that bounds how many requests are under way at once.
// Reads and writes are bounded apart, so that cold readers never stand in the way
// of the journal.
package limit

import (
	"context"
	"io"
	"sync"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// Options are the bounds; each is at least 1.
type Options struct {
	Writes int // Create and Delete; default 32
	Reads  int // Get, until the reader is closed, and Stat; default 64
}

// Bucket waits for a place before it calls another bucket. List takes none, since
// its callback may call the bucket.
type Bucket struct {
	bucket.Bucket
	writes, reads chan struct{}
}

// New wraps b.
func New(b bucket.Bucket, o Options) *Bucket {
	if o.Writes <= 0 {
		o.Writes = 32
	}
	if o.Reads <= 0 {
		o.Reads = 64
	}
	return &Bucket{b, make(chan struct{}, o.Writes), make(chan struct{}, o.Reads)}
}

// Unwrap returns the bucket behind.
func (b *Bucket) Unwrap() bucket.Bucket { return b.Bucket }

// Create stores an object.
func (b *Bucket) Create(ctx context.Context, key string, body bucket.Body) error {
	if err := take(ctx, b.writes); err != nil {
		return err
	}
	defer give(b.writes)
	return b.Bucket.Create(ctx, key, body)
}

// Delete removes objects.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	if err := take(ctx, b.writes); err != nil {
		return err
	}
	defer give(b.writes)
	return b.Bucket.Delete(ctx, keys...)
}

// Stat returns an object's size.
func (b *Bucket) Stat(ctx context.Context, key string) (bucket.Info, error) {
	if err := take(ctx, b.reads); err != nil {
		return bucket.Info{}, err
	}
	defer give(b.reads)
	return b.Bucket.Stat(ctx, key)
}

// Get opens a range. The place is given back when the reader is closed.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if err := take(ctx, b.reads); err != nil {
		return nil, err
	}
	r, err := b.Bucket.Get(ctx, key, off, n)
	if err != nil {
		give(b.reads)
		return nil, err
	}
	return &reader{ReadCloser: r, done: sync.OnceFunc(func() { give(b.reads) })}, nil
}

type reader struct {
	io.ReadCloser
	done func()
}

func (r *reader) Close() error {
	defer r.done()
	return r.ReadCloser.Close()
}

func take(ctx context.Context, places chan struct{}) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func give(places chan struct{}) { <-places }
