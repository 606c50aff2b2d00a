package bucket

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
)

// Bytes is a Body of memory that nobody changes any more.
func Bytes(b []byte) Body {
	return Body{
		Size: int64(len(b)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil },
	}
}

// LocalFile is a Body of the first size bytes of the file at path, which nobody
// changes any more.
func LocalFile(path string, size int64) Body {
	return Body{Size: size, Open: func() (io.ReadCloser, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		return limitedFile{io.LimitReader(f, size), f}, nil
	}}
}

type limitedFile struct {
	io.Reader
	io.Closer
}

// ReadAll returns a whole object of at most limit bytes.
func ReadAll(ctx context.Context, b Bucket, key string, limit int64) ([]byte, error) {
	r, err := b.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: more than %d bytes", key, limit)
	}
	return data, nil
}

// Guarded is a reader whose Close ends every use of the bytes behind it: after
// Close no Read touches them, whoever still holds the reader. An HTTP transport may
// go on reading a request's body after it has returned a response; Guarded is what
// stands between it and memory that is about to be used again. Read copies, since
// it is the only method: a transport cannot keep a view.
type Guarded struct {
	mu sync.Mutex
	r  io.ReadCloser // nil when closed
}

// Guard takes over r.
func Guard(r io.ReadCloser) *Guarded { return &Guarded{r: r} }

// Read reads from the guarded reader, or fails with os.ErrClosed after Close.
func (g *Guarded) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.r == nil {
		return 0, os.ErrClosed
	}
	return g.r.Read(p)
}

// Close waits for a Read under way and closes the guarded reader, once.
func (g *Guarded) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.r == nil {
		return nil
	}
	err := g.r.Close()
	g.r = nil
	return err
}
