package record

import (
	"hash/crc32"
	"math"
)

// Filter appends to dst the batch with only those records that keep returns true for,
// and returns how many these are. Everything else stays: offsets with the batch's base
// and last offset, so that a gap shows where records were; timestamps; producer, epoch
// and sequence; codec and attributes. With no record left the batch is a header alone,
// which a log keeps as long as it shows a producer's last sequence. A Record is valid
// inside keep only. A batch whose CRC does not check is CORRUPT_MESSAGE: what comes out
// gets a new one, which would vouch for it.
//
// Source: Kafka's MemoryRecords.filterTo.
func Filter(dst, batch []byte, keep func(*Record) bool) (out []byte, kept int, err error) {
	h, batch, err := stored(batch)
	if err != nil {
		return dst, 0, err
	}
	if sum := crc32.Checksum(batch[crcStart:], Castagnoli); sum != h.CRC {
		return dst, 0, corrupt("stored batch at offset %d has CRC %08x, its header says %08x", h.BaseOffset, sum, h.CRC)
	}
	var records []byte
	largest := int64(NoTimestamp)
	err = scan(batch, &h, math.MaxInt32, func(raw []byte, r *Record) bool {
		if keep(r) {
			records = appendVarint(records, int64(len(raw)))
			records = append(records, raw...)
			largest = max(largest, r.Timestamp)
			kept++
		}
		return true
	})
	if err != nil {
		return dst, 0, err
	}
	start := len(dst)
	dst = append(dst, batch[:HeaderSize]...)
	if kept > 0 {
		h.MaxTimestamp = largest
		if dst, err = compress(dst, records, h.Codec()); err != nil {
			return dst[:start], 0, err
		}
	}
	h.Records = int32(kept)
	putHeader(dst[start:], &h)
	return dst, kept, nil
}
