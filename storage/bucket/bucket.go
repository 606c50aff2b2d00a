// Package bucket is the port to object storage, with its contract, and the
// vocabulary that every adapter shares.
//
// Adapters live in bucket/file, bucket/s3 and bucket/mem; each runs the suite in
// bucket/buckettest. Wrappers (retry, limit, meter, faults) embed a Bucket and
// change one thing.
package bucket

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// Errors that callers branch on. Adapters wrap them with what was tried.
var (
	ErrNotFound = errors.New("bucket: no such object")
	ErrExists   = errors.New("bucket: object exists")
	ErrRange    = errors.New("bucket: range outside the object")
)

// Info is what a store knows about an object.
type Info struct {
	Key      string
	Size     int64
	Modified time.Time // the store's clock; not for ordering
}

// Body is what an upload reads. Open is called once per attempt and must give the
// same Size bytes each time; the bytes may not change until every reader that was
// opened is closed.
type Body struct {
	Size int64
	Open func() (io.ReadCloser, error)
}

// Bucket stores immutable objects by key. Keys are slash-separated, of
// [A-Za-z0-9._-] parts, and never reused. All methods honour ctx and may be called
// from any goroutine.
type Bucket interface {
	// Create stores a new object, whole or not at all, and returns once it is
	// durable. ErrExists if the key is taken: by somebody else, or by an earlier
	// attempt of the caller whose outcome was unknown, so callers compare content.
	// Any other error leaves the outcome open: the object may appear later.
	Create(ctx context.Context, key string, body Body) error
	// Get reads n bytes from off; n < 0 means to the end. ErrNotFound, or ErrRange
	// when the range does not lie inside the object. The caller closes the reader.
	Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error)
	// Stat returns the object's size, or ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)
	// List calls fn for every object under prefix in key order, starting after the
	// key `after` if it is not empty; an error of fn stops it and is returned.
	List(ctx context.Context, prefix, after string, fn func(Info) error) error
	// Delete removes an object. Idempotent: a missing object is not an error.
	Delete(ctx context.Context, key string) error
	// Close releases connections. The bucket is not used afterwards.
	Close() error
}

// Adopter is implemented by buckets on a local file system that can take over a
// file without copying it.
type Adopter interface {
	// Adopt makes the file at path available as key by a hard link and returns once
	// the link is durable. Idempotent if key already is that file; ErrExists if it
	// is another. errors.ErrUnsupported where no link is possible (other file
	// system): the caller then copies through Create.
	Adopt(ctx context.Context, key, path string) error
}

// FileOpener is implemented by buckets whose objects are local files, so that a
// read can go from file to socket.
type FileOpener interface {
	// OpenFile opens the object for reading. The caller closes it.
	OpenFile(key string) (*os.File, error)
}
