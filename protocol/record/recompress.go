package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/streamhouse/streamhouse/protocol"
)

// Recompression says how Recompress writes a batch.
type Recompression struct {
	Codec Codec // not CodecProducer
	// Level is compression.gzip.level, compression.lz4.level or compression.zstd.level;
	// 0 is the codec's default.
	Level int
	// MaxBytes bounds the batch that comes out (max.message.bytes, which Kafka applies to
	// a batch as received and as stored).
	MaxBytes int
	// Wait is that of Rules.
	Wait context.Context
}

var errTooLarge = errors.New("record: larger than allowed")

// Recompress appends to dst the batch, which Validate has just passed (what comes out gets
// a CRC of its own, so the one that came in must have been checked), with its records compressed by another
// codec. Offsets, timestamps, producer and record contents stay as they are. The records
// are streamed from decoder to encoder: memory is what comes out, which is bounded, and an
// encoder of a few MiB.
// The error is MESSAGE_TOO_LARGE, or INVALID_RECORD if the batch cannot be decompressed;
// dst is then as it was.
func Recompress(dst, batch []byte, o Recompression) ([]byte, error) {
	h, batch, err := stored(batch)
	if err != nil {
		return dst, err
	}
	data := batch[HeaderSize:]
	var need int64
	if h.Codec() != CodecNone {
		if need, err = decoderSize(h.Codec(), data); err != nil {
			return dst, err
		}
	}
	s, done, err := (*Scratch)(nil).borrow(o.Wait, h.Codec(), need)
	if err != nil {
		return dst, err
	}
	defer done()
	src, err := s.decoder(h.Codec(), data)
	if err != nil {
		return dst, invalid("the batch's %s data is broken: %v", h.Codec(), err)
	}
	out := &boundedWriter{b: append(dst, batch[:HeaderSize]...), max: len(dst) + o.MaxBytes}
	if err := encode(out, src, o.Codec, o.Level); err != nil {
		if errors.Is(err, errTooLarge) {
			return dst, protocol.Errorf(protocol.MessageTooLarge, "record batch as %s is larger than the %d bytes that max.message.bytes allows", o.Codec, o.MaxBytes)
		}
		return dst, invalid("record batch cannot be recompressed as %s: %v", o.Codec, err)
	}
	h.Attributes = h.Attributes&^attrCodecMask | int16(o.Codec)
	putHeader(out.b[len(dst):], &h)
	return out.b, nil
}

// compress appends records, compressed by a codec at its default level, to dst.
func compress(dst, records []byte, codec Codec) ([]byte, error) {
	out := &boundedWriter{b: dst, max: math.MaxInt32}
	err := encode(out, bytes.NewReader(records), codec, 0)
	return out.b, err
}

// boundedWriter appends to b until it would be longer than max.
type boundedWriter struct {
	b   []byte
	max int
}

// Write implements io.Writer.
func (w *boundedWriter) Write(p []byte) (int, error) {
	if len(p) > w.max-len(w.b) {
		return 0, errTooLarge
	}
	w.b = append(w.b, p...)
	return len(p), nil
}

// encode compresses what src yields into dst. Decoding faults of src come back as they are.
func encode(dst io.Writer, src io.Reader, codec Codec, level int) error {
	pool, err := encoderPool(codec, level)
	if err != nil {
		return err
	}
	enc, err := pool.get()
	if err != nil {
		return fmt.Errorf("encoder for %s: %w", codec, err)
	}
	defer pool.put(enc)
	enc.Reset(dst)
	// Only Read and Write are left visible: the codecs' WriteTo and ReadFrom would
	// bring buffers of their own.
	if _, err := io.Copy(struct{ io.Writer }{enc}, struct{ io.Reader }{src}); err != nil {
		return err
	}
	return enc.Close()
}
