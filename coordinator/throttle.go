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
	n := len(b.Bytes)
	if err := p.admission.Admit(ctx, n); err != nil {
		b.Buf.Release()
		t.Fail(0, err)
		return
	}
	p.Partition.Append(ctx, log.NewTicket(1, func(own *log.Ticket) {
		r := own.Results()[0]
		p.admission.Settle(n, r.Err == nil)
		t.Finish(0, r)
	}), b)
}
