package wire

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// headerBytes is the length of a record batch before its records.
const headerBytes = 61

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Batch encodes an uncompressed record batch (magic 2) of records without keys or
// headers, all of the given time (ms), by no idempotent producer.
func Batch(timestamp int64, values ...[]byte) []byte {
	return IdempotentBatch(timestamp, -1, -1, -1, values...)
}

// IdempotentBatch is Batch by a producer of the given id, epoch and first sequence.
func IdempotentBatch(timestamp, producerID int64, epoch int16, sequence int32, values ...[]byte) []byte {
	b := make([]byte, headerBytes, headerBytes+len(values)*(16+len(values[0])))
	b[16] = 2
	last := len(values) - 1
	binary.BigEndian.PutUint32(b[12:], 0) // leader epoch: the broker's to set
	binary.BigEndian.PutUint32(b[23:], uint32(last))
	binary.BigEndian.PutUint64(b[27:], uint64(timestamp))
	binary.BigEndian.PutUint64(b[35:], uint64(timestamp))
	binary.BigEndian.PutUint64(b[43:], uint64(producerID))
	binary.BigEndian.PutUint16(b[51:], uint16(epoch))
	binary.BigEndian.PutUint32(b[53:], uint32(sequence))
	binary.BigEndian.PutUint32(b[57:], uint32(len(values)))
	for i, v := range values {
		b = appendRecord(b, i, v)
	}
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

// appendRecord appends a record with the given offset delta.
func appendRecord(b []byte, delta int, value []byte) []byte {
	var body [32]byte
	r := append(body[:0], 0, 0) // attributes, timestamp delta
	r = binary.AppendVarint(r, int64(delta))
	r = binary.AppendVarint(r, -1) // no key
	r = binary.AppendVarint(r, int64(len(value)))
	b = binary.AppendVarint(b, int64(len(r)+len(value)+1))
	b = append(b, r...)
	b = append(b, value...)
	return append(b, 0) // no headers
}

// ProduceRequest asks to append one batch each to partitions of one topic (version 9,
// acks=all).
func ProduceRequest(topic string, timeoutMillis int32, batches map[int32][]byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, -1, timeoutMillis
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	for number, batch := range batches {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = number, batch
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// Compressed encodes a batch of n records that are compressed already, by the codec of that
// number in the attributes.
func Compressed(codec int16, n int32, records []byte) []byte {
	b := IdempotentBatch(0, -1, -1, -1, nil)[:headerBytes]
	b = append(b, records...)
	binary.BigEndian.PutUint16(b[21:], uint16(codec))
	binary.BigEndian.PutUint32(b[23:], uint32(n-1))
	binary.BigEndian.PutUint32(b[57:], uint32(n))
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}
