package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/streamhouse/streamhouse/storage/bucket"
)

// copyStep is how many bytes are copied between two looks at the context.
const copyStep = 8 << 20

// linkTries bounds how often a folder that somebody removed meanwhile is made anew.
const linkTries = 5

// Create writes the body to a temporary file and links it to its name.
func (b *Bucket) Create(ctx context.Context, key string, body bucket.Body) error {
	if err := bucket.CheckKey(key); err != nil {
		return err
	}
	temp, err := b.writeTemp(ctx, body)
	if err != nil {
		return fmt.Errorf("file bucket: create %s: %w", key, mapWriteError(err))
	}
	err = b.link(temp, key)
	// The temporary name has done its duty whatever happened; if it cannot be
	// removed, the next Open does it.
	_ = os.Remove(temp)
	if err != nil {
		return fmt.Errorf("file bucket: create %s: %w", key, mapWriteError(err))
	}
	return nil
}

// writeTemp returns the name of a synced temporary file with the body's bytes.
func (b *Bucket) writeTemp(ctx context.Context, body bucket.Body) (string, error) {
	name := b.inst.tempName()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	err = fill(ctx, f, body)
	err = errors.Join(err, f.Close())
	if err != nil {
		_ = os.Remove(name)
		return "", err
	}
	return name, nil
}

// fill copies a body into a new file and syncs it.
func fill(ctx context.Context, f *os.File, body bucket.Body) error {
	r, err := body.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", bucket.ErrBody, err)
	}
	defer r.Close()
	for left := body.Size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(f, r, min(left, copyStep))
		left -= n
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: it ends %d bytes early", bucket.ErrBody, left)
		}
		if err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f.Sync()
}

// link gives the file at path the name of key, durably. The folder may be removed
// by a Delete of another process between its making and the link: then again.
func (b *Bucket) link(path, key string) error {
	target := b.path(key)
	dir := filepath.Dir(target)
	b.folders.enter(dir)
	defer b.folders.leave(dir)
	for try := 1; ; try++ {
		if err := b.folders.settle(dir); err != nil {
			return err
		}
		err := os.Link(path, target)
		switch {
		case err == nil:
			return syncFolder(dir)
		case errors.Is(err, fs.ErrExist):
			return b.believe(key, err)
		case errors.Is(err, fs.ErrNotExist) && try < linkTries:
			b.folders.forget(dir)
		default:
			return err
		}
	}
}

// believe returns ErrExists once the object that is in the way is durable: the
// caller will rely on it.
func (b *Bucket) believe(key string, cause error) error {
	f, err := os.Open(b.path(key))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := b.settle(f, key); err != nil {
		return err
	}
	return fmt.Errorf("%w (%w)", bucket.ErrExists, cause)
}

// Adopt links the file at path, which nobody writes any more, to key.
func (b *Bucket) Adopt(ctx context.Context, key, path string) error {
	if err := bucket.CheckKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.uncounted {
		return fmt.Errorf("file bucket: adopt %s: %w: the file system does not count the links of a file, so nobody could tell whose it is", key, errors.ErrUnsupported)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("file bucket: adopt %s: %w", key, err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("file bucket: adopt %s: sync %s: %w", key, path, mapWriteError(err))
	}
	err = b.link(path, key)
	switch {
	case err == nil, errors.Is(err, bucket.ErrExists) && b.isFile(key, f):
		return nil
	case noLink(err):
		return fmt.Errorf("file bucket: adopt %s: %w (%w)", key, errors.ErrUnsupported, err)
	}
	return fmt.Errorf("file bucket: adopt %s: %w", key, mapWriteError(err))
}

// isFile says whether the object is the open file.
func (b *Bucket) isFile(key string, f *os.File) bool {
	have, err := os.Stat(b.path(key))
	if err != nil {
		return false
	}
	want, err := f.Stat()
	return err == nil && os.SameFile(have, want)
}

// noLink says whether the error means that this file can not be linked here.
func noLink(err error) bool {
	for _, no := range []error{syscall.EXDEV, syscall.EPERM, syscall.EMLINK, syscall.ENOTSUP, syscall.ENOSYS} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}
