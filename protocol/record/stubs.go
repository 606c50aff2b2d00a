package record

import "iter"

// Extent returns the size of the one batch that a partition's records of a Produce
// request hold (total bytes), given their first bytes (at least min(total, HeaderSize)).
func Extent(head []byte, total int) (size int, err error) { return 0, nil }

// CheckTail refuses what follows the batch, when it is a second batch.
func CheckTail(tail []byte) error { return nil }

// CheckHeader applies the rules that need no more than the header.
func (r *Rules) CheckHeader(h *Header) error { return nil }

// Scratch holds decoders between calls.
type Scratch struct{}

// Validate checks a whole batch.
func Validate(b []byte, r *Rules, s *Scratch) (Info, error) { return Info{}, nil }

// Recompression says how Recompress writes.
type Recompression struct {
	Codec          Codec
	Level          int // as in compression.<codec>.level; 0: the codec's default
	MaxBytes       int
	MaxRecordBytes int
}

// Recompress appends the batch, compressed otherwise, to dst.
func Recompress(dst, batch []byte, o Recompression) ([]byte, error) { return nil, nil }

// Batch is one batch of a row of batches.
type Batch struct {
	Header Header
	Bytes  []byte
}

// Batches iterates over the batches of b.
func Batches(b []byte) iter.Seq2[Batch, error] { return nil }

// Record is one record.
type Record struct {
	Offset    int64
	Timestamp int64
	Key       []byte // nil if null
	Value     []byte // nil if null
	Headers   []Field
}

// Field is a header of a record.
type Field struct {
	Key   string
	Value []byte // nil if null
}

// Records iterates over the records of a batch; a Record is valid until the next.
func Records(batch []byte, maxRecordBytes int) iter.Seq2[*Record, error] { return nil }

// TimestampOffset is an answer of ListOffsets.
type TimestampOffset struct {
	Offset    int64
	Timestamp int64 // ms
}

// FindTimestamp finds the first record at or after minOffset with a timestamp >= ts.
func FindTimestamp(batch []byte, ts, minOffset int64) (TimestampOffset, bool, error) {
	return TimestampOffset{}, false, nil
}

// MaxTimestampRecord finds the first record with the largest timestamp.
func MaxTimestampRecord(batch []byte) (TimestampOffset, error) { return TimestampOffset{}, nil }

// Filter rebuilds a batch with the records that keep returns true for.
func Filter(dst, batch []byte, keep func(*Record) bool) (out []byte, kept int, err error) {
	return nil, 0, nil
}

// Producer is the producer part of a batch header.
type Producer struct {
	ID       int64
	Epoch    int16
	Sequence int32
}

// NoProducer is the producer part of a batch that has none.
var NoProducer = Producer{ID: -1, Epoch: -1, Sequence: -1}

// Builder builds one uncompressed batch.
type Builder struct {
	Producer      Producer
	Transactional bool
	Control       bool
}

// NewBuilder returns a builder of a batch without producer.
func NewBuilder() *Builder { return &Builder{Producer: NoProducer} }

// Append adds a record.
func (b *Builder) Append(timestamp int64, key, value []byte, headers ...Field) {}

// Len is the number of records so far.
func (b *Builder) Len() int { return 0 }

// Size is the size of the batch so far, in bytes.
func (b *Builder) Size() int { return 0 }

// Batch finishes the batch: base offset 0, valid until the next Reset.
func (b *Builder) Batch() []byte { return nil }

// Reset forgets the records.
func (b *Builder) Reset() {}
