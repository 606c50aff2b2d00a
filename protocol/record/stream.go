package record

import (
	"context"
	"errors"
	"io"

	"github.com/streamhouse/streamhouse/protocol"
)

// windowSize is the size of the buffer between a decoder and the walk. Records that fit
// are walked in it like uncompressed ones; larger ones pass through it.
const windowSize = 64 << 10

// window is a sliding view of a decompressed stream. After the first error of the
// source, err is set and reads fail.
type window struct {
	src  io.Reader
	buf  []byte
	r, w int
	err  error
	pos  int64 // bytes consumed so far

	most  int64           // bytes that may come in all; 0: any number
	wait  context.Context // ends the work; may be nil
	asked int64           // bytes that had come when it was last looked at
}

// lookEvery is how many bytes come between two looks at whether anybody waits for them.
const lookEvery = 1 << 20

// goesOn says why not, if the source is to be read no further.
func (s *window) goesOn() error {
	came := s.pos + int64(s.w-s.r)
	if s.most > 0 && came > s.most {
		return protocol.Errorf(protocol.MessageTooLarge, "the batch holds more than the %d bytes, decompressed, that max.decompressed.batch.bytes allows", s.most)
	}
	if s.wait != nil && came-s.asked >= lookEvery {
		if s.asked = came; s.wait.Err() != nil {
			return late()
		}
	}
	return nil
}

func (s *window) reset(src io.Reader) {
	if s.buf == nil {
		s.buf = make([]byte, windowSize)
	}
	s.src, s.r, s.w, s.err, s.pos, s.asked = src, 0, 0, nil, 0, 0
}

// fill tries to have n bytes in the window (n <= windowSize) and returns what there is.
func (s *window) fill(n int) []byte {
	if s.w-s.r >= n {
		return s.buf[s.r:s.w]
	}
	if s.r+n > len(s.buf) {
		s.w = copy(s.buf, s.buf[s.r:s.w])
		s.r = 0
	}
	for empty := 0; s.w-s.r < n && s.err == nil; {
		var k int
		k, s.err = s.src.Read(s.buf[s.w:])
		s.w += k
		if stop := s.goesOn(); stop != nil {
			s.err = stop
		}
		if empty++; k > 0 {
			empty = 0
		} else if empty > 100 && s.err == nil {
			s.err = io.ErrNoProgress
		}
	}
	return s.buf[s.r:s.w]
}

func (s *window) advance(n int) {
	s.r += n
	s.pos += int64(n)
}

func (s *window) varint() (int32, bool) {
	v, n := varint(s.fill(5), 0)
	if n < 0 {
		return 0, false
	}
	s.advance(n)
	return v, true
}

func (s *window) varlong() (int64, bool) {
	v, n := varlong(s.fill(10), 0)
	if n < 0 {
		return 0, false
	}
	s.advance(n)
	return v, true
}

func (s *window) skip(n int64) bool {
	for n > 0 {
		have := len(s.fill(1))
		if have == 0 {
			return false
		}
		k := min(int64(have), n)
		s.advance(int(k))
		n -= k
	}
	return true
}

// atEnd reads to the end of the source, where a codec checks its sums, and says whether
// there was nothing left.
func (s *window) atEnd() bool { return len(s.fill(1)) == 0 && errors.Is(s.err, io.EOF) }

// fault tells a broken stream from a stream of broken records.
func (s *window) fault(codec Codec, i int32) error {
	if refused := new(protocol.Error); errors.As(s.err, &refused) {
		return refused
	}
	if s.err != nil && !errors.Is(s.err, io.EOF) {
		return invalid("the batch's %s data is broken: %v", codec, s.err)
	}
	return invalid("record %d is malformed, or its offset is not the next one", i)
}

// walkStream walks n records from a decompressed stream.
func (t *tally) walkStream(s *window, codec Codec, n int32, maxRecord int) error {
	for i := range n {
		size, ok := s.varint()
		if !ok || size < 0 {
			return s.fault(codec, i)
		}
		if int64(size) > int64(maxRecord) {
			return invalid("record %d has %d bytes, more than the %d that max.decompressed.message.bytes allows", i, size, maxRecord)
		}
		if int(size) > windowSize {
			ok = t.addStream(s, int64(size))
		} else if rec := s.fill(int(size)); len(rec) < int(size) {
			ok = false
		} else {
			ok = t.add(rec[:size:size])
			s.advance(int(size))
		}
		if !ok {
			return s.fault(codec, i)
		}
		if t.stopped {
			return nil
		}
	}
	if !s.atEnd() {
		if s.err != nil && !errors.Is(s.err, io.EOF) {
			return s.fault(codec, n)
		}
		return invalid("the batch holds more than the %d records it declares", n)
	}
	t.bytes += s.pos
	return nil
}

// addStream does what add does for a record that is larger than the window.
func (t *tally) addStream(s *window, size int64) bool {
	end := s.pos + size
	if !s.skip(1) { // attributes
		return false
	}
	timeDelta, ok := s.varlong()
	if !ok {
		return false
	}
	delta, ok := s.varint()
	if !ok {
		return false
	}
	keySize, ok := s.field(end)
	if !ok {
		return false
	}
	t.nullKey |= keySize
	if _, ok = s.field(end); !ok {
		return false
	}
	headers, ok := s.varint()
	if !ok || headers < 0 || int64(headers) > end-s.pos {
		return false
	}
	for range headers {
		if key, ok := s.field(end); !ok || key < 0 {
			return false
		}
		if _, ok := s.field(end); !ok {
			return false
		}
	}
	return s.pos == end && t.count(delta, timeDelta, keySize < 0)
}

// field moves over a length and as many bytes, which must lie before end. The length is
// -1 for null.
func (s *window) field(end int64) (int32, bool) {
	size, ok := s.varint()
	if !ok || size < -1 || int64(size) > end-s.pos {
		return 0, false
	}
	return size, s.skip(int64(size))
}
