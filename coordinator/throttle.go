package coordinator

import (
	"context"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Throttled is l with appends that wait for admission first. Who waits is the shard's
// writer: records queue up behind it meanwhile and share batches, and answers have their
// own timeout.
func Throttled(l Log, a shards.Admission) Log { return throttledLog{l, a} }

type throttledLog struct {
	Log
	admission shards.Admission
}

func (l throttledLog) Open(ctx context.Context, id pack.PartitionID, leaderEpoch int32) (Partition, error) {
	p, err := l.Log.Open(ctx, id, leaderEpoch)
	if err != nil {
		return nil, err
	}
	return throttledPartition{p, l.admission}, nil
}

type throttledPartition struct {
	Partition
	admission shards.Admission
}

func (p throttledPartition) Append(ctx context.Context, t *log.Ticket, b log.Batch) {
	shards.Admitted(ctx, p.admission, len(b.Bytes), t, []log.Batch{b}, func(t *log.Ticket) { p.Partition.Append(ctx, t, b) })
}
