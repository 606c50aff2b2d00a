// Package mem is a bucket in memory: the twin that tests and simulations run
// against. It passes the same suite as the real ones.
package mem

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

type object struct {
	data     []byte // never changed once it is in the map
	modified time.Time
}

// Bucket keeps objects in memory. It outlives Close, so that a test can end one
// broker and start another on the same bucket.
type Bucket struct {
	mu      sync.Mutex
	objects map[string]object
}

// New returns an empty bucket.
func New() *Bucket { return &Bucket{objects: map[string]object{}} }

// Create stores a private copy of the body.
func (b *Bucket) Create(ctx context.Context, key string, body bucket.Body) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	data, err := readBody(body)
	if err != nil {
		return fmt.Errorf("mem: create %s: %w: %w", key, bucket.ErrBody, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, taken := b.objects[key]; taken {
		return fmt.Errorf("mem: create %s: %w", key, bucket.ErrExists)
	}
	b.objects[key] = object{data: data, modified: time.Now()}
	return nil
}

func readBody(body bucket.Body) ([]byte, error) {
	r, err := body.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, body.Size)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, err
	}
	return data, nil
}

// Get reads a range of an object.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	o, err := b.find(ctx, key)
	if err != nil {
		return nil, err
	}
	n, err = bucket.CheckRange(key, int64(len(o.data)), off, n)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(o.data[off : off+n])), nil
}

// Stat returns an object's size.
func (b *Bucket) Stat(ctx context.Context, key string) (bucket.Info, error) {
	o, err := b.find(ctx, key)
	if err != nil {
		return bucket.Info{}, err
	}
	return info(key, o), nil
}

// List calls fn for a snapshot of the objects under prefix.
func (b *Bucket) List(ctx context.Context, prefix, after string, fn func(bucket.Info) error) error {
	if err := bucket.CheckPrefix(prefix); err != nil {
		return err
	}
	for _, i := range b.snapshot(prefix, after) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(i); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (b *Bucket) snapshot(prefix, after string) []bucket.Info {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []bucket.Info
	for key, o := range b.objects {
		if strings.HasPrefix(key, prefix) && key > after {
			found = append(found, info(key, o))
		}
	}
	slices.SortFunc(found, func(x, y bucket.Info) int { return strings.Compare(x.Key, y.Key) })
	return found
}

// Delete removes objects.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := check(ctx, key); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, key := range keys {
		delete(b.objects, key)
	}
	return nil
}

// Close does nothing: see Bucket.
func (b *Bucket) Close() error { return nil }

// Len returns how many objects there are.
func (b *Bucket) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.objects)
}

func (b *Bucket) find(ctx context.Context, key string) (object, error) {
	if err := check(ctx, key); err != nil {
		return object{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[key]
	if !ok {
		return object{}, fmt.Errorf("mem: %s: %w", key, bucket.ErrNotFound)
	}
	return o, nil
}

func check(ctx context.Context, key string) error {
	if err := bucket.CheckKey(key); err != nil {
		return err
	}
	return ctx.Err()
}

func info(key string, o object) bucket.Info {
	return bucket.Info{Key: key, Size: int64(len(o.data)), Modified: o.modified}
}
