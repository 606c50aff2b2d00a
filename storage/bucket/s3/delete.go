package s3

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// deleteMax is how many objects S3 deletes with one request.
const deleteMax = 1000

// Delete removes objects. In a bucket with versions the store keeps the old ones. A store
// that does not delete many at once is asked for one after the other.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := bucket.CheckKey(key); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(keys, deleteMax) {
		if len(some) > 1 && !b.oneByOne.Load() {
			known, err := b.deleteMany(ctx, some)
			if known && err != nil {
				return err
			}
			if known {
				continue
			}
			b.oneByOne.Store(true)
		}
		for _, key := range some {
			if err := b.deleteOne(ctx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// unknown says that the store does not know the request.
func unknown(err error) bool {
	var answer minio.ErrorResponse
	return errors.As(err, &answer) && (answer.StatusCode == http.StatusNotImplemented || answer.StatusCode == http.StatusMethodNotAllowed || answer.Code == "NotImplemented")
}

func (b *Bucket) deleteOne(ctx context.Context, key string) error {
	ctx, cancel := b.attempt(ctx, 0)
	defer cancel()
	err := b.core.RemoveObject(ctx, b.name, b.prefix+key, minio.RemoveObjectOptions{})
	err = b.mapError(ctx, "delete", key, err)
	if errors.Is(err, bucket.ErrNotFound) {
		return nil
	}
	return err
}

// deleteMany deletes up to deleteMax objects with one request. known is false if the store
// has no such request.
func (b *Bucket) deleteMany(ctx context.Context, keys []string) (known bool, err error) {
	ctx, cancel := b.attempt(ctx, 0)
	defer cancel()
	results, err := b.core.RemoveObjectsWithIter(ctx, b.name, func(yield func(minio.ObjectInfo) bool) {
		for _, key := range keys {
			if !yield(minio.ObjectInfo{Key: b.prefix + key}) {
				return
			}
		}
	}, minio.RemoveObjectsOptions{})
	if err != nil {
		return true, b.mapError(ctx, "delete", keys[0], err)
	}
	for r := range results {
		var answer minio.ErrorResponse
		if r.Err == nil || errors.As(r.Err, &answer) && answer.Code == minio.NoSuchKey {
			continue
		}
		if unknown(r.Err) {
			return false, nil
		}
		if err == nil {
			err = b.mapError(ctx, "delete", strings.TrimPrefix(r.ObjectName, b.prefix), r.Err)
		}
	}
	if err == nil {
		err = context.Cause(ctx) // an iteration that ends with it says nothing
	}
	return true, err
}
