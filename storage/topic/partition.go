package topic

import (
	"context"

	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Partition is one partition of a topic that this broker leads.
type Partition struct {
	log  *log.Log
	part *log.Partition
}

// Open loads a partition. Errors are the log's: UNKNOWN_TOPIC_OR_PARTITION when the
// topic is gone, KAFKA_STORAGE_ERROR when its state cannot be read.
func Open(ctx context.Context, l *log.Log, id pack.PartitionID, leaderEpoch int32) (*Partition, error) {
	p, err := l.Partition(ctx, id, leaderEpoch)
	if err != nil {
		return nil, err
	}
	return &Partition{log: l, part: p}, nil
}

// Bounds are the partition's offsets, all of the durable state.
func (p *Partition) Bounds() log.Bounds { return p.part.Bounds() }

// Guard is taken before the state is read that an append builds on: an append that
// carries it is refused once a pack was lost since, which may have held that state.
func (p *Partition) Guard() log.Guard {
	_, g, _ := p.part.TransactionGuard(-1, -1) // no producer, so nobody is fenced
	return g
}

// Standing says whether nothing was lost since the guard was taken: what was appended
// since then is durable, or on its way there.
func (p *Partition) Standing(g log.Guard) bool { return p.part.Standing(g) }
