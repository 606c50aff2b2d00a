package bucket

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Wrapper is implemented by buckets that stand in front of another, so that Adopt
// and OpenFile find what the innermost one can do.
type Wrapper interface {
	Unwrap() Bucket
}

// Adopt calls the Adopter that b is or wraps. errors.ErrUnsupported if there is
// none: the caller then copies through Create.
func Adopt(ctx context.Context, b Bucket, key, path string) error {
	a, ok := find[Adopter](b)
	if !ok {
		return fmt.Errorf("bucket: adopt %s: %w", path, errors.ErrUnsupported)
	}
	return a.Adopt(ctx, key, path)
}

// OpenWatcher is implemented by wrappers that are told of each OpenFile, which goes past them
// to the innermost bucket: one that were a FileOpener itself would make any bucket Local.
type OpenWatcher interface {
	Opened(begin time.Time, err error)
}

// OpenFile opens the local file behind an object. errors.ErrUnsupported if b
// neither is nor wraps a FileOpener.
func OpenFile(b Bucket, key string) (*os.File, error) {
	o, ok := find[FileOpener](b)
	if !ok {
		return nil, fmt.Errorf("bucket: open %s as a file: %w", key, errors.ErrUnsupported)
	}
	begin := time.Now()
	f, err := o.OpenFile(key)
	if w, ok := find[OpenWatcher](b); ok {
		w.Opened(begin, err)
	}
	return f, err
}

// RemoveStaleUploads calls the UploadRemover that b is or wraps; without one there is
// nothing to remove.
func RemoveStaleUploads(ctx context.Context, b Bucket, before time.Time) (int, error) {
	u, ok := find[UploadRemover](b)
	if !ok {
		return 0, nil
	}
	return u.RemoveStaleUploads(ctx, before)
}

// Local says whether objects of b are local files.
func Local(b Bucket) bool {
	_, ok := find[FileOpener](b)
	return ok
}

// find returns the outermost of b and what it wraps that implements T.
func find[T any](b Bucket) (T, bool) {
	for b != nil {
		if t, ok := b.(T); ok {
			return t, true
		}
		w, ok := b.(Wrapper)
		if !ok {
			break
		}
		b = w.Unwrap()
	}
	var zero T
	return zero, false
}

// Final says whether err is an answer rather than a failure: asking again will not
// change it. A nil error is final too.
func Final(err error) bool {
	if err == nil {
		return true
	}
	for _, final := range []error{
		ErrNotFound, ErrExists, ErrRange, ErrKey, ErrNoRoom, ErrRefused, ErrBody, errors.ErrUnsupported, context.Canceled,
	} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}
