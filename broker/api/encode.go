package api

import "encoding/binary"

// encoder appends the fields of an answer that is encoded by hand.
type encoder struct {
	b        []byte
	flexible bool // compact lengths and tagged fields
}

func (e *encoder) int16(v int16)    { e.b = binary.BigEndian.AppendUint16(e.b, uint16(v)) }
func (e *encoder) int32(v int32)    { e.b = binary.BigEndian.AppendUint32(e.b, uint32(v)) }
func (e *encoder) int64(v int64)    { e.b = binary.BigEndian.AppendUint64(e.b, uint64(v)) }
func (e *encoder) uuid(v [16]byte)  { e.b = append(e.b, v[:]...) }
func (e *encoder) uvarint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) raw(b ...byte)    { e.b = append(e.b, b...) }

// array appends the length of an array.
func (e *encoder) array(n int) {
	if e.flexible {
		e.uvarint(uint64(n) + 1)
		return
	}
	e.int32(int32(n))
}

// bytes appends the length of a byte field whose bytes follow.
func (e *encoder) bytes(n int) { e.array(n) }

func (e *encoder) string(s string) {
	if e.flexible {
		e.uvarint(uint64(len(s)) + 1)
	} else {
		e.int16(int16(len(s)))
	}
	e.b = append(e.b, s...)
}

// nullable appends a string that may be null.
func (e *encoder) nullable(s *string) {
	switch {
	case s != nil:
		e.string(*s)
	case e.flexible:
		e.uvarint(0)
	default:
		e.int16(-1)
	}
}

// noTags ends a structure without tagged fields.
func (e *encoder) noTags() {
	if e.flexible {
		e.uvarint(0)
	}
}

// leader appends a LeaderIdAndEpoch as the tagged field tag, the only one of its
// structure (KIP-951).
func (e *encoder) leader(tag uint64, id, epoch int32) {
	e.uvarint(1)
	e.uvarint(tag)
	e.uvarint(9)
	e.int32(id)
	e.int32(epoch)
	e.uvarint(0)
}

// endpoints appends NodeEndpoints as the tagged field tag, the only one of its
// structure: this broker as clients of a listener see it (KIP-951).
func (e *encoder) endpoints(tag uint64, node *Node, listener string) {
	at := node.Endpoint(listener)
	body := encoder{flexible: true}
	body.array(1)
	body.int32(node.ID)
	body.string(at.Host)
	body.int32(at.Port)
	body.nullable(node.Rack)
	body.noTags()
	e.uvarint(1)
	e.uvarint(tag)
	e.uvarint(uint64(len(body.b)))
	e.raw(body.b...)
}
