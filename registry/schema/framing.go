package schema

import (
	"encoding/binary"
	"errors"
)

// Headers of a record that carry the name of its schema, and Protobuf's message indexes
// behind it; the payload is bare then.
const (
	KeyHeader   = "__key_schema_id"
	ValueHeader = "__value_schema_id"
)

// Frame is how a record names its schema.
type Frame struct {
	// ID is above 0 if the schema is named by id, else GUID names it.
	ID   int32
	GUID GUID
}

// The first byte of a name says what follows: 4 bytes of id, or 16 of GUID.
const (
	magicID   = 0
	magicGUID = 1
)

// Errors of framing.
var (
	ErrNotFramed = errors.New("the record does not begin with the name of a schema")
	ErrIndexes   = errors.New("the message indexes do not parse")
)

// indexesMax bounds a list of message indexes: that is how deep messages may be nested.
const indexesMax = DepthMax

// ReadFrame reads the name in front of a payload and returns the rest. The error is
// ErrNotFramed.
func ReadFrame(b []byte) (Frame, []byte, error) {
	if len(b) >= 5 && b[0] == magicID {
		if id := int32(binary.BigEndian.Uint32(b[1:])); id > 0 {
			return Frame{ID: id}, b[5:], nil
		}
	}
	if len(b) >= 17 && b[0] == magicGUID {
		return Frame{GUID: GUID(b[1:17])}, b[17:], nil
	}
	return Frame{}, b, ErrNotFramed
}

// Append puts the name in front of a payload.
func (f Frame) Append(b []byte) []byte {
	if f.ID > 0 {
		return binary.BigEndian.AppendUint32(append(b, magicID), uint32(f.ID))
	}
	return append(append(b, magicGUID), f.GUID[:]...)
}

// ReadIndexes reads Protobuf's message indexes, zigzag varints behind their number, and
// returns the rest; a number of 0 stands for the first message. The error is ErrIndexes.
func ReadIndexes(b []byte) ([]int, []byte, error) {
	count, n := binary.Varint(b)
	if n <= 0 || count < 0 || count > indexesMax {
		return nil, b, ErrIndexes
	}
	rest := b[n:]
	if count == 0 {
		return []int{0}, rest, nil
	}
	out := make([]int, count)
	for i := range out {
		v, n := binary.Varint(rest)
		if n <= 0 || v < 0 || v > 1<<31-1 {
			return nil, b, ErrIndexes
		}
		out[i], rest = int(v), rest[n:]
	}
	return out, rest, nil
}

// AppendIndexes is what ReadIndexes reads.
func AppendIndexes(b []byte, indexes []int) []byte {
	if len(indexes) == 1 && indexes[0] == 0 {
		return append(b, 0)
	}
	b = binary.AppendVarint(b, int64(len(indexes)))
	for _, i := range indexes {
		b = binary.AppendVarint(b, int64(i))
	}
	return b
}
