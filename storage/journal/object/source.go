package object

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/journal"
)

// openSource opens an object of the given size: as a local file where the bucket has
// files, else by requests.
func (j *Journal) openSource(key string, size int64) (journal.Source, error) {
	if bucket.Local(j.cfg.Bucket) {
		f, err := bucket.OpenFile(j.cfg.Bucket, key)
		if err != nil {
			return nil, notExist(err)
		}
		return localSource{f}, nil
	}
	if size == 0 { // the caller knows only which pack it wants
		err := j.retry(context.Background(), nil, func(t *try) (bool, error) {
			info, err := j.cfg.Bucket.Stat(t, key)
			size = info.Size
			return bucket.Final(err), err
		})
		if err != nil {
			return nil, notExist(err)
		}
	}
	return &source{j: j, key: key, size: size}, nil
}

// notExist makes an object that is gone a volume that was released.
func notExist(err error) error {
	if errors.Is(err, bucket.ErrNotFound) {
		return fmt.Errorf("journal: %w: %w", fs.ErrNotExist, err)
	}
	return fmt.Errorf("journal: %w", err)
}

// localSource is an object that is a local file.
type localSource struct{ f *os.File }

func (s localSource) ReadAt(b []byte, off int64) (int, error) { return s.f.ReadAt(b, off) }

func (s localSource) File() *os.File { return s.f }

func (s localSource) Close() error { return s.f.Close() }

// source reads an object by ranges.
type source struct {
	j    *Journal
	key  string
	size int64
}

// ReadAt reads by one request, which is taken up where it broke off when it fails. It is
// bounded by GiveUpAfter without a byte, and by its size at a rate of readRate.
func (s *source) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off >= s.size {
		return 0, io.EOF
	}
	n := min(int64(len(b)), s.size-off)
	have := int64(0)
	err := s.j.retry(context.Background(), nil, func(t *try) (bool, error) {
		r, err := s.j.cfg.Bucket.Get(t, s.key, off+have, n-have)
		if err != nil {
			return bucket.Final(err), err
		}
		defer r.Close()
		got, err := io.ReadFull(alive{r, t}, b[have:n])
		have += int64(got)
		return err == nil, err
	})
	if err != nil {
		return 0, notExist(err)
	}
	if n < int64(len(b)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

func (s *source) File() *os.File { return nil }

func (s *source) Close() error { return nil }
