package record

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// A zstd decoder sets its window aside as soon as a frame begins. Java's producers
// declare the window of their level whatever they send: 2 MiB at level 3, 128 MiB at
// level 22, for a batch of a few KiB. So the frame's blocks are counted first (their
// headers tell, without decoding) and the decoder is shown a window no larger than what
// can come out of them, and no larger than zstdMaxWindow in any case. A match that
// reaches back further than that fails; it takes a batch that expands beyond 32 MiB and
// was compressed at level 20 or above.
const (
	zstdMagic     = 0xFD2FB528
	zstdMaxWindow = 32 << 20
	zstdMinWindow = 128 << 10 // a smaller one would forbid full blocks
	zstdMaxBlock  = 128 << 10
	// zstdOverhead is what a decoder needs beside its window: two blocks and tables.
	zstdOverhead = 512 << 10
)

// zstdHeader is a frame header, decoded.
type zstdHeader struct {
	size       int // bytes
	descriptor byte
	single     bool   // a single segment: the window is the content
	window     uint64 // bytes
	tail       []byte // dictionary id and content size fields
}

// parseZstdHeader decodes the frame header that b begins with.
//
// Source: RFC 8878, section 3.1.1.1.
func parseZstdHeader(b []byte) (h zstdHeader, ok bool) {
	if len(b) < 6 || binary.LittleEndian.Uint32(b) != zstdMagic {
		return h, false
	}
	h.descriptor = b[4]
	h.single = h.descriptor&0x20 != 0
	at := 5
	if !h.single {
		h.window = 1 << (10 + b[at]>>3)
		h.window += h.window / 8 * uint64(b[at]&7)
		at++
	}
	dict := [4]int{0, 1, 2, 4}[h.descriptor&3]
	content := [4]int{0, 2, 4, 8}[h.descriptor>>6]
	if h.single && content == 0 {
		content = 1
	}
	h.size = at + dict + content
	if len(b) < h.size {
		return h, false
	}
	h.tail = b[at:h.size]
	if h.single {
		var field [8]byte
		copy(field[:], b[at+dict:h.size])
		h.window = binary.LittleEndian.Uint64(field[:])
		if content == 2 {
			h.window += 256
		}
	}
	return h, true
}

// zstdFrame finds the end of the frame that b begins with and bounds what comes out of
// it. The block headers are enough for both.
func zstdFrame(b []byte, h *zstdHeader) (size int, content uint64, ok bool) {
	at := h.size
	for {
		if len(b)-at < 3 {
			return 0, 0, false
		}
		block := uint32(b[at]) | uint32(b[at+1])<<8 | uint32(b[at+2])<<16
		at += 3
		n := int(block >> 3)
		switch block >> 1 & 3 {
		case 0: // raw
			content += uint64(n)
			at += n
		case 1: // one byte repeated
			content += uint64(n)
			at++
		case 2:
			content += zstdMaxBlock
			at += n
		default:
			return 0, 0, false
		}
		if at > len(b) {
			return 0, 0, false
		}
		if block&1 != 0 { // the last one
			break
		}
	}
	if h.descriptor&4 != 0 { // checksum
		at += 4
	}
	return at, content, at <= len(b)
}

// shownWindow is the window the decoder is shown, as an exponent of two, and whether it
// differs from the one that the frame declares.
func shownWindow(h *zstdHeader, content uint64) (log int, changed bool) {
	want := min(max(content, zstdMinWindow), zstdMaxWindow)
	if h.window <= want {
		return bits.Len64(max(h.window, 1) - 1), false
	}
	return bits.Len64(want - 1), true
}

// zstdSize bounds the memory for decoding data by the largest window shown, or the
// largest there is when some of data is no frame.
func zstdSize(data []byte) int64 {
	var window uint64
	for len(data) > 0 {
		h, ok := parseZstdHeader(data)
		if !ok {
			return zstdMaxWindow + zstdOverhead
		}
		size, content, ok := zstdFrame(data, &h)
		if !ok {
			return zstdMaxWindow + zstdOverhead
		}
		log, _ := shownWindow(&h, content)
		window = max(window, 1<<log)
		data = data[size:]
	}
	return int64(window) + zstdOverhead
}

// zstdFrames is data as the decoder is shown it: frame headers with smaller windows,
// everything else as it is. It stops to rewrite at the first thing that is no whole
// frame, and leaves the judgement to the decoder, which never sees a window above
// zstdMaxWindow.
type zstdFrames struct {
	data   []byte   // not read yet
	header []byte   // a rewritten header, not read yet
	buf    [18]byte // where it is
	frame  int      // bytes of data up to the end of the frame
	raw    bool
}

func (f *zstdFrames) reset(data []byte) {
	f.data, f.header, f.frame, f.raw = data, nil, 0, false
}

// Read implements io.Reader.
func (f *zstdFrames) Read(p []byte) (int, error) {
	if f.frame == 0 && len(f.header) == 0 {
		f.next()
	}
	if len(f.header) > 0 {
		n := copy(p, f.header)
		f.header = f.header[n:]
		return n, nil
	}
	if len(f.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, f.data[:f.frame])
	f.data = f.data[n:]
	f.frame -= n
	return n, nil
}

// next looks at the frame that data begins with.
func (f *zstdFrames) next() {
	f.frame = len(f.data)
	if f.raw || len(f.data) == 0 {
		return
	}
	h, ok := parseZstdHeader(f.data)
	var size int
	var content uint64
	if ok {
		size, content, ok = zstdFrame(f.data, &h)
	}
	if !ok {
		f.raw = true
		return
	}
	f.frame = size
	log, changed := shownWindow(&h, content)
	if !changed {
		return
	}
	// A single segment with a content size of one byte, which does not exist without the
	// segment bit, is never rewritten: it is smaller than any window shown.
	header := append(f.buf[:0], f.data[:4]...)
	header = append(header, h.descriptor&^0x20, byte(log-10)<<3)
	f.header = append(header, h.tail...)
	f.data = f.data[h.size:]
	f.frame -= h.size
}
