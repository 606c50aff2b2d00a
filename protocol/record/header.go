// Package record knows the record batch, version 2: its header, the rules a batch
// must keep to be accepted, and how one is built, searched and recompressed.
//
// It is pure: time and limits come in as arguments, and memory is bounded by them
// whatever a batch claims or expands to.
//
// Source: Kafka documentation, "Record Batch" (message format), and Kafka 4.4's
// LogValidator for what is checked.
package record

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/streamhouse/streamhouse/protocol"
)

// HeaderSize is the size of a batch's header in bytes: from the base offset to the
// record count. prefixSize is the part that batchLength does not count.
const (
	HeaderSize = 61
	prefixSize = 12
	crcStart   = 21 // the CRC covers everything from the attributes on
)

// Castagnoli is the table of the CRC-32C that batches carry.
var Castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Codec is a compression codec, as in the low three bits of the attributes.
type Codec int8

// The codecs of the protocol.
const (
	CodecNone Codec = iota
	CodecGzip
	CodecSnappy
	CodecLZ4
	CodecZstd
)

// The attribute bits of a batch header.
const (
	attrCodecMask     = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
	attrDeleteHorizon = 0x40
)

// Header is the fixed part of a batch, decoded.
type Header struct {
	BaseOffset      int64
	Length          int32 // bytes after this field: the batch is Length + 12
	LeaderEpoch     int32
	Magic           int8
	CRC             uint32
	Attributes      int16
	LastOffsetDelta int32
	BaseTimestamp   int64 // ms
	MaxTimestamp    int64 // ms
	ProducerID      int64
	ProducerEpoch   int16
	BaseSequence    int32
	Records         int32
}

// ParseHeader decodes the header at the start of b. It checks nothing but that b is
// long enough (CORRUPT_MESSAGE otherwise).
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, protocol.Errorf(protocol.CorruptMessage, "record batch of %d bytes is shorter than its header", len(b))
	}
	be := binary.BigEndian
	return Header{
		BaseOffset:      int64(be.Uint64(b[0:])),
		Length:          int32(be.Uint32(b[8:])),
		LeaderEpoch:     int32(be.Uint32(b[12:])),
		Magic:           int8(b[16]),
		CRC:             be.Uint32(b[17:]),
		Attributes:      int16(be.Uint16(b[21:])),
		LastOffsetDelta: int32(be.Uint32(b[23:])),
		BaseTimestamp:   int64(be.Uint64(b[27:])),
		MaxTimestamp:    int64(be.Uint64(b[35:])),
		ProducerID:      int64(be.Uint64(b[43:])),
		ProducerEpoch:   int16(be.Uint16(b[51:])),
		BaseSequence:    int32(be.Uint32(b[53:])),
		Records:         int32(be.Uint32(b[57:])),
	}, nil
}

// Size is the size of the whole batch in bytes.
func (h *Header) Size() int { return int(h.Length) + prefixSize }

// LastOffset is the offset of the batch's last record.
func (h *Header) LastOffset() int64 { return h.BaseOffset + int64(h.LastOffsetDelta) }

// Codec is the codec the records are compressed with; it may be one that does not exist.
func (h *Header) Codec() Codec { return Codec(h.Attributes & attrCodecMask) }

// LogAppendTime says whether the timestamps are the broker's (true) or the client's.
func (h *Header) LogAppendTime() bool { return h.Attributes&attrLogAppendTime != 0 }

// Transactional says whether the batch belongs to a transaction.
func (h *Header) Transactional() bool { return h.Attributes&attrTransactional != 0 }

// Control says whether the batch is a control batch.
func (h *Header) Control() bool { return h.Attributes&attrControl != 0 }

// SetOffset patches base offset and leader epoch into the batch b. Both lie outside
// the CRC.
func SetOffset(b []byte, baseOffset int64, leaderEpoch int32) {
	binary.BigEndian.PutUint64(b[0:], uint64(baseOffset))
	binary.BigEndian.PutUint32(b[12:], uint32(leaderEpoch))
}

// MaxTimestamp reads the largest timestamp (ms) of the batch b.
func MaxTimestamp(b []byte) int64 { return int64(binary.BigEndian.Uint64(b[35:])) }

// SetMaxTimestamp patches the largest timestamp and the timestamp type into the
// batch b and makes its CRC anew, which it returns.
func SetMaxTimestamp(b []byte, maxTimestamp int64, logAppendTime bool) uint32 {
	attrs := binary.BigEndian.Uint16(b[21:]) &^ attrLogAppendTime
	if logAppendTime {
		attrs |= attrLogAppendTime
	}
	binary.BigEndian.PutUint16(b[21:], attrs)
	binary.BigEndian.PutUint64(b[35:], uint64(maxTimestamp))
	crc := crc32.Checksum(b[crcStart:], Castagnoli)
	binary.BigEndian.PutUint32(b[17:], crc)
	return crc
}
