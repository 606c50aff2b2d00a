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
	// ErrKey: the key does not follow the rules of CheckKey.
	ErrKey = errors.New("bucket: not a valid key")
	// ErrNoRoom: the store is full. Nothing was stored.
	ErrNoRoom = errors.New("bucket: no room")
	// ErrAway: the store was asked several times and gave no answer.
	ErrAway = errors.New("bucket: no answer")
	// ErrRefused: the store understood the request and says no (credentials,
	// permissions, no such bucket). Trying again does not help.
	ErrRefused = errors.New("bucket: refused by the store")
	// ErrBody: the caller's body cannot be opened or is shorter than it said.
	// Nothing was stored.
	ErrBody = errors.New("bucket: the body cannot be read")
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

// Bucket stores immutable objects by key. CheckKey has the rules for keys; a key is
// never reused, and no key is the folder of another (not both "a" and "a/b"). All
// methods honour ctx and may be called from any goroutine.
//
// An object that Get, Stat or List shows, or that makes Create return ErrExists, is
// durable: an adapter that cannot know that makes it so before it answers.
type Bucket interface {
	// Create stores a new object, whole or not at all, and returns once it is
	// durable. ErrExists if the key is taken: by somebody else, or by an earlier
	// attempt of the caller whose outcome was unknown, so callers compare content.
	// Any other error leaves the outcome open: the object may appear later.
	Create(ctx context.Context, key string, body Body) error
	// Get reads n bytes from off; n < 0 means to the end. ErrNotFound, or ErrRange
	// when the range does not lie inside the object (0 <= off, off+n <= size). The
	// reader yields exactly that many bytes or an error other than io.EOF. The
	// caller closes it.
	Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error)
	// Stat returns the object's size, or ErrNotFound.
	Stat(ctx context.Context, key string) (Info, error)
	// List calls fn for every object under prefix in key order, starting after the
	// key `after` if it is not empty; an error of fn stops it and is returned. The
	// prefix is compared as a string and may be empty or end within a part.
	List(ctx context.Context, prefix, after string, fn func(Info) error) error
	// Delete removes objects, in as few requests as the store has for it. Idempotent: a
	// missing object is not an error. When it fails some are gone and some are not. What a
	// reader that is already open sees afterwards is not defined: callers delete
	// only what nobody has used for longer than the longest read.
	Delete(ctx context.Context, keys ...string) error
	// Close releases connections. The bucket is not used afterwards.
	Close() error
}

// Adopter is implemented by buckets on a local file system that can take over a
// file without copying it. Call it through Adopt, which finds it behind wrappers.
type Adopter interface {
	// Adopt makes the file at path available as key by a hard link and returns once
	// the link is durable. Idempotent if key already is that file; ErrExists if it
	// is another. errors.ErrUnsupported where no link is possible (other file
	// system): the caller then copies through Create.
	Adopt(ctx context.Context, key, path string) error
}

// FileOpener is implemented by buckets whose objects are local files, so that a
// read can go from file to socket. Call it through OpenFile, which finds it behind
// wrappers.
type FileOpener interface {
	// OpenFile opens the object for reading. The caller closes it.
	OpenFile(key string) (*os.File, error)
}

// UploadRemover is implemented by buckets where an upload that was broken off leaves
// something behind that costs room and is in no listing. Call it through
// RemoveStaleUploads, which finds it behind wrappers.
type UploadRemover interface {
	// RemoveStaleUploads removes what uploads left that began before the given time
	// (the store's clock), and returns how many. The time must be further back than
	// the longest upload takes.
	RemoveStaleUploads(ctx context.Context, before time.Time) (int, error)
}
