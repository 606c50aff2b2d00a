package history

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
)

// Value makes a record's value: "producer sequence crc padding", with size bytes of
// padding that follow from producer and sequence, so that any byte out of place shows.
// A producer's name has no blanks.
func Value(producer string, sequence int64, size int) []byte {
	head := fmt.Appendf(nil, "%s %d ", producer, sequence)
	padding := make([]byte, size)
	state := uint32(sequence)*2654435761 + crc32.ChecksumIEEE(head)
	for i := range padding {
		state = state*1664525 + 1013904223
		padding[i] = byte(state >> 24)
	}
	v := fmt.Appendf(head, "%08x ", crc32.ChecksumIEEE(padding))
	return append(v, padding...)
}

// ParseValue reads what Value made, and says what is wrong with anything else.
func ParseValue(v []byte) (producer string, sequence int64, err error) {
	part := bytes.SplitN(v, []byte(" "), 4)
	if len(part) != 4 || len(part[0]) == 0 {
		return "", 0, fmt.Errorf("value of %d bytes is no record of this test", len(v))
	}
	sequence, err = strconv.ParseInt(string(part[1]), 10, 64)
	if err != nil {
		return "", 0, err
	}
	if got := fmt.Sprintf("%08x", crc32.ChecksumIEEE(part[3])); got != string(part[2]) {
		return "", 0, fmt.Errorf("value of %s %d: checksum %s, it says %s", part[0], sequence, got, part[2])
	}
	return string(part[0]), sequence, nil
}
