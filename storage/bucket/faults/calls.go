package faults

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// Create stores an object, or fails as decided.
func (b *Bucket) Create(ctx context.Context, key string, body bucket.Body) error {
	return b.call(ctx, Create, key, func(f Fault) error {
		if f.Kind == Late {
			return b.createLate(f, key, body)
		}
		return b.Bucket.Create(ctx, key, body)
	})
}

// Get opens an object, or fails as decided.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	var r io.ReadCloser
	err := b.call(ctx, Get, key, func(f Fault) error {
		var err error
		if r, err = b.Bucket.Get(ctx, key, off, n); err != nil {
			return err
		}
		if f.Kind == Corrupt || f.Kind == Cut {
			r, err = spoil(r, f, key)
		}
		return err
	})
	if err != nil && r != nil {
		r.Close()
		r = nil
	}
	return r, err
}

// Stat returns an object's size, or fails as decided.
func (b *Bucket) Stat(ctx context.Context, key string) (bucket.Info, error) {
	var info bucket.Info
	err := b.call(ctx, Stat, key, func(Fault) error {
		var err error
		info, err = b.Bucket.Stat(ctx, key)
		return err
	})
	return info, err
}

// List lists objects, or fails as decided.
func (b *Bucket) List(ctx context.Context, prefix, after string, fn func(bucket.Info) error) error {
	return b.call(ctx, List, prefix, func(Fault) error { return b.Bucket.List(ctx, prefix, after, fn) })
}

// Delete removes objects, or fails as decided for the first of them.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	return b.call(ctx, Delete, keys[0], func(Fault) error { return b.Bucket.Delete(ctx, keys...) })
}

// Adopt links a file, or fails as decided.
func (b *Bucket) Adopt(ctx context.Context, key, path string) error {
	return b.call(ctx, Adopt, key, func(Fault) error { return bucket.Adopt(ctx, b.Bucket, key, path) })
}

// createLate takes the bytes, as the network would, and says that it failed.
func (b *Bucket) createLate(f Fault, key string, body bucket.Body) error {
	r, err := body.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	l := landing{key: key, data: make([]byte, body.Size)}
	if _, err := io.ReadFull(r, l.data); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed: // the network is gone
	case f.Delay == 0:
		b.late = append(b.late, l)
	default:
		b.timers.Add(1)
		go b.landAfter(f.Delay, l)
	}
	return f.err(Create, key)
}

// landAfter ends when the object has landed or the bucket is closed.
func (b *Bucket) landAfter(d time.Duration, l landing) {
	defer b.timers.Done()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		_ = b.land(l) // a late packet has nobody to report to
	case <-b.closing:
	}
}

// Land lets every late create without a delay of its own land now, and returns how
// many took effect: one whose key was taken meanwhile does not.
func (b *Bucket) Land() (int, error) {
	b.mu.Lock()
	late := b.late
	b.late = nil
	b.mu.Unlock()
	landed := 0
	for _, l := range late {
		err := b.land(l)
		switch {
		case err == nil:
			landed++
		case !errors.Is(err, bucket.ErrExists):
			return landed, err
		}
	}
	return landed, nil
}

func (b *Bucket) land(l landing) error {
	return b.Bucket.Create(context.Background(), l.key, bucket.Bytes(l.data))
}

// Close forgets what has not landed and closes the bucket behind.
func (b *Bucket) Close() error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		close(b.closing)
	}
	b.mu.Unlock()
	b.timers.Wait()
	return b.Bucket.Close()
}

// spoil returns what r holds with one wrong bit, or a reader that fails halfway.
func spoil(r io.ReadCloser, f Fault, key string) (io.ReadCloser, error) {
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if f.Kind == Corrupt {
		if len(data) > 0 {
			data[len(data)/2] ^= 0x10
		}
		return &spoiled{data: data, err: io.EOF}, nil
	}
	return &spoiled{data: data[:len(data)/2], err: f.err(Get, key)}, nil
}

// spoiled yields data, then err.
type spoiled struct {
	data []byte
	err  error
}

func (s *spoiled) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, s.err
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

func (s *spoiled) Close() error { return nil }
