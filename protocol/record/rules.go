package record

import (
	"context"
	"fmt"

	"github.com/streamhouse/streamhouse/protocol"
)

// CodecProducer, as Rules.Compression, keeps whatever codec the producer chose
// (compression.type=producer).
const CodecProducer Codec = -1

// NoTimestamp is the timestamp of a record that has none.
const NoTimestamp = -1

// Rules are what a batch from a client must keep to. They are made once per topic and
// request; Validate does not change them.
type Rules struct {
	// Topic and Partition are named in texts.
	Topic     string
	Partition int32
	// ProduceVersion is the version of the request; zstd came with 7.
	ProduceVersion int16
	// Now is the broker's clock, ms. It becomes the largest timestamp when LogAppendTime
	// (message.timestamp.type) is set.
	Now           int64
	LogAppendTime bool
	// TimestampBeforeMax and TimestampAfterMax bound how far a record's timestamp may be
	// from Now, ms (message.timestamp.before.max.ms and .after.max.ms).
	TimestampBeforeMax int64
	TimestampAfterMax  int64
	// Compacted refuses records without a key (cleanup.policy has compact).
	Compacted bool
	// MaxMessageBytes bounds the batch with its header, as received (max.message.bytes).
	MaxMessageBytes int
	// MaxRecordBytes bounds one record of a compressed batch once it is decompressed
	// (max.decompressed.message.bytes).
	MaxRecordBytes int
	// MaxBatchBytes bounds what comes out of a compressed batch in all
	// (max.decompressed.batch.bytes); 0: nothing does.
	MaxBatchBytes int64
	// Wait ends the wait for memory to decompress in, and decompressing; nil: nothing does.
	Wait context.Context
	// Compression is the topic's compression.type, or CodecProducer.
	Compression Codec
}

// limits are those of a walk.
func (r *Rules) limits() limits {
	return limits{record: r.MaxRecordBytes, batch: r.MaxBatchBytes, wait: r.Wait}
}

// Info is what Validate found out about a batch.
type Info struct {
	// Header is the batch's header as it is after corrections.
	Header Header
	// MaxTimestampDelta is the offset delta of the first record with the largest
	// timestamp, 0 with LogAppendTime.
	MaxTimestampDelta int32
	// RecordBytes is the size of the records, decompressed.
	RecordBytes int64
	// Recompress says that Rules.Compression asks for another codec: the batch must go
	// through Recompress before it is appended.
	Recompress bool
}

// BatchError is a refusal whose text the client is shown, with single records for the
// record_errors of a Produce response if there are any (v8 and later, KIP-467).
type BatchError struct {
	Err     *protocol.Error
	Records []RecordError // the first maxRecordErrors at most
}

// RecordError says why one record was refused.
type RecordError struct {
	BatchIndex int32 // the record's place in the batch, from 0
	Message    string
}

// maxRecordErrors bounds the record errors of one batch. Kafka lists all; a batch of
// 100,000 faulty records would make its answer larger than the request.
const maxRecordErrors = 100

// Error returns the error of the whole batch.
func (e *BatchError) Error() string { return e.Err.Error() }

// Unwrap makes errors.As with a *protocol.Error and errors.Is with a protocol.Code hold.
func (e *BatchError) Unwrap() error { return e.Err }

func invalid(format string, args ...any) error {
	return protocol.Errorf(protocol.InvalidRecord, format, args...)
}

func corrupt(format string, args ...any) error {
	return protocol.Errorf(protocol.CorruptMessage, format, args...)
}

// String returns the codec's name as in compression.type.
func (c Codec) String() string {
	switch c {
	case CodecProducer:
		return "producer"
	case CodecNone:
		return "uncompressed"
	case CodecGzip:
		return "gzip"
	case CodecSnappy:
		return "snappy"
	case CodecLZ4:
		return "lz4"
	case CodecZstd:
		return "zstd"
	}
	return fmt.Sprintf("codec %d", int8(c))
}

// ParseCodec returns the codec that a compression.type names.
func ParseCodec(s string) (Codec, bool) {
	for c := CodecProducer; c <= CodecZstd; c++ {
		if c.String() == s {
			return c, true
		}
	}
	return 0, false
}
