// Package file is a bucket in a local folder: one file per object, under the
// object's key.
//
// An object appears whole or not at all: its bytes are written to a temporary file
// and synced, the file is linked to its name, the folder is synced. A link fails if
// the name is taken, which is what makes Create exclusive, also between processes.
// Names that begin with a dot are the bucket's own: `.tmp` has one locked folder
// per open Bucket.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// Bucket is an open folder. It implements bucket.Bucket, bucket.Adopter and
// bucket.FileOpener.
type Bucket struct {
	root    string
	folders *folders
	inst    *instance
	// shared: another process has the folder open, so what is found here may not be
	// durable yet.
	shared bool
	// uncounted: the file system does not count the names of a file.
	uncounted bool
}

// Open makes the folder if it is missing and removes what a process that was killed
// has left behind. Objects that such a process had linked and not synced are synced
// first, so everything that is found from now on is durable.
func Open(root string) (*Bucket, error) { return openWith(root, links) }

func openWith(root string, links func(os.FileInfo) uint64) (*Bucket, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("file bucket: %w", err)
	}
	if err := makeRoot(root); err != nil {
		return nil, fmt.Errorf("file bucket: %w", mapError(err))
	}
	inst, err := newInstance(root)
	if err != nil {
		return nil, fmt.Errorf("file bucket %s: %w", root, mapError(err))
	}
	inst.links = links
	counts, err := inst.countsLinks()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("file bucket %s: link a file: %w", root, mapError(err)), inst.close())
	}
	if !counts {
		inst.links = func(os.FileInfo) uint64 { return 2 }
	}
	shared, err := inst.cleanOthers()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("file bucket %s: remove leftovers: %w", root, mapError(err)), inst.close())
	}
	return &Bucket{root: root, folders: newFolders(root), inst: inst, shared: shared, uncounted: !counts}, nil
}

// makeRoot makes the root and the folder of temporary files durable.
func makeRoot(root string) error {
	if err := os.MkdirAll(filepath.Join(root, tempFolder), 0o755); err != nil {
		return err
	}
	if err := syncFolder(root); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(root))
}

// Root is the bucket's folder.
func (b *Bucket) Root() string { return b.root }

// Get opens a range of an object.
func (b *Bucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := b.OpenFile(key)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil {
		n, err = bucket.CheckRange(key, st.Size(), off, n)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &rangeReader{ctx: ctx, f: f, off: off, left: n}, nil
}

// rangeReader reads a part of a file and calls a file that became shorter an error.
type rangeReader struct {
	ctx       context.Context
	f         *os.File
	off, left int64
}

func (r *rangeReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.f.ReadAt(p[:min(int64(len(p)), r.left)], r.off)
	r.off += int64(n)
	r.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
		if r.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

func (r *rangeReader) Close() error { return r.f.Close() }

// Stat returns an object's size.
func (b *Bucket) Stat(ctx context.Context, key string) (bucket.Info, error) {
	if err := ctx.Err(); err != nil {
		return bucket.Info{}, err
	}
	f, err := b.OpenFile(key)
	if err != nil {
		return bucket.Info{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return bucket.Info{}, fmt.Errorf("file bucket: stat %s: %w", key, err)
	}
	return bucket.Info{Key: key, Size: st.Size(), Modified: st.ModTime()}, nil
}

// OpenFile opens an object for reading. The caller closes it.
func (b *Bucket) OpenFile(key string) (*os.File, error) {
	if err := bucket.CheckKey(key); err != nil {
		return nil, err
	}
	f, err := os.Open(b.path(key))
	if err != nil {
		return nil, fmt.Errorf("file bucket: open %s: %w", key, mapError(b.lost(err)))
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fs.ErrNotExist // the folder of other keys
	}
	if err == nil && b.shared {
		err = b.settle(f, key)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("file bucket: open %s: %w", key, mapError(err))
	}
	return f, nil
}

// settle makes an object durable that somebody else may have linked a moment ago.
func (b *Bucket) settle(f *os.File, key string) error {
	if err := f.Sync(); err != nil {
		return err
	}
	dir := filepath.Dir(b.path(key))
	if err := b.folders.settle(dir); err != nil {
		return err
	}
	return syncFolder(dir)
}

// Close removes the bucket's folder of temporary files. Objects stay.
func (b *Bucket) Close() error {
	if err := b.inst.close(); err != nil {
		return fmt.Errorf("file bucket %s: close: %w", b.root, err)
	}
	return nil
}

func (b *Bucket) path(key string) string {
	return filepath.Join(b.root, filepath.FromSlash(key))
}

// lost turns a name that is missing into ErrRefused if the bucket's own folder is not there
// either: then nothing is known about the object, and the store is what is missing.
func (b *Bucket) lost(err error) error {
	if !missing(err) {
		return err
	}
	switch st, rootErr := os.Stat(b.root); {
	case missing(rootErr), rootErr == nil && !st.IsDir():
		return fmt.Errorf("%w: its folder %s is not there (%v)", bucket.ErrRefused, b.root, err)
	case rootErr != nil:
		return fmt.Errorf("its folder %s: %w", b.root, rootErr)
	}
	return err
}

// mapError adds the port's error to what the operating system said about an object.
func mapError(err error) error {
	if missing(err) {
		return fmt.Errorf("%w (%w)", bucket.ErrNotFound, err)
	}
	return mapWriteError(err)
}

// mapWriteError is mapError for writes: a name that is missing there is a folder
// that somebody took away, not an object.
func mapWriteError(err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w (%w)", bucket.ErrNoRoom, err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w (%w)", bucket.ErrRefused, err)
	}
	return err
}

// hidden says whether a name in the folder rel is the bucket's own, or the file system's:
// no key has such a part, and lost+found is its administrator's to read.
func hidden(rel, name string) bool {
	return strings.HasPrefix(name, ".") || rel == "" && name == "lost+found"
}
