package record

import (
	"encoding/binary"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// encoder is what the codecs' writers have in common.
type encoder interface {
	io.WriteCloser
	Reset(io.Writer)
}

// encoders pools writers of one codec and level.
type encoders struct {
	pool sync.Pool
	make func() (encoder, error)
}

func (p *encoders) get() (encoder, error) {
	if e, ok := p.pool.Get().(encoder); ok {
		return e, nil
	}
	return p.make()
}

// put lets go of what the encoder wrote to and keeps it.
func (p *encoders) put(e encoder) {
	e.Reset(io.Discard)
	p.pool.Put(e)
}

// pools are made on first use. The keys are few: levels are mapped to those that an
// encoder tells apart.
var pools sync.Map // poolKey -> *encoders

type poolKey struct {
	codec Codec
	level int
}

func encoderPool(codec Codec, level int) (*encoders, error) {
	key := poolKey{codec, encoderLevel(codec, level)}
	if p, ok := pools.Load(key); ok {
		return p.(*encoders), nil
	}
	if codec < CodecNone || codec > CodecZstd {
		return nil, invalid("unknown compression codec %d", int8(codec))
	}
	p, _ := pools.LoadOrStore(key, &encoders{make: func() (encoder, error) { return newEncoder(key) }})
	return p.(*encoders), nil
}

// encoderLevel maps Kafka's levels: gzip 1-9 or -1; lz4 1-17, of which 9, the default,
// is the fast compressor in Java; zstd -131072-22, in the four steps there are here.
func encoderLevel(codec Codec, level int) int {
	switch codec {
	case CodecGzip:
		if level < 1 || level > 9 {
			return gzip.DefaultCompression
		}
		return level
	case CodecLZ4:
		if level < 1 || level == 9 {
			return 0
		}
		return min(level, 9)
	case CodecZstd:
		if level == 0 {
			level = 3
		}
		return int(zstd.EncoderLevelFromZstd(level))
	}
	return 0
}

func newEncoder(key poolKey) (encoder, error) {
	switch key.codec {
	case CodecGzip:
		return gzip.NewWriterLevel(nil, key.level)
	case CodecSnappy:
		return &xerialWriter{}, nil
	case CodecLZ4:
		w := lz4.NewWriter(nil)
		level := lz4.Fast
		if key.level > 0 {
			level = lz4.CompressionLevel(1 << (8 + key.level))
		}
		// Independent 64 KiB blocks, as Java's clients write and require them.
		return w, w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false),
			lz4.ConcurrencyOption(1), lz4.CompressionLevelOption(level))
	case CodecZstd:
		// A window beyond 1 MiB would help few batches and cost every consumer.
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevel(key.level)), zstd.WithEncoderConcurrency(1),
			zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
	}
	return &plainWriter{}, nil
}

// plainWriter compresses nothing.
type plainWriter struct{ io.Writer }

func (w *plainWriter) Reset(dst io.Writer) { w.Writer = dst }

func (w *plainWriter) Close() error { return nil }

// xerialBlock is how much Java's clients put into one chunk.
const xerialBlock = 32 << 10

// xerialWriter writes snappy in Xerial's framing, the form that every client reads.
type xerialWriter struct {
	dst     io.Writer
	started bool
	block   []byte
	out     []byte
}

// Reset begins a new stream.
func (w *xerialWriter) Reset(dst io.Writer) {
	w.dst, w.started, w.block = dst, false, w.block[:0]
}

// Write implements io.Writer.
func (w *xerialWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), xerialBlock-len(w.block))
		w.block = append(w.block, p[:k]...)
		p = p[k:]
		if len(w.block) == xerialBlock {
			if err := w.flush(); err != nil {
				return n - len(p), err
			}
		}
	}
	return n, nil
}

// Close writes what is left. It does not close what it writes to.
func (w *xerialWriter) Close() error { return w.flush() }

func (w *xerialWriter) flush() error {
	out := w.out[:0]
	if !w.started {
		out = append(out, xerialMagic...)
		out = binary.BigEndian.AppendUint32(out, 1) // version
		out = binary.BigEndian.AppendUint32(out, 1) // lowest compatible version
		w.started = true
	}
	if len(w.block) > 0 {
		at := len(out)
		out = append(out, 0, 0, 0, 0)
		// The encoder writes at the start of a buffer that is large enough.
		need := at + 4 + s2.MaxEncodedLen(len(w.block))
		if cap(out) < need {
			out = append(make([]byte, 0, need), out...)
		}
		block := s2.EncodeSnappy(out[at+4:need], w.block)
		binary.BigEndian.PutUint32(out[at:], uint32(len(block)))
		out = out[:at+4+len(block)]
		w.block = w.block[:0]
	}
	w.out = out
	_, err := w.dst.Write(out)
	return err
}
