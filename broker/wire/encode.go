package wire

import "encoding/binary"

// Encoder appends the fields of an answer that is encoded by hand; Fields is its
// counterpart for requests.
type Encoder struct {
	B        []byte
	Flexible bool // compact lengths and tagged fields
}

// Int16 appends a fixed field.
func (e *Encoder) Int16(v int16) { e.B = binary.BigEndian.AppendUint16(e.B, uint16(v)) }

// Int32 appends a fixed field.
func (e *Encoder) Int32(v int32) { e.B = binary.BigEndian.AppendUint32(e.B, uint32(v)) }

// Int64 appends a fixed field.
func (e *Encoder) Int64(v int64) { e.B = binary.BigEndian.AppendUint64(e.B, uint64(v)) }

// UUID appends its 16 bytes.
func (e *Encoder) UUID(v [16]byte) { e.B = append(e.B, v[:]...) }

// Uvarint appends an unsigned varint.
func (e *Encoder) Uvarint(v uint64) { e.B = binary.AppendUvarint(e.B, v) }

// Raw appends bytes as they are.
func (e *Encoder) Raw(b ...byte) { e.B = append(e.B, b...) }

// Array appends the length of an array.
func (e *Encoder) Array(n int) {
	if e.Flexible {
		e.Uvarint(uint64(n) + 1)
		return
	}
	e.Int32(int32(n))
}

// Bytes appends the length of a byte field whose bytes follow.
func (e *Encoder) Bytes(n int) { e.Array(n) }

// String appends a string that is not null.
func (e *Encoder) String(s string) {
	if e.Flexible {
		e.Uvarint(uint64(len(s)) + 1)
	} else {
		e.Int16(int16(len(s)))
	}
	e.B = append(e.B, s...)
}

// Nullable appends a string that may be null.
func (e *Encoder) Nullable(s *string) {
	switch {
	case s != nil:
		e.String(*s)
	case e.Flexible:
		e.Uvarint(0)
	default:
		e.Int16(-1)
	}
}

// NoTags ends a structure without tagged fields.
func (e *Encoder) NoTags() {
	if e.Flexible {
		e.Uvarint(0)
	}
}
