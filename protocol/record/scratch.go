package record

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"golang.org/x/sync/semaphore"
)

// decodeMemory bounds the buffers of all decoders that run at the same time, in bytes.
// Decoding is bound by the CPU and its source is in memory, so waiting for a share is
// short, and more decoders at once would not be faster: 16 MiB for each processor are two
// LZ4 frames with the blocks of 4 MiB that Go clients write.
var decodeMemory = int64(max(largestDecoder, runtime.GOMAXPROCS(0)*16<<20))

// largestDecoder is more than a decoder of any codec takes.
const largestDecoder = snappyMaxBlock

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
	s, done := s.borrow(codec, need)
	defer done()
	if err := s.open(codec, data); err != nil {
		return err
	}
	return t.walkStream(&s.win, codec, n, maxRecord)
}

// retain is how large the buffers of a decoder may be that a connection keeps.
const retain = 1 << 20

// A large batch borrows from largeScratches, by codec, so that it leaves no large buffer
// behind in each Scratch, and none for a codec that did not account for it.
var (
	scratches      sync.Pool
	largeScratches [CodecZstd + 1]sync.Pool
)

// pool returns the pool for a decoder of a codec that takes need bytes.
func pool(codec Codec, need int64) *sync.Pool {
	if need > retain {
		return &largeScratches[codec]
	}
	return &scratches
}

func pooled(p *sync.Pool) *Scratch {
	if s, ok := p.Get().(*Scratch); ok {
		return s
	}
	return new(Scratch)
}

// borrow takes a share of the memory for decoding and, if s is nil or not meant for so
// much, a pooled Scratch. The function gives both back.
func (s *Scratch) borrow(codec Codec, need int64) (*Scratch, func()) {
	// It cannot fail: need is at most largestDecoder, and nothing cancels it.
	_ = decodeShares.Acquire(context.Background(), need)
	var from *sync.Pool
	if s == nil || need > retain {
		from = pool(codec, need)
		s = pooled(from)
	}
	return s, func() {
		s.release()
		if from != nil {
			from.Put(s)
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
