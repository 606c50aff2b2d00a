package record

import (
	"encoding/binary"

	"github.com/streamhouse/streamhouse/protocol"
)

// The smallest size a batch of any format may declare (a v0 message), and the part of a
// batch that shows its size and magic.
const (
	minDeclared = 14
	magicEnd    = 17
	magicAt     = 16
)

// Extent returns the size in bytes of the one batch that a partition's records in a
// Produce request begin with. head is their beginning, at least min(total, HeaderSize)
// bytes of it; total is the size of all, or negative for null.
//
// INVALID_RECORD: no records, a batch cut short, or an old format; CORRUPT_MESSAGE: not
// a batch. What follows the batch goes to CheckTail.
func Extent(head []byte, total int) (size int, err error) {
	size, magic, err := frame(head, total)
	switch {
	case err != nil:
		return 0, err
	case size == 0:
		return 0, invalid("the records of a partition must be one whole record batch")
	case magic != 2:
		return 0, invalid("record batch of format %d: only format 2 may be produced", magic)
	case size < HeaderSize:
		return 0, corrupt("record batch of %d bytes is shorter than its header", size)
	}
	return size, nil
}

// CheckTail refuses what follows the batch if it is another batch. Bytes that make no
// whole batch are dropped in silence, as Kafka does. The arguments are as for Extent.
func CheckTail(head []byte, total int) error {
	size, _, err := frame(head, total)
	if err != nil {
		return err
	}
	if size != 0 {
		return invalid("the records of a partition must be exactly one record batch")
	}
	return nil
}

// frame reads size and magic of the batch that head begins with, 0 if total does not
// hold a whole one.
//
// Source: Kafka's ByteBufferLogInputStream.nextBatch.
func frame(head []byte, total int) (size int, magic int8, err error) {
	if total < prefixSize {
		return 0, 0, nil
	}
	declared := int32(binary.BigEndian.Uint32(head[8:]))
	if declared < minDeclared {
		return 0, 0, &BatchError{Err: protocol.Errorf(protocol.CorruptMessage,
			"Record size %d is less than the minimum record overhead (14)", declared)}
	}
	if total < magicEnd {
		return 0, 0, nil
	}
	magic = int8(head[magicAt])
	if magic < 0 || magic > 2 {
		return 0, 0, &BatchError{Err: protocol.Errorf(protocol.CorruptMessage, "Invalid magic found in record: %d", magic)}
	}
	if int64(declared)+prefixSize > int64(total) {
		return 0, magic, nil
	}
	return int(declared) + prefixSize, magic, nil
}
