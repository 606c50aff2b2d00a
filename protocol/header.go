package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// RequestHeader is the part of a frame that every request begins with.
type RequestHeader struct {
	Key           int16
	Version       int16
	CorrelationID int32
	ClientID      string // "" if null
	HasClientID   bool   // false if the client id was null
	Size          int    // bytes of the header: the body begins there
}

// Limits of a header. No client sends tagged fields in one yet; Kafka itself once
// decoded millions of them before authentication (CVE-2026-111115).
const (
	maxHeaderTags     = 16
	maxHeaderTagBytes = 4 << 10
)

// ErrShort says that the bytes given end before what is decoded does. A caller that
// holds only the beginning of a frame reads more; with a whole frame it is an error.
var ErrShort = errors.New("protocol: frame ends too early")

// ParseRequestHeader decodes the header at the start of a frame (without its length
// field). The error is ErrShort, or says why the connection must be closed: a key Kafka
// does not have, since nothing can be answered then. It does not check that the API is
// served.
func ParseRequestHeader(b []byte) (RequestHeader, error) {
	var h RequestHeader
	if len(b) < 8 {
		return h, ErrShort
	}
	h.Key = int16(binary.BigEndian.Uint16(b))
	h.Version = int16(binary.BigEndian.Uint16(b[2:]))
	h.CorrelationID = int32(binary.BigEndian.Uint32(b[4:]))
	h.Size = 8
	if Lookup(h.Key) == nil {
		return h, fmt.Errorf("protocol: unknown API key %d", h.Key)
	}
	version := RequestHeaderVersion(h.Key, h.Version)
	if version == 0 {
		return h, nil
	}
	if err := h.parseClientID(b); err != nil || version == 1 {
		return h, err
	}
	return h, h.skipTags(b)
}

// parseClientID reads the client id, which has an int16 length in every header version
// so that a broker can read it before it understands the rest (KIP-482).
func (h *RequestHeader) parseClientID(b []byte) error {
	if len(b) < h.Size+2 {
		return ErrShort
	}
	n := int(int16(binary.BigEndian.Uint16(b[h.Size:])))
	h.Size += 2
	if n < 0 {
		if n != -1 {
			return fmt.Errorf("protocol: client id of length %d", n)
		}
		return nil
	}
	if len(b) < h.Size+n {
		return ErrShort
	}
	h.ClientID, h.HasClientID = string(b[h.Size:h.Size+n]), true
	h.Size += n
	return nil
}

func (h *RequestHeader) skipTags(b []byte) error {
	r := reader{b: b, at: h.Size}
	n := r.uvarint()
	if !r.ok() {
		return r.err
	}
	if n > maxHeaderTags {
		return fmt.Errorf("protocol: %d tagged fields in a request header", n)
	}
	for range n {
		r.uvarint()
		size := r.uvarint()
		if r.ok() && size > maxHeaderTagBytes {
			return fmt.Errorf("protocol: tagged field of %d bytes in a request header", size)
		}
		r.skip(int(size))
	}
	h.Size = r.at
	return r.err
}
