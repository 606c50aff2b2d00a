package api

import (
	"context"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Partition is the handle of one partition's log. Methods may be called from any
// goroutine.
type Partition interface {
	ID() pack.PartitionID
	LeaderEpoch() int32
	Bounds() log.Bounds
	// EpochEnd answers OffsetForLeaderEpoch: the largest epoch at or below the one
	// asked for, and where it ends; -1, -1 if that is above the latest.
	EpochEnd(epoch int32) (found int32, end int64)
	// EpochAt is the leader epoch of the batch at offset.
	EpochAt(offset int64) int32
	// Producers lists those that the partition remembers.
	Producers() []log.ProducerInfo
	// TransactionGuard and Unverified are for transactional batches; see log.Partition.
	TransactionGuard(producerID int64, epoch int16) (open bool, g log.Guard, err error)
	Unverified(producerID int64, epoch int16, sequence int32)
	// Append, Read, OffsetForTime and DeleteRecords are those of log.Log and its Appender.
	Append(ctx context.Context, t *log.Ticket, slot int, b log.Batch)
	Read(ctx context.Context, req log.ReadRequest) (log.ReadResult, error)
	OffsetForTime(ctx context.Context, timestamp int64, committed bool) (record.TimestampOffset, bool, error)
	DeleteRecords(ctx context.Context, offset int64) (logStart int64, err error)
	log.Watched
}

// Log is storage/log as handlers use it; errors are protocol codes. Tests put one
// in memory in its place.
type Log interface {
	Partition(ctx context.Context, id pack.PartitionID, leaderEpoch int32) (Partition, error)
	// Handles finds many partitions of a topic; nil if none is loaded.
	Handles(topic pack.TopicID) Handles
	// Size is how many bytes a partition's batches take as they are stored.
	Size(ctx context.Context, id pack.PartitionID) (int64, error)
}

// Handles are the partitions of one topic that are loaded; see log.Handles.
type Handles interface {
	Loaded(partition int32) (Partition, bool)
}

// OverLog makes the real log a Log.
func OverLog(l *log.Log) Log { return realLog{l} }

type realLog struct{ l *log.Log }

func (r realLog) Partition(ctx context.Context, id pack.PartitionID, leaderEpoch int32) (Partition, error) {
	p, err := r.l.Partition(ctx, id, leaderEpoch)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (r realLog) Handles(topic pack.TopicID) Handles {
	if h := r.l.Handles(topic); h != nil {
		return realHandles{h}
	}
	return nil
}

type realHandles struct{ h *log.Handles }

func (r realHandles) Loaded(partition int32) (Partition, bool) {
	p := r.h.Loaded(partition)
	return p, p != nil
}

func (r realLog) Size(ctx context.Context, id pack.PartitionID) (int64, error) {
	return r.l.Size(ctx, id)
}
