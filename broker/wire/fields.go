package wire

import "encoding/binary"

// maxTags bounds the tagged fields of one structure: no request has more than five.
const maxTags = 64

// Fields reads a frame's fields from an Input as they arrive. After the first error
// every call returns zero values and Err says what went wrong: ErrFrameEnd, or what
// the connection said.
type Fields struct {
	In *Input
	// Flexible: lengths are compact and structures end in tagged fields (KIP-482).
	Flexible bool
	Err      error
}

func (f *Fields) peek(n int) []byte {
	if f.Err != nil {
		return nil
	}
	b, err := f.In.Peek(n)
	if err != nil {
		f.Err = err
		return nil
	}
	return b
}

func (f *Fields) skip(n int) {
	if f.Err == nil {
		f.Err = f.In.Skip(n)
	}
}

// Int16 reads two bytes.
func (f *Fields) Int16() (v int16) {
	if b := f.peek(2); b != nil {
		v = int16(binary.BigEndian.Uint16(b))
		f.skip(2)
	}
	return v
}

// Int32 reads four bytes.
func (f *Fields) Int32() (v int32) {
	if b := f.peek(4); b != nil {
		v = int32(binary.BigEndian.Uint32(b))
		f.skip(4)
	}
	return v
}

// UUID reads sixteen bytes.
func (f *Fields) UUID() (v [16]byte) {
	if b := f.peek(16); b != nil {
		copy(v[:], b)
		f.skip(16)
	}
	return v
}

// uvarint reads an unsigned variable-length number of at most 32 bits.
func (f *Fields) uvarint() uint32 {
	if f.Err != nil {
		return 0
	}
	b := f.peek(1)
	if b == nil {
		return 0
	}
	if b[0] < 0x80 {
		v := uint32(b[0])
		f.skip(1)
		return v
	}
	for n := 2; n <= 5; n++ {
		if b = f.peek(n); b == nil {
			return 0
		}
		if b[n-1] >= 0x80 {
			continue
		}
		v, size := binary.Uvarint(b)
		if size != n || v > 1<<32-1 {
			break
		}
		f.skip(n)
		return uint32(v)
	}
	f.Err = ErrFrameEnd
	return 0
}

// length reads a length of the fixed width, or a compact one; -1 means null.
func (f *Fields) length(fixed func() int) int {
	if f.Flexible {
		return int(f.uvarint()) - 1
	}
	return fixed()
}

func (f *Fields) short() int { return int(f.Int16()) }
func (f *Fields) long() int  { return int(f.Int32()) }

// String reads a string that may not be null. The bytes are valid until the next
// call.
func (f *Fields) String() []byte {
	b := f.NullableString()
	if b == nil && f.Err == nil {
		f.Err = ErrFrameEnd
	}
	return b
}

// NullableString reads a string; null is nil.
func (f *Fields) NullableString() []byte {
	n := f.length(f.short)
	switch {
	case f.Err != nil || n == -1:
		return nil
	case n < 0 || n > 1<<15-1:
		f.Err = ErrFrameEnd
		return nil
	}
	b := f.peek(n)
	if b != nil {
		f.skip(n)
	}
	return b
}

// Bytes reads the length of a byte field and leaves its bytes where they are; -1 is
// null.
func (f *Fields) Bytes() int {
	n := f.length(f.long)
	if f.Err == nil && (n < -1 || n > f.In.Left()) {
		f.Err = ErrFrameEnd
	}
	if f.Err != nil {
		return -1
	}
	return n
}

// Array reads the length of an array whose elements take at least least bytes each,
// so that a length which cannot be true is refused before anything relies on it. It
// may not be null.
func (f *Fields) Array(least int) int {
	n := f.length(f.long)
	if f.Err == nil && (n < 0 || n*least > f.In.Left()) {
		f.Err = ErrFrameEnd
	}
	if f.Err != nil {
		return 0
	}
	return n
}

// Tags skips a structure's tagged fields, if the version has them.
func (f *Fields) Tags() {
	if !f.Flexible || f.Err != nil {
		return
	}
	n := f.uvarint()
	if n > maxTags {
		f.Err = ErrFrameEnd
	}
	for ; n > 0 && f.Err == nil; n-- {
		f.uvarint()
		f.skip(int(f.uvarint()))
	}
}
