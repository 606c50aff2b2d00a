package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/streamhouse/streamhouse/protocol"
)

// attrKnown are the attribute bits that a client may set. The delete horizon (0x40) is
// the cleaner's; Kafka stores it and the unused bits unseen.
const attrKnown = attrCodecMask | attrLogAppendTime | attrTransactional | attrControl

// Validate checks the records of one partition of a Produce request, which must be one
// batch, in the order of Kafka's checks: what CheckHeader has, the CRC, counts and
// offsets, then every record, decompressed as a stream if need be. It allocates nothing
// for an uncompressed batch that is right, and a bounded amount for any other, whatever
// the size that comes out of it.
//
// A largest timestamp or a timestamp type that is not the topic's is corrected in b and
// the CRC made anew. b may be longer than the batch; Info.Header.Size() bytes of it are
// the batch.
//
// s may be nil, which borrows a pooled one for the call: right for connections, of which
// there are many that decode at different times. The error is a *protocol.Error or, when
// single records are at fault, a *BatchError.
func Validate(b []byte, r *Rules, s *Scratch) (Info, error) {
	size, err := Extent(b, len(b))
	if err != nil {
		return Info{}, err
	}
	if err := CheckTail(b[size:], len(b)-size); err != nil {
		return Info{}, err
	}
	b = b[:size]
	h, err := ParseHeader(b)
	if err != nil {
		return Info{}, err
	}
	if err := r.CheckHeader(&h); err != nil {
		return Info{}, err
	}
	if sum := crc32.Checksum(b[crcStart:], Castagnoli); sum != h.CRC {
		return Info{}, corrupt("record batch has CRC %08x, its header says %08x", sum, h.CRC)
	}
	if err := r.checkFields(&h); err != nil {
		return Info{}, err
	}
	return r.checkRecords(b, h, s)
}

// CheckHeader applies the rules that Kafka applies before it looks at the CRC. It lets a
// reader refuse a batch before it has read it.
func (r *Rules) CheckHeader(h *Header) error {
	switch {
	case h.Codec() == CodecZstd && r.ProduceVersion < 7:
		return protocol.Errorf(protocol.UnsupportedCompressionType, "Produce version %d does not allow zstd", r.ProduceVersion)
	case h.BaseOffset != 0:
		return invalid("the base offset of a produced batch must be 0, not %d", h.BaseOffset)
	case h.Size() > r.MaxMessageBytes:
		return protocol.Errorf(protocol.MessageTooLarge, "record batch of %d bytes is larger than the %d that max.message.bytes allows",
			h.Size(), r.MaxMessageBytes)
	}
	return nil
}

// checkFields checks the header's fields against one another.
func (r *Rules) checkFields(h *Header) error {
	switch {
	case int64(h.LastOffsetDelta)+1 <= 0:
		return invalid("last offset delta %d", h.LastOffsetDelta)
	case h.Records <= 0:
		return invalid("record batch declares %d records", h.Records)
	case int64(h.LastOffsetDelta)+1 != int64(h.Records):
		return invalid("%d records, but a last offset delta of %d", h.Records, h.LastOffsetDelta)
	case h.Control():
		return invalid("clients may not write control records")
	case h.ProducerID >= 0 && h.BaseSequence < 0:
		return invalid("sequence %d of producer %d", h.BaseSequence, h.ProducerID)
	case h.ProducerID < -1:
		return invalid("producer id %d", h.ProducerID)
	case h.Transactional() && h.ProducerID < 0:
		return invalid("transactional batch without a producer id")
	case h.Attributes&^attrKnown != 0:
		return invalid("attributes %#04x have bits that clients may not set", uint16(h.Attributes))
	case h.Codec() > CodecZstd:
		return invalid("unknown compression codec %d", int8(h.Codec()))
	}
	return nil
}

// checkRecords walks the records and brings the timestamps of the header in line.
func (r *Rules) checkRecords(b []byte, h Header, s *Scratch) (Info, error) {
	t := newTally(&h, true)
	if err := walkBatch(&t, b, &h, r.limits(), s); err != nil {
		return Info{}, err
	}
	if r.suspicious(&t, &h) {
		if err := r.recordErrors(b, &h, s); err != nil {
			return Info{}, err
		}
	}
	info := Info{MaxTimestampDelta: max(t.maxDelta, 0), RecordBytes: t.bytes}
	largest := t.maxTime
	if r.LogAppendTime {
		largest, info.MaxTimestampDelta = r.Now, 0
	}
	if h.MaxTimestamp != largest || h.LogAppendTime() != r.LogAppendTime {
		SetMaxTimestamp(b, largest, r.LogAppendTime)
		h.MaxTimestamp = largest
		h.Attributes = int16(binary.BigEndian.Uint16(b[crcStart:]))
		h.CRC = binary.BigEndian.Uint32(b[magicEnd:])
	}
	info.Header = h
	info.Recompress = r.Compression != CodecProducer && r.Compression != h.Codec()
	return info, nil
}

// walkBatch walks the records of the batch b. An empty one, which compaction leaves, has
// nothing to walk whatever its codec.
func walkBatch(t *tally, b []byte, h *Header, most limits, s *Scratch) error {
	if h.Records <= 0 {
		return nil
	}
	if h.Codec() == CodecNone {
		return t.walkMemory(b[HeaderSize:], h.Records)
	}
	return s.walkCompressed(t, h.Codec(), b[HeaderSize:], h.Records, most)
}

// suspicious says whether some record breaks a rule that is answered per record.
func (r *Rules) suspicious(t *tally, h *Header) bool {
	if r.Compacted && t.nullKey < 0 {
		return true
	}
	if r.LogAppendTime {
		return h.LogAppendTime()
	}
	return r.outOfRange(t.minTime) && t.minTime != maxInt64 || t.maxTime != NoTimestamp && r.outOfRange(t.maxTime)
}

// outOfRange wraps around as Kafka's arithmetic does.
func (r *Rules) outOfRange(timestamp int64) bool {
	diff := r.Now - timestamp
	return diff > r.TimestampBeforeMax || -diff > r.TimestampAfterMax
}

// recordErrors walks the records again to name those at fault.
func (r *Rules) recordErrors(b []byte, h *Header, s *Scratch) error {
	var list []RecordError
	count, badTime := 0, false
	t := newTally(h, true)
	t.visit = func(delta int32, timestamp int64, nullKey bool) bool {
		message, isTime := r.recordFault(h, delta, timestamp, nullKey)
		if message == "" {
			return true
		}
		count++
		badTime = badTime || isTime
		if len(list) < maxRecordErrors {
			list = append(list, RecordError{BatchIndex: delta, Message: message})
		}
		return true
	}
	if err := walkBatch(&t, b, h, r.limits(), s); err != nil || count == 0 {
		return err
	}
	if badTime {
		return &BatchError{Records: list, Err: protocol.Errorf(protocol.InvalidTimestamp,
			"One or more records have been rejected due to invalid timestamp")}
	}
	return &BatchError{Records: list, Err: protocol.Errorf(protocol.InvalidRecord,
		"One or more records have been rejected due to %d record errors in total, and only showing the first three errors at most: %s",
		count, firstThree(list))}
}

// recordFault returns what is wrong with a record, "" for nothing, and whether it is its
// timestamp.
func (r *Rules) recordFault(h *Header, delta int32, timestamp int64, nullKey bool) (message string, isTime bool) {
	switch {
	case r.Compacted && nullKey:
		return fmt.Sprintf("Compacted topic cannot accept message without key in topic partition %s-%d", r.Topic, r.Partition), false
	case r.LogAppendTime && h.LogAppendTime():
		return "Producer should not set timestamp type to LogAppendTime", true
	case !r.LogAppendTime && timestamp != NoTimestamp && r.outOfRange(timestamp):
		return fmt.Sprintf("Timestamp %d of message with offset %d is out of range. The timestamp should be within [%d, %d]",
			timestamp, delta, r.Now-r.TimestampBeforeMax, r.Now+r.TimestampAfterMax), true
	}
	return "", false
}

func firstThree(list []RecordError) string {
	sb := new(strings.Builder)
	sb.WriteByte('[')
	for i, e := range list[:min(len(list), 3)] {
		if i > 0 {
			sb.WriteString(", ")
		}
		fmt.Fprintf(sb, "RecordError(batchIndex=%d, message='%s')", e.BatchIndex, e.Message)
	}
	sb.WriteByte(']')
	return sb.String()
}
