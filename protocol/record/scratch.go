package record

import (
	"bytes"
	"context"
	"io"
	"math"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"golang.org/x/sync/semaphore"

	"github.com/streamhouse/streamhouse/protocol"
)

// Decoders take their buffers from shares, so that all that run at the same time take
// bounded memory. Decoding is bound by the CPU and its source is in memory, so a wait for a
// share is short, unless a batch is made to be slow; therefore small decoders never wait
// behind larger ones: each size has a share of its own, in bytes.
//
// LZ4 frames with the blocks of 4 MiB that Go clients write are of the middle size, those
// of Java's producers are small, or of the middle with zstd; windows of zstd above 8 MiB and
// large blocks of snappy are large.
var decodeShares = [...]struct {
	upTo  int64 // a decoder takes
	total int64
	free  *semaphore.Weighted
}{
	share(retain, 8<<20, 4<<20),
	share(middleDecoder, 24<<20, 4<<20),
	share(largestDecoder, largestDecoder, 8<<20),
}

func share(upTo, least, each int64) (s struct {
	upTo  int64
	total int64
	free  *semaphore.Weighted
}) {
	s.upTo, s.total = upTo, max(least, int64(runtime.GOMAXPROCS(0))*each)
	s.free = semaphore.NewWeighted(s.total)
	return s
}

const (
	middleDecoder = 12 << 20
	// largestDecoder is more than a decoder of any codec takes.
	largestDecoder = snappyMaxBlock
)

// limits bound a walk over compressed records.
type limits struct {
	record int   // bytes of one record
	batch  int64 // bytes of all; 0: nothing does
	wait   context.Context
}

var unlimited = limits{record: math.MaxInt32}

// late is the refusal of what the client does not wait for any more.
func late() error {
	return protocol.Errorf(protocol.RequestTimedOut, "the request's time was over before its batch was decompressed")
}

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
func (s *Scratch) walkCompressed(t *tally, codec Codec, data []byte, n int32, most limits) error {
	need, err := decoderSize(codec, data)
	if err != nil {
		return err
	}
	s, done, err := s.borrow(most.wait, codec, need)
	if err != nil {
		return err
	}
	defer done()
	if err := s.open(codec, data); err != nil {
		return err
	}
	s.win.most, s.win.wait = most.batch, most.wait
	return t.walkStream(&s.win, codec, n, most.record)
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
// much, a pooled Scratch. The function gives both back. The error is REQUEST_TIMED_OUT when
// wait ends first.
func (s *Scratch) borrow(wait context.Context, codec Codec, need int64) (*Scratch, func(), error) {
	at := 0
	for need > decodeShares[at].upTo && at < len(decodeShares)-1 {
		at++
	}
	share := decodeShares[at].free
	if !share.TryAcquire(need) {
		if wait == nil {
			wait = context.Background()
		}
		if share.Acquire(wait, need) != nil { // need is at most largestDecoder
			return nil, nil, late()
		}
	}
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
		share.Release(need)
	}, nil
}

// release lets go of the source.
func (s *Scratch) release() {
	s.src.Reset(nil)
	s.win.src, s.win.most, s.win.wait = nil, 0, nil
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
