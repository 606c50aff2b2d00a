package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/bucket/retry"
)

// partTries bounds the attempts for one part: without them, one lost connection
// would send a large object again from its start. On a slow line a part may take minutes.
var partTries = retry.Options{Attempts: 4, PauseBase: 200 * time.Millisecond, PauseMax: 2 * time.Second, TimeMax: time.Hour}

// Create stores an object by one PUT, or in parts if it is large.
func (b *Bucket) Create(ctx context.Context, key string, body bucket.Body) error {
	if err := bucket.CheckKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if body.Size > b.o.PartBytes {
		return b.createInParts(ctx, key, body)
	}
	return b.put(ctx, key, body)
}

// ifAbsent makes a write fail with 412 when the key is taken.
func ifAbsent() minio.PutObjectOptions {
	opts := minio.PutObjectOptions{ContentType: "application/octet-stream", DisableContentSha256: true}
	opts.SetMatchETagExcept("*")
	return opts
}

func (b *Bucket) put(ctx context.Context, key string, body bucket.Body) error {
	sum, err := sumOf(body)
	if err != nil {
		return fmt.Errorf("s3: create %s: %w: %w", key, bucket.ErrBody, err)
	}
	r, err := body.Open()
	if err != nil {
		return fmt.Errorf("s3: create %s: %w: %w", key, bucket.ErrBody, err)
	}
	// The transport may read on after it has returned an answer. Closing the guard
	// ends that, so the caller has its bytes back when Create returns.
	ctx, up := b.sending(ctx, r, body.Size)
	defer up.end()
	guard := bucket.Guard(up)
	defer guard.Close()
	_, err = b.core.PutObject(ctx, b.name, b.prefix+key, guard, body.Size, "", sum, ifAbsent())
	return b.mapError(ctx, "create", key, err)
}

// sumOf reads a body once, for the signature, and checks its length.
func sumOf(body bucket.Body) (string, error) {
	r, err := body.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(r, body.Size))
	if err != nil {
		return "", err
	}
	if n != body.Size {
		return "", fmt.Errorf("it ends %d bytes early", body.Size-n)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// createInParts uploads parts and completes the upload if the key is still free.
// What a failure leaves behind is removed at once, or by RemoveStaleUploads.
func (b *Bucket) createInParts(ctx context.Context, key string, body bucket.Body) error {
	// A key that is taken is found out before and not after the upload.
	switch _, err := b.Stat(ctx, key); {
	case err == nil:
		return fmt.Errorf("s3: create %s: %w", key, bucket.ErrExists)
	case !errors.Is(err, bucket.ErrNotFound):
		return err
	}
	id, err := b.beginUpload(ctx, key)
	if err != nil {
		return err
	}
	parts, err := b.uploadParts(ctx, key, id, body)
	if err == nil {
		err = b.completeUpload(ctx, key, id, parts, body.Size)
	}
	if err != nil {
		return errors.Join(err, b.abortUpload(ctx, key, id))
	}
	return nil
}

func (b *Bucket) beginUpload(ctx context.Context, key string) (string, error) {
	ctx, cancel := b.attempt(ctx, 0)
	defer cancel()
	id, err := b.core.NewMultipartUpload(ctx, b.name, b.prefix+key, minio.PutObjectOptions{ContentType: "application/octet-stream"})
	return id, b.mapError(ctx, "begin upload of", key, err)
}

// uploadParts reads the body once, a part at a time into memory of its own, with a
// bounded number of parts under way.
func (b *Bucket) uploadParts(ctx context.Context, key, id string, body bucket.Body) ([]minio.CompletePart, error) {
	r, err := body.Open()
	if err != nil {
		return nil, fmt.Errorf("s3: create %s: %w: %w", key, bucket.ErrBody, err)
	}
	defer r.Close()
	size := partSize(b.o.PartBytes, body.Size)
	parts := make([]minio.CompletePart, (body.Size+size-1)/size)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(b.o.PartsAtOnce)
	for i := range parts {
		if gctx.Err() != nil {
			break
		}
		data := make([]byte, min(size, body.Size-int64(i)*size))
		if _, err := io.ReadFull(r, data); err != nil {
			group.Go(func() error { return fmt.Errorf("s3: create %s: part %d: %w: %w", key, i+1, bucket.ErrBody, err) })
			break
		}
		group.Go(func() (err error) {
			parts[i], err = b.uploadPart(gctx, key, id, i+1, data)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return parts, ctx.Err()
}

// partSize keeps the number of parts below S3's 10,000.
func partSize(size, total int64) int64 {
	const partsMax = 10_000
	return max(size, (total+partsMax-1)/partsMax)
}

// uploadPart sends one part. data is never changed nor used again, so a transport
// that still reads an earlier attempt does no harm.
func (b *Bucket) uploadPart(ctx context.Context, key, id string, number int, data []byte) (minio.CompletePart, error) {
	sum := sha256.Sum256(data)
	opts := minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(sum[:]), DisableContentSha256: true}
	var etag string
	err := retry.Do(ctx, partTries, func() error {
		body, err := bucket.Bytes(data).Open()
		if err != nil {
			return err
		}
		ctx, up := b.sending(ctx, body, int64(len(data)))
		defer up.end()
		guard := bucket.Guard(up)
		defer guard.Close()
		part, err := b.core.PutObjectPart(ctx, b.name, b.prefix+key, id, number, guard, int64(len(data)), opts)
		etag = part.ETag
		return b.mapError(ctx, fmt.Sprintf("upload part %d of", number), key, err)
	})
	return minio.CompletePart{PartNumber: number, ETag: etag}, err
}

func (b *Bucket) completeUpload(ctx context.Context, key, id string, parts []minio.CompletePart, size int64) error {
	ctx, cancel := b.attempt(ctx, size) // some stores copy the parts now
	defer cancel()
	_, err := b.core.CompleteMultipartUpload(ctx, b.name, b.prefix+key, id, parts, ifAbsent())
	return b.mapError(ctx, "complete upload of", key, err)
}

// abortUpload frees the parts, also when the caller has gone.
func (b *Bucket) abortUpload(ctx context.Context, key, id string) error {
	ctx, cancel := b.attempt(context.WithoutCancel(ctx), 0)
	defer cancel()
	err := b.mapError(ctx, "abort upload of", key, b.core.AbortMultipartUpload(ctx, b.name, b.prefix+key, id))
	var answer minio.ErrorResponse
	if errors.Is(err, bucket.ErrNotFound) || errors.As(err, &answer) && answer.Code == "NoSuchUpload" {
		return nil
	}
	return err
}

// RemoveStaleUploads aborts uploads under the prefix that began before the given
// time (the store's clock) and were never completed: their parts cost room and are
// in no listing. It returns how many.
func (b *Bucket) RemoveStaleUploads(ctx context.Context, before time.Time) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	removed := 0
	for u := range b.core.ListIncompleteUploads(ctx, b.name, b.prefix, true) {
		if u.Err != nil {
			return removed, b.mapError(ctx, "list uploads under", "", u.Err)
		}
		if !u.Initiated.Before(before) {
			continue
		}
		if err := b.abortUpload(ctx, u.Key[len(b.prefix):], u.UploadID); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, ctx.Err()
}
