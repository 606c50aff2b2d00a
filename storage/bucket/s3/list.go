package s3

import (
	"context"

	"github.com/minio/minio-go/v7"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// List asks for pages of 1,000 keys, as the callback takes them. Objects whose keys
// are not the port's (somebody else's, or a console's folder marks) are left out.
func (b *Bucket) List(ctx context.Context, prefix, after string, fn func(bucket.Info) error) error {
	if err := bucket.CheckPrefix(prefix); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	outer := ctx
	ctx, watch := newWatchdog(ctx, b.o.TimeBase, b.o.TimeBase)
	defer watch.end()
	for o := range b.core.ListObjectsIter(ctx, b.name, b.listOptions(prefix, after)) {
		watch.stop()
		if o.Err != nil {
			return b.mapError(ctx, "list", prefix, o.Err)
		}
		if err := b.found(o, after, fn); err != nil {
			return err
		}
		watch.start()
	}
	if err := outer.Err(); err != nil {
		return err
	}
	// A context that ends between two pages ends the listing without an error.
	return context.Cause(ctx)
}

func (b *Bucket) listOptions(prefix, after string) minio.ListObjectsOptions {
	opts := minio.ListObjectsOptions{Prefix: b.prefix + prefix, Recursive: true, MaxKeys: 1000}
	owner := false
	opts.FetchOwner = &owner
	if after != "" {
		opts.StartAfter = b.prefix + after
	}
	return opts
}

// found passes an object on.
func (b *Bucket) found(o minio.ObjectInfo, after string, fn func(bucket.Info) error) error {
	key := o.Key[len(b.prefix):]
	if bucket.CheckKey(key) != nil || key <= after {
		return nil
	}
	return fn(bucket.Info{Key: key, Size: o.Size, Modified: o.LastModified})
}
