package log

import (
	"context"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/partition"
)

// ProducerInfo is one producer as DescribeProducers shows it (KIP-664).
type ProducerInfo = partition.ProducerInfo

// Size returns the bytes of a partition's batches as they are stored: its slices of
// sealed segments and its part of the open journal. A partition that nobody has used
// since the start is not loaded for this: it has nothing in the journal. The error is
// KAFKA_STORAGE_ERROR.
func (l *Log) Size(ctx context.Context, id pack.PartitionID) (int64, error) {
	if p := l.parts.loaded(id); p != nil {
		return p.size(), nil
	}
	slices, _, err := l.cfg.Store.Partition(ctx, id)
	if err != nil {
		l.logger.Error("size of a partition", zap.Stringer("partition", id), zap.Error(err))
		return 0, protocol.KafkaStorageError
	}
	var sum int64
	for i := range slices {
		sum += slices[i].Bytes
	}
	return sum, nil
}

// Usage is what a partition holds and has taken in.
type Usage struct {
	Bounds
	Bytes    int64 // of batches, as Size
	Received int64 // bytes of batches that became durable since the partition was loaded
}

// Usage says what a partition holds. Like Size it loads none: of one that nobody has used
// since the start the store knows all. The error is KAFKA_STORAGE_ERROR.
func (l *Log) Usage(ctx context.Context, id pack.PartitionID) (Usage, error) {
	if p := l.parts.loaded(id); p != nil {
		return p.usage(), nil
	}
	slices, state, err := l.cfg.Store.Partition(ctx, id)
	start := int64(0)
	if err == nil {
		start, err = l.cfg.Store.LogStart(ctx, id)
	}
	if err != nil {
		l.logger.Error("what a partition holds", zap.Stringer("partition", id), zap.Error(err))
		return Usage{}, protocol.KafkaStorageError
	}
	end := max(state.NextOffset, floorOf(start, slices))
	u := Usage{Bounds: Bounds{LogStart: start, HighWatermark: end, LastStable: end, LeaderEpoch: state.LeaderEpoch}}
	for i := range slices {
		u.Bytes += slices[i].Bytes
	}
	return u, nil
}

func (p *Partition) usage() Usage {
	b, size := p.Bounds(), p.size()
	p.mu.RLock()
	defer p.mu.RUnlock()
	return Usage{b, size, p.received}
}

func (p *Partition) size() int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var sum int64
	for i := range p.sealed {
		sum += p.sealed[i].Bytes
	}
	return sum + p.open.dataAbove(-1)
}
