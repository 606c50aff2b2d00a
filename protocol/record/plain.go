package record

import (
	"encoding/binary"
	"hash/crc32"
)

// SetPlain takes the batch b out of its transaction: transactional bit and producer go,
// and its CRC is made anew. It is for records that are known to be committed and are
// kept without their marker.
func SetPlain(b []byte) {
	be := binary.BigEndian
	be.PutUint16(b[crcStart:], be.Uint16(b[crcStart:])&^attrTransactional)
	none := int64(-1)
	be.PutUint64(b[43:], uint64(none))
	be.PutUint16(b[51:], uint16(none))
	be.PutUint32(b[53:], uint32(none))
	be.PutUint32(b[magicEnd:], crc32.Checksum(b[crcStart:], Castagnoli))
}
