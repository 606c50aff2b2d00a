// Package cache stands between readers and sealed objects. Objects of a local
// bucket are read from their files, which stay open for a while; objects of a
// remote one are read in blocks, which stay in memory for a while.
//
// It knows nothing of what the bytes mean. Objects never change, so nothing here
// is ever out of date; Forget only frees what a deleted object occupied.
package cache

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// Source reads one object. It may be used from several goroutines until Close.
type Source interface {
	// ReadAt is io.ReaderAt's. Of a remote object it waits no longer than the
	// context that the source was opened with. An error wraps bucket.ErrNotFound if
	// the object is gone.
	io.ReaderAt
	// File returns the open local file behind the source, or nil. It stays valid
	// until Close.
	File() *os.File
	// Close gives up the caller's hold.
	Close() error
}

// Options are the bounds. Zero fields get the defaults.
type Options struct {
	// Local objects.
	FilesMax int // files kept open when nobody reads them; default 256
	OpenMax  int // files open at all; a read that needs one more fails. 0: no bound

	// Remote objects.
	MemoryBytes int64         // of blocks in memory; default 256 MiB
	BlockBytes  int64         // of one block; default 512 KiB
	AheadBytes  int64         // read ahead of a sequential reader; default 4 MiB
	FetchesMax  int           // requests under way at once; default 16
	FetchTime   time.Duration // bound of one request with its retries, without its bytes on a slow line; default 1 min
	RequestSize int64         // most bytes asked for in one request; default 4 MiB

	// Verify is asked about every block that comes from a remote object, before
	// anybody sees it; nil: no check. off is the block's place in the object.
	Verify func(key string, off int64, block []byte) error

	// Registry gets the metrics, at most once per registry; nil: none does.
	Registry prometheus.Registerer
}

func (o Options) withDefaults() Options {
	def := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&o.MemoryBytes, 256<<20)
	def(&o.BlockBytes, 512<<10)
	def(&o.AheadBytes, 4<<20)
	def(&o.RequestSize, 4<<20)
	if o.FilesMax <= 0 {
		o.FilesMax = 256
	}
	if o.FetchesMax <= 0 {
		o.FetchesMax = 16
	}
	if o.FetchTime <= 0 {
		o.FetchTime = time.Minute
	}
	o.MemoryBytes = max(o.MemoryBytes, o.BlockBytes)
	o.RequestSize = max(o.RequestSize, o.BlockBytes)
	o.AheadBytes = min(o.AheadBytes, o.MemoryBytes/2) // else it would push itself out
	return o
}

// Objects opens sealed objects of one bucket.
type Objects struct {
	files  *files  // nil: the bucket is remote
	blocks *blocks // nil: the bucket is local
}

// NewObjects makes a cache over b. Close it before b.
func NewObjects(b bucket.Bucket, o Options) *Objects {
	o = o.withDefaults()
	m := newMetrics(o.Registry)
	if bucket.Local(b) {
		return &Objects{files: newFiles(b, o.FilesMax, o.OpenMax, m)}
	}
	return &Objects{blocks: newBlocks(b, o, m)}
}

// Open opens the object of the given size. A local object that is missing or has
// another size is an error now, a remote one when it is read. An error wraps
// bucket.ErrNotFound if the object is missing.
func (o *Objects) Open(ctx context.Context, key string, size int64) (Source, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.files != nil {
		return o.files.open(key, size)
	}
	return &remote{ctx: ctx, blocks: o.blocks, key: key, size: size}, nil
}

// Forget lets go of a deleted object. Sources that are open stay usable as far as
// the bucket's Delete allows.
func (o *Objects) Forget(key string) {
	if o.files != nil {
		o.files.forget(key)
		return
	}
	o.blocks.forget(key)
}

// Close waits for requests under way and closes the files that nobody holds; the
// others are closed by their last holder.
func (o *Objects) Close() error {
	if o.files != nil {
		return o.files.close()
	}
	o.blocks.close()
	return nil
}

// remote is a Source over blocks.
type remote struct {
	ctx    context.Context
	blocks *blocks
	key    string
	size   int64
}

func (r *remote) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("cache: read %s at %d: %w", r.key, off, bucket.ErrRange)
	}
	n := min(int64(len(p)), max(r.size-off, 0))
	if err := r.blocks.read(r.ctx, r.key, r.size, p[:n], off); err != nil {
		return 0, fmt.Errorf("cache: read %d bytes of %s at %d: %w", n, r.key, off, err)
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// Distrust lets go of every block of the object: what its reader found in one does not
// check, and is to be fetched anew. A local file has nothing to let go of.
func (r *remote) Distrust() { r.blocks.forget(r.key) }

func (r *remote) File() *os.File { return nil }
func (r *remote) Close() error   { return nil }
