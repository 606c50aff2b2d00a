package record

import (
	"bytes"
	"hash/crc32"
	"iter"
)

// Batch is one batch in a row of stored batches.
type Batch struct {
	Header Header
	Bytes  []byte // the whole batch
}

// Batches iterates over the whole batches that b is a row of. It ends with a
// CORRUPT_MESSAGE if b does not end where a batch does. CRCs are not checked.
func Batches(b []byte) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for len(b) > 0 {
			h, batch, err := stored(b)
			if err != nil {
				yield(Batch{}, err)
				return
			}
			if !yield(Batch{Header: h, Bytes: batch}, nil) {
				return
			}
			b = b[len(batch):]
		}
	}
}

// CheckCRC compares a stored batch with its checksum: CORRUPT_MESSAGE if they differ. Whoever
// gives a batch a new one looks first, or would vouch for what is broken.
func CheckCRC(b *Batch) error {
	if sum := crc32.Checksum(b.Bytes[crcStart:], Castagnoli); sum != b.Header.CRC {
		return corrupt("stored batch at offset %d has CRC %08x, its header says %08x", b.Header.BaseOffset, sum, b.Header.CRC)
	}
	return nil
}

// Record is one record of a batch.
type Record struct {
	Offset    int64
	Timestamp int64  // ms, NoTimestamp if it has none
	Key       []byte // nil if null
	Value     []byte // nil if null
	Headers   []Field
}

// Field is a record header: a key, which need not be unique, and a value.
type Field struct {
	Key   string
	Value []byte // nil if null
}

// Records iterates over the records of a stored batch, decompressing it if need be. A
// Record with everything in it is valid until the next one: its bytes lie in pooled memory
// and are overwritten then, so that whoever keeps them is found by any test. maxRecord bounds one record
// in bytes: the memory of a compressed batch is one record and a decoder. The iteration
// ends with an error, INVALID_RECORD or CORRUPT_MESSAGE, if the batch is not sound.
func Records(batch []byte, maxRecord int) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		h, b, err := stored(batch)
		if err == nil {
			err = scan(b, &h, maxRecord, func(_ []byte, r *Record) bool { return yield(r, nil) })
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

// scan tells visit of each record of a batch, as it is stored (without its length) and
// decoded, until visit returns false.
func scan(b []byte, h *Header, maxRecord int, visit func(raw []byte, r *Record) bool) error {
	if h.Records <= 0 {
		return nil
	}
	// No share of the decoding memory is held here: visit is the caller's code and might
	// decode another batch.
	data := b[HeaderSize:]
	var need int64
	if h.Codec() != CodecNone {
		var err error
		if need, err = decoderSize(h.Codec(), data); err != nil {
			return err
		}
	}
	from := pool(h.Codec(), need)
	s := pooled(from)
	defer from.Put(s)
	defer s.release()
	if err := s.open(h.Codec(), data); err != nil {
		return err
	}
	return scanStream(&s.win, h, maxRecord, visit)
}

func scanStream(s *window, h *Header, maxRecord int, visit func([]byte, *Record) bool) error {
	var large bytes.Buffer
	var r Record
	last := int64(-1)
	for i := range h.Records {
		size, ok := s.varint()
		if !ok || size < 0 {
			return s.fault(h.Codec(), i)
		}
		if int64(size) > int64(maxRecord) {
			return invalid("record %d has %d bytes, more than the %d allowed", i, size, maxRecord)
		}
		raw := s.take(int(size), &large)
		if len(raw) < int(size) {
			return s.fault(h.Codec(), i)
		}
		delta, ok := r.parse(raw, h)
		if !ok || delta <= last || delta > int64(h.LastOffsetDelta) {
			return s.fault(h.Codec(), i)
		}
		last = delta
		more := visit(raw, &r)
		poison(raw)
		if !more {
			return nil
		}
	}
	if !s.atEnd() {
		return invalid("the batch at offset %d does not end with its %d records", h.BaseOffset, h.Records)
	}
	return nil
}

// poisoned is what a record's bytes become once it is no longer valid.
var poisoned = [1 << 10]byte(bytes.Repeat([]byte{0xDB}, 1<<10))

// poison overwrites a record that has been visited. It is done always, not in test builds
// alone: it costs little beside decoding, and a view that was kept shows everywhere alike.
func poison(raw []byte) {
	for len(raw) > 0 {
		raw = raw[copy(raw, poisoned[:]):]
	}
}

// take returns the next n bytes, or fewer at the end, in the window or in large, which
// grows as they come and not as they are claimed.
func (s *window) take(n int, large *bytes.Buffer) []byte {
	if n <= windowSize {
		b := s.fill(n)
		b = b[:min(n, len(b))]
		s.advance(len(b))
		return b
	}
	large.Reset()
	for large.Len() < n {
		b := s.fill(1)
		if len(b) == 0 {
			break
		}
		b = b[:min(len(b), n-large.Len())]
		large.Write(b)
		s.advance(len(b))
	}
	return large.Bytes()
}

// parse decodes a record and returns its offset delta.
func (r *Record) parse(raw []byte, h *Header) (delta64 int64, ok bool) {
	timeDelta, at := varlong(raw, 1)
	delta, at := varint(raw, at)
	r.Key, at = field(raw, at)
	r.Value, at = field(raw, at)
	n, at := varint(raw, at)
	if at < 0 || n < 0 || int(n) > len(raw)-at {
		return 0, false
	}
	r.Headers = r.Headers[:0]
	for range n {
		var key, value []byte
		key, at = field(raw, at)
		value, at = field(raw, at)
		if at < 0 || key == nil {
			return 0, false
		}
		r.Headers = append(r.Headers, Field{Key: string(key), Value: value})
	}
	r.Offset = h.BaseOffset + int64(delta)
	r.Timestamp = h.BaseTimestamp + timeDelta
	if h.LogAppendTime() {
		r.Timestamp = h.MaxTimestamp
	}
	return int64(delta), at == len(raw)
}

// field reads a length and as many bytes: nil for -1, else not nil.
func field(b []byte, at int) ([]byte, int) {
	size, at := varint(b, at)
	switch {
	case at < 0 || size < -1 || int(size) > len(b)-at:
		return nil, failed
	case size < 0:
		return nil, at
	}
	end := at + int(size)
	return b[at:end:end], end
}
