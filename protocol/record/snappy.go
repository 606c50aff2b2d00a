package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/klauspost/compress/s2"
)

// Snappy arrives in two forms. Java's clients and several others write Xerial's framing:
// a header, then chunks of a length and a raw block each, 32 KiB by default. librdkafka
// and franz-go write one raw block. A raw block names its decoded length at its start
// and must be decoded as a whole, so that length is checked first.
const (
	xerialHeader = 16 // magic, version and lowest compatible version
	// snappyRatio bounds how far a block can expand: a copy of 3 bytes makes at most 64.
	// A block that claims more lies.
	snappyRatio = 22
	// snappyMaxBlock bounds the decoded length of one block. What a client sends raw is
	// at most its own batch size before compression, 1 MiB by default.
	snappyMaxBlock = 64 << 20
)

var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

var (
	errSnappyLength = errors.New("snappy: a block claims more than it can hold")
	errSnappyChunk  = errors.New("snappy: a chunk is cut short")
)

// snappyReader streams the blocks of either form; it holds one decoded block.
type snappyReader struct {
	rest   []byte // what is not decoded yet
	framed bool
	buf    []byte // where blocks are decoded to
	chunk  []byte // what of buf was not read yet
}

func (s *snappyReader) reset(data []byte) {
	s.rest, s.framed = cutXerial(data)
	s.chunk = nil
}

func cutXerial(data []byte) (rest []byte, framed bool) {
	if len(data) >= xerialHeader && bytes.HasPrefix(data, xerialMagic) {
		return data[xerialHeader:], true
	}
	return data, false
}

// nextBlock cuts the next raw block off data. A header in the place of a chunk begins a
// concatenated stream.
func nextBlock(data []byte, framed bool) (block, rest []byte, err error) {
	if !framed {
		return data, nil, nil
	}
	for bytes.HasPrefix(data, xerialMagic) && len(data) >= xerialHeader {
		data = data[xerialHeader:]
	}
	if len(data) == 0 {
		return nil, nil, nil
	}
	if len(data) < 4 {
		return nil, nil, errSnappyChunk
	}
	n := int64(binary.BigEndian.Uint32(data))
	if n > int64(len(data)-4) {
		return nil, nil, errSnappyChunk
	}
	return data[4 : 4+n], data[4+n:], nil
}

// blockLength is the decoded length of a block, checked.
func blockLength(block []byte) (int, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return 0, err
	}
	if n > snappyMaxBlock || int64(n) > int64(len(block))*snappyRatio {
		return 0, errSnappyLength
	}
	return n, nil
}

// snappyLargest is the decoded length of the largest block in data.
func snappyLargest(data []byte) (int, error) {
	rest, framed := cutXerial(data)
	largest := 0
	for len(rest) > 0 {
		block, next, err := nextBlock(rest, framed)
		if err != nil {
			return 0, invalid("the batch's snappy data is broken: %v", err)
		}
		if len(block) > 0 {
			n, err := blockLength(block)
			if err != nil {
				return 0, invalid("the batch's snappy data is broken: %v", err)
			}
			largest = max(largest, n)
		}
		rest = next
	}
	return largest, nil
}

// Read implements io.Reader.
func (s *snappyReader) Read(p []byte) (int, error) {
	for len(s.chunk) == 0 {
		if len(s.rest) == 0 {
			return 0, io.EOF
		}
		block, rest, err := nextBlock(s.rest, s.framed)
		if err != nil {
			return 0, err
		}
		s.rest = rest
		if len(block) == 0 {
			continue
		}
		if err := s.decode(block); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.chunk)
	s.chunk = s.chunk[n:]
	return n, nil
}

func (s *snappyReader) decode(block []byte) error {
	n, err := blockLength(block)
	if err != nil {
		return err
	}
	if cap(s.buf) < n {
		s.buf = make([]byte, max(n, 64<<10))
	}
	s.chunk, err = s2.Decode(s.buf[:cap(s.buf)], block)
	return err
}
