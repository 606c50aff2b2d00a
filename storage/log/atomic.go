package log

import (
	"context"

	"github.com/streamhouse/streamhouse/protocol"
)

// Bounds of one atomic append: it must fit one pack whatever journal.pack.bytes is.
const (
	AtomicBatchesMax = 4096
	AtomicBytesMax   = 1 << 20
)

// AtomicBatch is one batch of an atomic append.
type AtomicBatch struct {
	Partition *Partition
	Batch     Batch
}

// AppendAtomic appends end markers and batches of coordinators in one pack, so that
// all of them become durable or none does; slot i of the ticket gets the outcome of
// batch i. If one is refused none is appended: its slot gets the reason, the others
// OPERATION_NOT_ATTEMPTED. It waits for room (ctx bounds that) and for nothing else,
// and takes over one hold on each batch's Buf.
//
// INVALID_REQUEST for more than AtomicBatchesMax batches or AtomicBytesMax bytes, for a
// batch of a client, which could be a duplicate, and for two batches of one producer in
// one partition, which would depend on one another.
func (a *Appender) AppendAtomic(ctx context.Context, t *Ticket, batches []AtomicBatch) {
	if len(batches) == 0 {
		return
	}
	l := a.log
	slot, err := checkAtomic(batches)
	if err == nil {
		slot, err = l.placeAtomic(ctx, t, batches)
	}
	if err == nil {
		l.kickCommitter()
		return
	}
	for i := range batches {
		batches[i].Batch.Buf.Release()
		if i == slot || slot < 0 {
			t.Fail(i, err)
		} else {
			t.Fail(i, protocol.OperationNotAttempted)
		}
	}
}

// producerOf is a producer in a partition.
type producerOf struct {
	part     *Partition
	producer int64
}

// checkAtomic refuses what no atomic append may hold. slot is the batch at fault, -1
// for all of them.
func checkAtomic(batches []AtomicBatch) (slot int, err error) {
	if len(batches) > AtomicBatchesMax {
		return -1, protocol.Errorf(protocol.InvalidRequest, "%d batches in one append, at most %d fit", len(batches), AtomicBatchesMax)
	}
	bytes := 0
	seen := make(map[producerOf]struct{}, len(batches))
	for i := range batches {
		b := &batches[i].Batch
		if bytes += len(b.Bytes); bytes > AtomicBytesMax {
			return -1, protocol.Errorf(protocol.InvalidRequest, "more than %d bytes in one append", AtomicBytesMax)
		}
		if b.Marker == nil && !b.Coordinator {
			return i, protocol.Errorf(protocol.InvalidRequest, "a client's batch in an atomic append")
		}
		if b.Header.ProducerID < 0 {
			continue
		}
		key := producerOf{batches[i].Partition, b.Header.ProducerID}
		if _, twice := seen[key]; twice {
			return i, protocol.Errorf(protocol.InvalidRequest, "two batches of producer %d for one partition", key.producer)
		}
		seen[key] = struct{}{}
	}
	return -1, nil
}

// placeAtomic checks all batches, and then puts all of them into the open pack. slot is
// the batch at fault, -1 for all of them.
func (l *Log) placeAtomic(ctx context.Context, t *Ticket, batches []AtomicBatch) (slot int, err error) {
	bytes := 0
	for i := range batches {
		bytes += len(batches[i].Batch.Bytes)
	}
	l.mu.Lock()
	defer l.leave()
	if slot, err = l.readyAll(batches); err != nil {
		return slot, err
	}
	if err := l.admit(ctx, bytes); err != nil {
		return -1, err
	}
	if slot, err = l.readyAll(batches); err != nil { // it may have changed while we waited
		return slot, err
	}
	for i := range batches {
		b := &batches[i].Batch
		if err := l.standing(b); err != nil {
			return -1, err
		}
		if b.Header.ProducerID < 0 {
			continue
		}
		if _, err := l.checkProducer(batches[i].Partition, b); err != nil {
			return i, err
		}
	}
	for i := range batches {
		l.put(t, i, batches[i].Partition, &batches[i].Batch)
	}
	l.open.atomic = true
	return -1, nil
}

// readyAll says why nothing can be appended to one of the partitions, if so.
func (l *Log) readyAll(batches []AtomicBatch) (slot int, err error) {
	for i := range batches {
		if err := l.ready(batches[i].Partition); err != nil {
			if batches[i].Partition.deleted {
				return i, err
			}
			return -1, err
		}
	}
	return -1, nil
}
