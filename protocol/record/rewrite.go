package record

import "math"

// DeleteHorizon returns the time in ms from which on a compaction may drop the batch's
// tombstones, or the end marker that it is; false if it has none. It lies where the base
// timestamp does otherwise.
//
// Source: KIP-534.
func (h *Header) DeleteHorizon() (int64, bool) {
	return h.BaseTimestamp, h.Attributes&attrDeleteHorizon != 0
}

// NoHorizon asks Rewrite to set no delete horizon: the batch keeps the one it has.
const NoHorizon = -1

// Rewrite appends to dst the batch as a compaction leaves it: with only those records that
// keep returns true for, and how many these are. Offsets with the batch's base and last
// offset stay, so that a gap shows where records were, and so do keys, values, headers and
// timestamps, producer, epoch and sequence, timestamp type and codec. With a horizon (ms)
// the batch gets that delete horizon. With no record left it is a header alone, without
// codec, timestamps and horizon, which a log keeps to show a producer's last sequence or
// where the log ends. A Record is valid inside keep only.
//
// The caller has compared the batch with its checksum: here it gets a new one.
//
// Source: Kafka's MemoryRecords.filterTo, KIP-534.
func Rewrite(dst, batch []byte, horizon int64, keep func(*Record) bool) (out []byte, kept int, err error) {
	h, batch, err := stored(batch)
	if err != nil {
		return dst, 0, err
	}
	old, has := h.DeleteHorizon()
	if horizon == NoHorizon && has {
		horizon = old
	}
	base, largest := horizon, int64(NoTimestamp)
	var records, body []byte
	err = scan(batch, &h, math.MaxInt32, func(raw []byte, r *Record) bool {
		if !keep(r) {
			return true
		}
		if kept == 0 && horizon == NoHorizon {
			base = r.Timestamp
		}
		kept++
		largest = max(largest, r.Timestamp)
		_, rest := varlong(raw, 1)
		body = appendVarint(append(body[:0], raw[0]), r.Timestamp-base)
		body = append(body, raw[rest:]...)
		records = append(appendVarint(records, int64(len(body))), body...)
		return true
	})
	if err != nil {
		return dst, 0, err
	}
	start := len(dst)
	dst = append(dst, batch[:HeaderSize]...)
	h.Records = int32(kept)
	if kept == 0 {
		h.Attributes &^= attrCodecMask | attrDeleteHorizon
		h.BaseTimestamp, h.MaxTimestamp = NoTimestamp, NoTimestamp
		putHeader(dst[start:], &h)
		return dst, 0, nil
	}
	if h.BaseTimestamp, h.MaxTimestamp = base, largest; horizon != NoHorizon {
		h.Attributes |= attrDeleteHorizon
	}
	if dst, err = compress(dst, records, h.Codec()); err != nil {
		return dst[:start], 0, err
	}
	putHeader(dst[start:], &h)
	return dst, kept, nil
}
