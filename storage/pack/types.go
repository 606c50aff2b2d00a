// Package pack is the format of the atom of storage: a header, an index with one
// fixed-size entry per record batch, then the batches, grouped by partition.
//
// It is pure: no I/O, no clock, no goroutines. docs/formats.md has the byte layout.
//
// The body has no checksum of its own. Each batch carries Kafka's CRC-32C over
// everything from its attributes to its end, and the few header bytes in front of
// that (base offset, length, leader epoch, magic, crc) are repeated in the index,
// which is covered by the pack's checksum. So every byte is covered and the payload
// is summed once, when it arrives, and never again on the way to disk.
package pack

import "fmt"

// TopicID is a topic's UUID, as in Metadata v10 and later (KIP-516).
type TopicID = [16]byte

// PartitionID names one partition of one incarnation of a topic.
type PartitionID struct {
	Topic     TopicID
	Partition int32
}

// String returns the topic id in hex followed by the partition.
func (p PartitionID) String() string { return fmt.Sprintf("%x-%d", p.Topic, p.Partition) }

// Flags say what kind of batch an index entry describes.
type Flags uint16

// The flags. MarkerAbort and MarkerCommit are set on transaction markers only.
const (
	FlagTransactional Flags = 1 << iota
	FlagControl
	FlagLogAppendTime
	FlagMarkerAbort
	FlagMarkerCommit
)

// Entry describes one batch of a pack. Everything that rebuilds a partition's state
// (offsets, epochs, producers, transactions) is here, so that recovery reads
// indexes and not batches.
type Entry struct {
	ID               PartitionID
	LeaderEpoch      int32
	BaseOffset       int64
	LastOffsetDelta  int32 // not the record count: they differ after compaction
	Records          int32
	BaseTimestamp    int64 // ms; what the batch header holds
	MaxTimestamp     int64 // ms; largest record timestamp, -1 if none
	AppendTime       int64 // ms; the broker's clock when the batch was appended
	ProducerID       int64 // -1 if none
	ProducerEpoch    int16
	BaseSequence     int32
	Attributes       int16 // the batch header's attributes
	Flags            Flags
	CoordinatorEpoch int32  // markers only
	CRC              uint32 // the batch header's CRC-32C
	Position         int64  // of the batch, from the start of the pack's body, bytes
	Length           int32  // of the whole batch with its header, bytes
}

// LastOffset is the offset of the batch's last record.
func (e *Entry) LastOffset() int64 { return e.BaseOffset + int64(e.LastOffsetDelta) }

// Aborted is an aborted transaction of one producer in one partition.
type Aborted struct {
	ProducerID  int64
	FirstOffset int64 // of its first batch
	LastOffset  int64 // of its marker
	// LastStable is the last stable offset once it was aborted: what is aborted later in
	// the log has no first offset below it, so that a search can end here.
	LastStable int64
}

// Extent is where the batches of one partition lie together: in one pack of a
// journal volume or of a segment object. Positions are absolute in that file or
// object.
type Extent struct {
	BaseOffset   int64
	LastOffset   int64
	MaxTimestamp int64 // ms
	DataPos      int64 // first byte of the first batch
	DataLen      int64
	IndexPos     int64 // first byte of the first of IndexCount entries
	IndexCount   int32
}
