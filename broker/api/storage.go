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
}

// Appender is one connection's way into the log; see log.Appender.
type Appender interface {
	Append(ctx context.Context, t *log.Ticket, slot int, p Partition, b log.Batch)
	Close()
}

// Watcher tells which partitions advanced; see log.Watcher.
type Watcher interface {
	Add(p Partition, tag int)
	Remove(tag int)
	Wake() <-chan struct{}
	Drain(tags []int) []int
	Close()
}

// Log is storage/log as handlers use it; errors are protocol codes. Tests put one
// in memory in its place.
type Log interface {
	Partition(ctx context.Context, id pack.PartitionID, leaderEpoch int32) (Partition, error)
	// Handles finds many partitions of a topic; nil if none is loaded.
	Handles(topic pack.TopicID) Handles
	NewAppender() Appender
	NewWatcher() Watcher
	Read(ctx context.Context, p Partition, req log.ReadRequest) (log.ReadResult, error)
	OffsetForTime(ctx context.Context, p Partition, timestamp int64, committed bool) (record.TimestampOffset, bool, error)
	DeleteRecords(ctx context.Context, p Partition, offset int64) (logStart int64, err error)
	DropTopic(id pack.TopicID)
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

func (r realLog) NewAppender() Appender { return realAppender{r.l.NewAppender()} }
func (r realLog) NewWatcher() Watcher   { return realWatcher{r.l.NewWatcher()} }

func (r realLog) Read(ctx context.Context, p Partition, req log.ReadRequest) (log.ReadResult, error) {
	return r.l.Read(ctx, p.(*log.Partition), req)
}

func (r realLog) OffsetForTime(ctx context.Context, p Partition, timestamp int64, committed bool) (record.TimestampOffset, bool, error) {
	return r.l.OffsetForTime(ctx, p.(*log.Partition), timestamp, committed)
}

func (r realLog) DeleteRecords(ctx context.Context, p Partition, offset int64) (int64, error) {
	return r.l.DeleteRecords(ctx, p.(*log.Partition), offset)
}

func (r realLog) DropTopic(id pack.TopicID) { r.l.DropTopic(id) }

func (r realLog) Size(ctx context.Context, id pack.PartitionID) (int64, error) {
	return r.l.Size(ctx, id)
}

type realAppender struct{ *log.Appender }

func (a realAppender) Append(ctx context.Context, t *log.Ticket, slot int, p Partition, b log.Batch) {
	a.Appender.Append(ctx, t, slot, p.(*log.Partition), b)
}

type realWatcher struct{ *log.Watcher }

func (w realWatcher) Add(p Partition, tag int) { w.Watcher.Add(p.(*log.Partition), tag) }
