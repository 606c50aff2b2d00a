package coordinator

import (
	"context"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// TopicName is the internal topic that group state lives in.
const TopicName = "__consumer_offsets"

// Topic and Topics are those of all coordinators.
type (
	Topic  = shards.Topic
	Topics = shards.Topics
)

// Log gives access to partitions.
type Log interface {
	// Open returns a partition that this broker leads, loaded. Errors are
	// protocol codes.
	Open(ctx context.Context, id pack.PartitionID, leaderEpoch int32) (Partition, error)
}

// Partition is one partition of the log. storage/log has the contracts.
type Partition interface {
	Bounds() log.Bounds
	// Append puts a batch behind all earlier ones and gives slot 0 of t its result
	// when that is known. It waits for admission only.
	Append(ctx context.Context, t *log.Ticket, b log.Batch)
	Read(ctx context.Context, req log.ReadRequest) (log.ReadResult, error)
	TransactionGuard(producerID int64, epoch int16) (open bool, guard log.Guard, err error)
	// Close gives up what Open took.
	Close()
}

// StorageLog is the Log of this broker.
func StorageLog(l *log.Log) Log { return storageLog{l} }

type storageLog struct{ log *log.Log }

func (s storageLog) Open(ctx context.Context, id pack.PartitionID, leaderEpoch int32) (Partition, error) {
	p, err := s.log.Partition(ctx, id, leaderEpoch)
	if err != nil {
		return nil, err
	}
	return storagePartition{log: s.log, partition: p, appender: s.log.NewAppender()}, nil
}

type storagePartition struct {
	log       *log.Log
	partition *log.Partition
	appender  *log.Appender
}

func (p storagePartition) Bounds() log.Bounds { return p.partition.Bounds() }

func (p storagePartition) Append(ctx context.Context, t *log.Ticket, b log.Batch) {
	p.appender.Append(ctx, t, 0, p.partition, b)
}

func (p storagePartition) Read(ctx context.Context, req log.ReadRequest) (log.ReadResult, error) {
	return p.log.Read(ctx, p.partition, req)
}

func (p storagePartition) TransactionGuard(producerID int64, epoch int16) (bool, log.Guard, error) {
	return p.partition.TransactionGuard(producerID, epoch)
}

func (p storagePartition) Close() { p.appender.Close() }
