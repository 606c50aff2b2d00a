package record

import (
	"encoding/binary"
	"hash/crc32"
)

// Producer is the producer part of a batch header.
type Producer struct {
	ID       int64
	Epoch    int16
	Sequence int32 // of the first record
}

// NoProducer is the producer part of a batch that has none.
var NoProducer = Producer{ID: -1, Epoch: -1, Sequence: -1}

// Builder builds one uncompressed batch, for what the broker itself writes: records of
// coordinators and transaction markers.
type Builder struct {
	Producer      Producer
	Transactional bool
	Control       bool

	buf     []byte // header and records
	scratch []byte
	records int32
	base    int64 // timestamp of the first record
	largest int64
}

// NewBuilder returns a builder of a batch without a producer.
func NewBuilder() *Builder { return &Builder{Producer: NoProducer} }

// Append adds a record. A nil key or value is null.
func (b *Builder) Append(timestamp int64, key, value []byte, headers ...Field) {
	if b.records == 0 {
		b.buf = append(b.buf[:0], make([]byte, HeaderSize)...)
		b.base, b.largest = timestamp, timestamp
	}
	b.largest = max(b.largest, timestamp)
	body := append(b.scratch[:0], 0) // attributes
	body = appendVarint(body, timestamp-b.base)
	body = appendVarint(body, int64(b.records))
	body = appendField(body, key)
	body = appendField(body, value)
	body = appendVarint(body, int64(len(headers)))
	for _, h := range headers {
		body = appendVarint(body, int64(len(h.Key)))
		body = append(body, h.Key...)
		body = appendField(body, h.Value)
	}
	b.scratch = body
	b.buf = appendVarint(b.buf, int64(len(body)))
	b.buf = append(b.buf, body...)
	b.records++
}

func appendField(dst, v []byte) []byte {
	if v == nil {
		return appendVarint(dst, -1)
	}
	return append(appendVarint(dst, int64(len(v))), v...)
}

// Len is the number of records so far.
func (b *Builder) Len() int { return int(b.records) }

// Size is the size of the batch so far in bytes, 0 without a record.
func (b *Builder) Size() int {
	if b.records == 0 {
		return 0
	}
	return len(b.buf)
}

// Batch returns the batch, with base offset 0 and leader epoch -1, or nil without a
// record. It is valid until the builder is used again.
func (b *Builder) Batch() []byte {
	if b.records == 0 {
		return nil
	}
	h := Header{
		LeaderEpoch: -1, Magic: 2, LastOffsetDelta: b.records - 1, Records: b.records,
		BaseTimestamp: b.base, MaxTimestamp: b.largest,
		ProducerID: b.Producer.ID, ProducerEpoch: b.Producer.Epoch, BaseSequence: b.Producer.Sequence,
	}
	if b.Transactional {
		h.Attributes |= attrTransactional
	}
	if b.Control {
		h.Attributes |= attrControl
	}
	putHeader(b.buf, &h)
	return b.buf
}

// Reset forgets the records and keeps the memory.
func (b *Builder) Reset() { b.records = 0 }

// putHeader writes h in front of the records of the batch b, with the length and the CRC
// that they have.
func putHeader(b []byte, h *Header) {
	be := binary.BigEndian
	be.PutUint64(b[0:], uint64(h.BaseOffset))
	be.PutUint32(b[8:], uint32(len(b)-prefixSize))
	be.PutUint32(b[12:], uint32(h.LeaderEpoch))
	b[magicAt] = byte(h.Magic)
	be.PutUint16(b[crcStart:], uint16(h.Attributes))
	be.PutUint32(b[23:], uint32(h.LastOffsetDelta))
	be.PutUint64(b[27:], uint64(h.BaseTimestamp))
	be.PutUint64(b[35:], uint64(h.MaxTimestamp))
	be.PutUint64(b[43:], uint64(h.ProducerID))
	be.PutUint16(b[51:], uint16(h.ProducerEpoch))
	be.PutUint32(b[53:], uint32(h.BaseSequence))
	be.PutUint32(b[57:], uint32(h.Records))
	be.PutUint32(b[magicEnd:], crc32.Checksum(b[crcStart:], Castagnoli))
}
