package coordinator

import (
	"context"

	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Admission bounds what coordinators may leave behind for the next start to read.
type Admission interface {
	// Admit waits until n more bytes may be appended. An error when ctx ends first;
	// else Settle follows, with what became of them.
	Admit(ctx context.Context, n int) error
	// Settle must not block: it is called by the log's committer.
	Settle(n int, durable bool)
}

// Throttled is l with appends that wait for admission first. Who waits is the shard's
// writer: records queue up behind it meanwhile and share batches, and answers have their
// own timeout.
func Throttled(l Log, a Admission) Log { return throttledLog{l, a} }

type throttledLog struct {
	Log
	admission Admission
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
	admission Admission
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
