package protocol

import (
	"encoding/binary"
	"errors"
)

var errVarint = errors.New("protocol: varint longer than 5 bytes")

// reader walks a frame without copying or allocating. After its first error it stays
// where it is and returns zeros.
type reader struct {
	b   []byte
	at  int
	err error
}

func (r *reader) ok() bool { return r.err == nil }

func (r *reader) left() int { return len(r.b) - r.at }

// skip moves over n bytes.
func (r *reader) skip(n int) {
	if r.err != nil {
		return
	}
	if n < 0 || n > len(r.b)-r.at {
		r.err = ErrShort
		return
	}
	r.at += n
}

func (r *reader) int16() int16 {
	if r.err != nil || r.left() < 2 {
		r.skip(2)
		return 0
	}
	v := int16(binary.BigEndian.Uint16(r.b[r.at:]))
	r.at += 2
	return v
}

func (r *reader) int32() int32 {
	if r.err != nil || r.left() < 4 {
		r.skip(4)
		return 0
	}
	v := int32(binary.BigEndian.Uint32(r.b[r.at:]))
	r.at += 4
	return v
}

// uvarint reads an unsigned varint of at most 32 bits.
func (r *reader) uvarint() uint32 {
	if r.err != nil {
		return 0
	}
	var v uint64
	for i := range 5 {
		if r.at+i >= len(r.b) {
			r.err = ErrShort
			return 0
		}
		c := r.b[r.at+i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			if v > 1<<32-1 {
				r.err = errVarint
				return 0
			}
			r.at += i + 1
			return uint32(v)
		}
	}
	r.err = errVarint
	return 0
}
