package record

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"golang.org/x/sync/semaphore"
)

// decodeMemory bounds the buffers of all decoders that run at the same time, in bytes.
// Decoding is bound by the CPU and its source is in memory, so waiting for a share is
// short, and more decoders at once would not be faster.
const decodeMemory = 128 << 20

var decodeShares = semaphore.NewWeighted(decodeMemory)

// Scratch holds decoders and their buffers between calls, up to about 2 MiB once every
// codec was seen. The zero value is ready; it is for one goroutine at a time.
type Scratch struct {
	win    window
	src    bytes.Reader
	gzip   *gzip.Reader
	snappy snappyReader
	lz4    *lz4.Reader
	zstd   *zstd.Decoder
	frames zstdFrames
}

// walkCompressed walks n records compressed in data. s may be nil.
func (s *Scratch) walkCompressed(t *tally, codec Codec, data []byte, n int32, maxRecord int) error {
	need, err := decoderSize(codec, data)
	if err != nil {
		return err
	}
	s, done := s.borrow(need)
	defer done()
	if err := s.open(codec, data); err != nil {
		return err
	}
	return t.walkStream(&s.win, codec, n, maxRecord)
}

// retain is how large the buffers of a decoder may be that a connection keeps.
const retain = 1 << 20

// scratches and largeScratches are apart so that one large batch does not leave a large
// buffer behind in each Scratch, and the next one finds what the last one left.
var (
	scratches      = sync.Pool{New: func() any { return new(Scratch) }}
	largeScratches = sync.Pool{New: func() any { return new(Scratch) }}
)

// borrow takes a share of the memory for decoding and, if s is nil or not meant for so
// much, a pooled Scratch. The function gives both back.
func (s *Scratch) borrow(need int64) (*Scratch, func()) {
	// It cannot fail: need is below decodeMemory for every codec, and nothing cancels it.
	_ = decodeShares.Acquire(context.Background(), need)
	var pool *sync.Pool
	if need > retain {
		pool = &largeScratches
	} else if s == nil {
		pool = &scratches
	}
	if pool != nil {
		s = pool.Get().(*Scratch)
	}
	return s, func() {
		s.release()
		if pool != nil {
			pool.Put(s)
		}
		decodeShares.Release(need)
	}
}

// release lets go of the source.
func (s *Scratch) release() {
	s.src.Reset(nil)
	s.win.src = nil
	s.snappy.rest, s.snappy.chunk = nil, nil
	s.frames.data = nil
}

// decoderSize bounds the memory that decoding data takes, in bytes, before any of it is
// allocated.
func decoderSize(codec Codec, data []byte) (int64, error) {
	switch codec {
	case CodecGzip:
		return 64 << 10, nil
	case CodecSnappy:
		largest, err := snappyLargest(data)
		return int64(largest), err
	case CodecLZ4:
		return lz4Size(data)
	case CodecZstd:
		return zstdSize(data), nil
	}
	return 0, invalid("unknown compression codec %d", int8(codec))
}

// open points the window at the decompressed records.
func (s *Scratch) open(codec Codec, data []byte) error {
	src, err := s.decoder(codec, data)
	if err != nil {
		return invalid("the batch's %s data is broken: %v", codec, err)
	}
	s.win.reset(src)
	return nil
}

func (s *Scratch) decoder(codec Codec, data []byte) (io.Reader, error) {
	s.src.Reset(data)
	var err error
	switch codec {
	case CodecGzip:
		if s.gzip == nil {
			s.gzip, err = gzip.NewReader(&s.src)
			return s.gzip, err
		}
		return s.gzip, s.gzip.Reset(&s.src)
	case CodecSnappy:
		s.snappy.reset(data)
		return &s.snappy, nil
	case CodecLZ4:
		if s.lz4 == nil {
			s.lz4 = lz4.NewReader(nil)
		}
		s.lz4.Reset(&s.src)
		return s.lz4, nil
	case CodecZstd:
		s.frames.reset(data)
		if s.zstd == nil {
			s.zstd, err = zstd.NewReader(&s.frames, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(zstdMaxWindow))
			return s.zstd, err
		}
		return s.zstd, s.zstd.Reset(&s.frames)
	}
	return &s.src, nil
}
