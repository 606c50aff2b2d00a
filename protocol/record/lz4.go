package record

import "encoding/binary"

const lz4Magic = 0x184D2204

// lz4Size bounds the memory for decoding an LZ4 frame by the block size its descriptor
// declares: one block compressed, one decoded, and 64 KiB of dictionary. Legacy and
// skippable frames are refused, as Kafka refuses them.
func lz4Size(data []byte) (int64, error) {
	if len(data) < 7 || binary.LittleEndian.Uint32(data) != lz4Magic {
		return 0, invalid("the batch's lz4 data does not begin with a frame")
	}
	code := data[5] >> 4 & 7
	if code < 4 {
		return 0, invalid("the batch's lz4 frame declares block size %d", code)
	}
	block := int64(64<<10) << (2 * (code - 4))
	return 2*block + 64<<10, nil
}
