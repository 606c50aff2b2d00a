package produce

import (
	"errors"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
)

// What a client is shown of a batch that is refused. The codes are the same as
// Kafka's, and so is what stands beside them: the log's start where the rules of the
// topic judged the batch, a text where it names records, and nothing else.

// unreadable is the refusal of what is no batch of this format at all.
type unreadable struct{ error }

// Unwrap returns the reason.
func (e unreadable) Unwrap() error { return e.error }

// judged is the refusal of a batch by the rules of its topic.
type judged struct {
	error
	logStart int64
}

// Unwrap returns the reason.
func (e judged) Unwrap() error { return e.error }

// judge notes where the log began when a batch for it was refused.
func judge(err error, p api.Partition) error {
	var no unreadable
	if err == nil || errors.As(err, &no) {
		return err
	}
	switch api.CodeOf(err) {
	case protocol.InvalidRecord, protocol.InvalidTimestamp:
		return judged{err, p.Bounds().LogStart}
	}
	return err
}

// refused is the result of a batch that was not appended.
func refused(err error) log.Result {
	r := log.Result{Err: err, BaseOffset: -1, LogAppendTime: -1, LogStart: -1}
	var by judged
	if errors.As(err, &by) {
		r.LogStart = by.logStart
	}
	return r
}

// refusalText returns the message beside a partition's error code, or nil.
func refusalText(err error) *string {
	var batch *record.BatchError
	if errors.As(err, &batch) {
		return api.MessageOf(err)
	}
	switch api.CodeOf(err) {
	case protocol.CorruptMessage, protocol.InvalidRecord, protocol.InvalidTimestamp,
		protocol.MessageTooLarge, protocol.RecordListTooLarge, protocol.UnsupportedCompressionType,
		protocol.OutOfOrderSequenceNumber, protocol.InvalidProducerEpoch:
		return nil
	}
	return api.MessageOf(err)
}
