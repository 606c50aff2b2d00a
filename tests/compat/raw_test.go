package compat

import (
	"bytes"
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// raw encodes a request with what an encoder would not do.
type raw struct {
	kmsg.Request
	patch func([]byte) []byte
}

// AppendTo implements kmsg.Request.
func (r raw) AppendTo(dst []byte) []byte {
	body := r.Request.AppendTo(nil)
	body = nullify(body, null, r.IsFlexible(), false)
	body = nullify(body, nulls, r.IsFlexible(), true)
	if r.patch != nil {
		body = r.patch(body)
	}
	return append(dst, body...)
}

// nullify replaces each string marker by null, with the array around it if it is the
// only element of one.
func nullify(body []byte, marker string, flexible, array bool) []byte {
	from, to := binary.BigEndian.AppendUint16(nil, uint16(len(marker))), []byte{0xff, 0xff}
	if flexible {
		from, to = []byte{byte(len(marker) + 1)}, []byte{0}
	}
	from = append(from, marker...)
	if array && flexible {
		from = append([]byte{2}, from...)
	} else if array {
		from, to = append([]byte{0, 0, 0, 1}, from...), []byte{0xff, 0xff, 0xff, 0xff}
	}
	return bytes.ReplaceAll(body, from, to)
}
