package transactions

import (
	"context"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// TopicName is the internal topic that transactions live in.
const TopicName = "__transaction_state"

// Offsets is the group coordinator, whose offsets are written in transactions.
type Offsets interface {
	// PartitionFor says where the offsets of a group are kept, and makes the topic if
	// need be.
	PartitionFor(ctx context.Context, groupID string) (topic shards.Topic, partition int32, code protocol.Code)
	// TransactionEnded says that the marker in a partition of __consumer_offsets is
	// durable. It does not block.
	TransactionEnded(partition int32, producerID int64, commit bool)
}

// ProducerIDs gives out producer ids, none of them twice.
type ProducerIDs interface {
	Next(ctx context.Context) (int64, error)
}

// Log gives access to partitions.
type Log interface {
	// Open returns a partition that this broker leads, loaded. Errors are protocol
	// codes.
	Open(ctx context.Context, id pack.PartitionID, leaderEpoch int32) (Partition, error)
	// Appender is one writer's way into the log.
	Appender() Appender
}

// Partition is one partition of the log. storage/log has the contracts.
type Partition interface {
	Bounds() log.Bounds
	Read(ctx context.Context, req log.ReadRequest) (log.ReadResult, error)
	// Guard is carried by the appends that build on what is read afterwards.
	Guard() log.Guard
	// Standing says whether nothing was lost since a guard was given.
	Standing(g log.Guard) bool
}

// Append is one batch of an atomic append, to a partition of the same log.
type Append struct {
	Partition Partition
	Batch     log.Batch
}

// Appender appends to partitions of its log. It waits for admission only.
type Appender interface {
	// Append puts batches behind all earlier ones, all in one pack or none of them; see
	// log.Appender.AppendAtomic.
	Append(ctx context.Context, t *log.Ticket, batches []Append)
	Close()
}

// StorageLog is the Log of this broker. Appends wait for admission.
func StorageLog(l *log.Log, a shards.Admission) Log { return storageLog{l, a} }

type storageLog struct {
	log       *log.Log
	admission shards.Admission
}

func (s storageLog) Open(ctx context.Context, id pack.PartitionID, leaderEpoch int32) (Partition, error) {
	p, err := s.log.Partition(ctx, id, leaderEpoch)
	if err != nil {
		return nil, err
	}
	return storagePartition{s.log, p}, nil
}

func (s storageLog) Appender() Appender { return storageAppender{s.log.NewAppender(), s.admission} }

type storagePartition struct {
	log       *log.Log
	partition *log.Partition
}

func (p storagePartition) Bounds() log.Bounds { return p.partition.Bounds() }

func (p storagePartition) Read(ctx context.Context, req log.ReadRequest) (log.ReadResult, error) {
	return p.log.Read(ctx, p.partition, req)
}

func (p storagePartition) Guard() log.Guard {
	_, g, _ := p.partition.TransactionGuard(-1, -1) // nobody is fenced
	return g
}

func (p storagePartition) Standing(g log.Guard) bool { return p.partition.Standing(g) }

type storageAppender struct {
	appender  *log.Appender
	admission shards.Admission
}

func (a storageAppender) Append(ctx context.Context, t *log.Ticket, batches []Append) {
	// Markers are not counted: they are no debt of the topic that coordinators load.
	n := 0
	for i := range batches {
		if batches[i].Batch.Marker == nil {
			n += len(batches[i].Batch.Bytes)
		}
	}
	if n == 0 {
		a.append(ctx, t, batches)
		return
	}
	bare := make([]log.Batch, len(batches))
	for i := range batches {
		bare[i] = batches[i].Batch
	}
	shards.Admitted(ctx, a.admission, n, t, bare, func(t *log.Ticket) { a.append(ctx, t, batches) })
}

func (a storageAppender) append(ctx context.Context, t *log.Ticket, batches []Append) {
	if len(batches) == 1 {
		a.appender.Append(ctx, t, 0, batches[0].Partition.(storagePartition).partition, batches[0].Batch)
		return
	}
	atomic := make([]log.AtomicBatch, len(batches))
	for i := range batches {
		atomic[i] = log.AtomicBatch{Partition: batches[i].Partition.(storagePartition).partition, Batch: batches[i].Batch}
	}
	a.appender.AppendAtomic(ctx, t, atomic)
}

func (a storageAppender) Close() { a.appender.Close() }
