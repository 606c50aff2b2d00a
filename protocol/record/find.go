package record

// TimestampOffset is a record's place and time, as ListOffsets answers them.
type TimestampOffset struct {
	Offset    int64
	Timestamp int64 // ms
}

// FindTimestamp returns the first record of a stored batch at or above minOffset whose
// timestamp is at least timestamp. It holds no more than a window of a compressed batch
// in memory. The error is INVALID_RECORD or CORRUPT_MESSAGE.
//
// Source: Kafka's FileRecords.searchForTimestamp.
func FindTimestamp(batch []byte, timestamp, minOffset int64) (TimestampOffset, bool, error) {
	h, batch, err := stored(batch)
	if err != nil || h.MaxTimestamp < timestamp || h.LastOffset() < minOffset {
		return TimestampOffset{}, false, err
	}
	var at TimestampOffset
	t := newTally(&h, false)
	t.visit = func(delta int32, ts int64, _ bool) bool {
		if h.LogAppendTime() {
			ts = h.MaxTimestamp
		}
		at = TimestampOffset{Offset: h.BaseOffset + int64(delta), Timestamp: ts}
		return ts < timestamp || at.Offset < minOffset
	}
	if err := walkBatch(&t, batch, &h, unlimited, nil); err != nil || !t.stopped {
		return TimestampOffset{}, false, err
	}
	return at, true, nil
}

// MaxTimestampRecord returns the first record of a stored batch with its largest
// timestamp, the base offset if the timestamps are the broker's. False: no record has a
// timestamp.
//
// Source: Kafka's DefaultRecordBatch.offsetOfMaxTimestamp (KIP-734).
func MaxTimestampRecord(batch []byte) (TimestampOffset, bool, error) {
	h, batch, err := stored(batch)
	if err != nil || h.MaxTimestamp == NoTimestamp {
		return TimestampOffset{}, false, err
	}
	if h.LogAppendTime() {
		return TimestampOffset{Offset: h.BaseOffset, Timestamp: h.MaxTimestamp}, true, nil
	}
	t := newTally(&h, false)
	if err := walkBatch(&t, batch, &h, unlimited, nil); err != nil || t.maxDelta < 0 {
		return TimestampOffset{}, false, err
	}
	return TimestampOffset{Offset: h.BaseOffset + int64(t.maxDelta), Timestamp: t.maxTime}, true, nil
}

// stored decodes the header of a batch that was validated before it was stored, and cuts
// off what follows the batch.
func stored(b []byte) (Header, []byte, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return h, nil, err
	}
	if h.Magic != 2 || h.Size() < HeaderSize || h.Size() > len(b) {
		return h, nil, corrupt("stored batch at offset %d has magic %d and declares %d of %d bytes", h.BaseOffset, h.Magic, h.Size(), len(b))
	}
	return h, b[:h.Size()], nil
}
