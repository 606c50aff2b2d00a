package pack

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
)

// Field positions within an index entry; docs/formats/pack.md has the table.
const (
	ePartition        = 16
	eLeaderEpoch      = 20
	eBaseOffset       = 24
	eLastOffsetDelta  = 32
	eRecords          = 36
	eBaseTimestamp    = 40
	eMaxTimestamp     = 48
	eAppendTime       = 56
	eProducerID       = 64
	eProducerEpoch    = 72
	eAttributes       = 74
	eBaseSequence     = 76
	eFlags            = 80
	eReserved1        = 82
	eCoordinatorEpoch = 84
	eCRC              = 88
	eLength           = 92
	ePosition         = 96
	eReserved2        = 104 // key id per extent, atomic group
)

const knownEntryFlags = FlagTransactional | FlagControl | FlagLogAppendTime | FlagMarkerAbort | FlagMarkerCommit

// Compare orders partitions by topic id, then partition: the order within a pack.
func (p PartitionID) Compare(q PartitionID) int {
	if p.Topic == q.Topic { // most are neighbours, and this needs no call
		return cmp.Compare(p.Partition, q.Partition)
	}
	return bytes.Compare(p.Topic[:], q.Topic[:])
}

// AppendEntry appends the wire form of e to dst.
func AppendEntry(dst []byte, e *Entry) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, EntrySize)...)
	putEntry(dst[start:], e)
	return dst
}

// putEntry writes every byte of b[:EntrySize].
func putEntry(b []byte, e *Entry) {
	be := binary.BigEndian
	_ = b[EntrySize-1]
	copy(b[:16], e.ID.Topic[:])
	be.PutUint32(b[ePartition:], uint32(e.ID.Partition))
	be.PutUint32(b[eLeaderEpoch:], uint32(e.LeaderEpoch))
	be.PutUint64(b[eBaseOffset:], uint64(e.BaseOffset))
	be.PutUint32(b[eLastOffsetDelta:], uint32(e.LastOffsetDelta))
	be.PutUint32(b[eRecords:], uint32(e.Records))
	be.PutUint64(b[eBaseTimestamp:], uint64(e.BaseTimestamp))
	be.PutUint64(b[eMaxTimestamp:], uint64(e.MaxTimestamp))
	be.PutUint64(b[eAppendTime:], uint64(e.AppendTime))
	be.PutUint64(b[eProducerID:], uint64(e.ProducerID))
	be.PutUint16(b[eProducerEpoch:], uint16(e.ProducerEpoch))
	be.PutUint16(b[eAttributes:], uint16(e.Attributes))
	be.PutUint32(b[eBaseSequence:], uint32(e.BaseSequence))
	be.PutUint16(b[eFlags:], uint16(e.Flags))
	be.PutUint16(b[eReserved1:], 0)
	be.PutUint32(b[eCoordinatorEpoch:], uint32(e.CoordinatorEpoch))
	be.PutUint32(b[eCRC:], e.CRC)
	be.PutUint32(b[eLength:], uint32(e.Length))
	be.PutUint64(b[ePosition:], uint64(e.Position))
	be.PutUint64(b[eReserved2:], 0)
}

// DecodeEntry decodes the index entry at the start of b, as found by a read of a
// part of an index. The caller has it from a pack or extent whose index checksum
// was verified before; here only what one entry can show is checked. ErrCorrupt.
func DecodeEntry(b []byte) (Entry, error) {
	if len(b) < EntrySize {
		return Entry{}, fmt.Errorf("%w: %d bytes, an index entry has %d", ErrCorrupt, len(b), EntrySize)
	}
	be := binary.BigEndian
	e := Entry{
		ID:               PartitionID{Topic: TopicID(b[:16]), Partition: int32(be.Uint32(b[ePartition:]))},
		LeaderEpoch:      int32(be.Uint32(b[eLeaderEpoch:])),
		BaseOffset:       int64(be.Uint64(b[eBaseOffset:])),
		LastOffsetDelta:  int32(be.Uint32(b[eLastOffsetDelta:])),
		Records:          int32(be.Uint32(b[eRecords:])),
		BaseTimestamp:    int64(be.Uint64(b[eBaseTimestamp:])),
		MaxTimestamp:     int64(be.Uint64(b[eMaxTimestamp:])),
		AppendTime:       int64(be.Uint64(b[eAppendTime:])),
		ProducerID:       int64(be.Uint64(b[eProducerID:])),
		ProducerEpoch:    int16(be.Uint16(b[eProducerEpoch:])),
		Attributes:       int16(be.Uint16(b[eAttributes:])),
		BaseSequence:     int32(be.Uint32(b[eBaseSequence:])),
		Flags:            Flags(be.Uint16(b[eFlags:])),
		CoordinatorEpoch: int32(be.Uint32(b[eCoordinatorEpoch:])),
		CRC:              be.Uint32(b[eCRC:]),
		Length:           int32(be.Uint32(b[eLength:])),
		Position:         int64(be.Uint64(b[ePosition:])),
	}
	if !allZero(b[eReserved1:eCoordinatorEpoch]) || !allZero(b[eReserved2:EntrySize]) {
		return Entry{}, fmt.Errorf("%w: index entry uses reserved bytes", ErrCorrupt)
	}
	return e, e.check()
}

// DecodeEntries decodes all of b, a whole number of entries, and appends them to dst.
func DecodeEntries(dst []Entry, b []byte) ([]Entry, error) {
	if len(b)%EntrySize != 0 {
		return dst, fmt.Errorf("%w: %d bytes are no whole number of index entries", ErrCorrupt, len(b))
	}
	for ; len(b) > 0; b = b[EntrySize:] {
		e, err := DecodeEntry(b)
		if err != nil {
			return dst, err
		}
		dst = append(dst, e)
	}
	return dst, nil
}

// check holds an entry to what is true of each batch by itself.
func (e *Entry) check() error {
	switch {
	case e.ID.Partition < 0:
		return fmt.Errorf("%w: partition %d", ErrCorrupt, e.ID.Partition)
	case e.BaseOffset < 0, e.LastOffsetDelta < 0, e.LastOffset() < e.BaseOffset:
		return fmt.Errorf("%w: %v has offset %d + %d", ErrCorrupt, e.ID, e.BaseOffset, e.LastOffsetDelta)
	case e.Length < MinBatchSize, e.Position < 0, e.Position > maxBodyLen:
		return fmt.Errorf("%w: %v has a batch of %d bytes at %d", ErrCorrupt, e.ID, e.Length, e.Position)
	case e.Records < 0:
		return fmt.Errorf("%w: %v has a batch of %d records", ErrCorrupt, e.ID, e.Records)
	case e.Flags&^knownEntryFlags != 0:
		return fmt.Errorf("%w: %v has flags %#x", ErrCorrupt, e.ID, e.Flags)
	}
	return nil
}
