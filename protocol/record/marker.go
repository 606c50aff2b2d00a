package record

import (
	"encoding/binary"
)

// EndMarker is what a control batch says that ends a producer's transaction in one
// partition (KIP-98).
type EndMarker struct {
	Commit           bool  // false: abort
	CoordinatorEpoch int32 // of the transaction coordinator that decided it
}

// Control record types in a control record's key, and the versions of key and value.
//
// Source: Kafka's ControlRecordType and EndTxnMarker.json.
const (
	controlAbort   = 0
	controlCommit  = 1
	controlVersion = 0

	controlKeyBytes  = 4 // version, type
	markerValueBytes = 6 // version, coordinator epoch
)

// MarkerSize is the size of a marker's batch in bytes.
const MarkerSize = HeaderSize + 7 + controlKeyBytes + markerValueBytes

// AppendMarker appends to dst the control batch with marker m for a producer, as Kafka
// writes it: one record, transactional and control bits, no sequence, base offset 0,
// leader epoch -1. timestamp is in ms.
func AppendMarker(dst []byte, producerID int64, epoch int16, m EndMarker, timestamp int64) []byte {
	be := binary.BigEndian
	kind := uint16(controlAbort)
	if m.Commit {
		kind = controlCommit
	}
	start := len(dst)
	dst = append(dst, make([]byte, HeaderSize)...)
	dst = appendVarint(dst, MarkerSize-HeaderSize-1)
	dst = append(dst, 0, 0, 0) // attributes, timestamp delta, offset delta
	dst = appendVarint(dst, controlKeyBytes)
	dst = be.AppendUint16(dst, controlVersion)
	dst = be.AppendUint16(dst, kind)
	dst = appendVarint(dst, markerValueBytes)
	dst = be.AppendUint16(dst, controlVersion)
	dst = be.AppendUint32(dst, uint32(m.CoordinatorEpoch))
	dst = append(dst, 0) // no headers
	putHeader(dst[start:], &Header{
		LeaderEpoch: -1, Magic: 2, Attributes: attrTransactional | attrControl, Records: 1,
		BaseTimestamp: timestamp, MaxTimestamp: timestamp,
		ProducerID: producerID, ProducerEpoch: epoch, BaseSequence: -1,
	})
	return dst
}

// ParseMarker reads the end marker of a stored control batch. INVALID_RECORD for any
// other batch, and for control records of another type.
func ParseMarker(batch []byte) (EndMarker, error) {
	h, batch, err := stored(batch)
	if err != nil {
		return EndMarker{}, err
	}
	if !h.Control() || !h.Transactional() {
		return EndMarker{}, invalid("the batch at offset %d is no transaction marker", h.BaseOffset)
	}
	var m EndMarker
	found := false
	for r, err := range Records(batch, len(batch)) {
		if err != nil {
			return EndMarker{}, err
		}
		if found || !m.parse(r) {
			return EndMarker{}, invalid("the control batch at offset %d is not one transaction marker", h.BaseOffset)
		}
		found = true
	}
	if !found {
		return EndMarker{}, invalid("the control batch at offset %d is empty", h.BaseOffset)
	}
	return m, nil
}

// parse decodes key and value of a control record. Later versions may be longer.
func (m *EndMarker) parse(r *Record) bool {
	be := binary.BigEndian
	if len(r.Key) < controlKeyBytes || len(r.Value) < markerValueBytes {
		return false
	}
	kind := be.Uint16(r.Key[2:])
	m.Commit = kind == controlCommit
	m.CoordinatorEpoch = int32(be.Uint32(r.Value[2:]))
	return kind == controlAbort || kind == controlCommit
}
