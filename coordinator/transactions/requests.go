package transactions

import (
	"context"
	"time"

	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// checkID refuses an id that is none, or that no record can hold.
func checkID(id string) protocol.Code {
	if id == "" || len(id) > txn.MaxIDBytes {
		return protocol.InvalidRequest
	}
	return protocol.None
}

// Producer is a producer id with its epoch; both -1: none.
type Producer struct {
	ID    int64
	Epoch int16
}

var noProducer = Producer{txn.NoProducerID, txn.NoEpoch}

// InitProducerID begins a producer's use of an id: whoever used it before is fenced, and
// its transaction aborted, which is answered with CONCURRENT_TRANSACTIONS. had is what
// the producer has been, if it goes on (KIP-360).
func (c *Coordinator) InitProducerID(ctx context.Context, id string, timeoutMs int32, had Producer) (Producer, protocol.Code) {
	if code := checkID(id); code != protocol.None {
		return noProducer, code
	}
	if timeoutMs <= 0 || time.Duration(timeoutMs)*time.Millisecond > c.opts.TimeoutMax {
		return noProducer, protocol.InvalidTransactionTimeout
	}
	o := c.do(ctx, id, func(s *txn.State, newID, nowMs int64) txn.Outcome {
		return txn.Init(s, &txn.InitRequest{
			TimeoutMs: timeoutMs, ProducerID: had.ID, Epoch: had.Epoch, NewID: newID, Level: c.opts.Level(), NowMs: nowMs,
		})
	})
	return Producer{o.ProducerID, o.Epoch}, o.Code
}

// AddPartitions makes partitions part of the producer's transaction. version is that of
// the transaction protocol.
func (c *Coordinator) AddPartitions(ctx context.Context, id string, p Producer, version int16, parts []txn.TopicPartition) protocol.Code {
	if code := checkID(id); code != protocol.None {
		return code
	}
	return c.do(ctx, id, add(p, version, parts)).Code
}

func add(p Producer, version int16, parts []txn.TopicPartition) step {
	return func(s *txn.State, _, nowMs int64) txn.Outcome {
		return txn.Add(s, &txn.AddRequest{ProducerID: p.ID, Epoch: p.Epoch, Partitions: parts, Version: version, NowMs: nowMs})
	}
}

// AddOffsets makes the partition part of the transaction that a group's offsets are in.
func (c *Coordinator) AddOffsets(ctx context.Context, id string, p Producer, groupID string) protocol.Code {
	if code := checkID(id); code != protocol.None {
		return code
	}
	topic, partition, code := c.offsets.PartitionFor(ctx, groupID)
	if code != protocol.None {
		return code
	}
	return c.AddPartitions(ctx, id, p, txn.Version0, []txn.TopicPartition{{Topic: topic.Name, Partition: partition}})
}

// Verify says of each partition whether it belongs to the producer's open transaction:
// TRANSACTION_ABORTABLE if not (KIP-890).
func (c *Coordinator) Verify(ctx context.Context, id string, p Producer, parts []txn.TopicPartition) []protocol.Code {
	if code := checkID(id); code != protocol.None {
		return all(code, parts)
	}
	var codes []protocol.Code
	o := c.do(ctx, id, func(s *txn.State, _, _ int64) txn.Outcome {
		codes = txn.Verify(s, p.ID, p.Epoch, parts)
		return txn.Outcome{}
	})
	if o.Code != protocol.None {
		return all(o.Code, parts)
	}
	return codes
}

func all(code protocol.Code, parts []txn.TopicPartition) []protocol.Code {
	codes := make([]protocol.Code, len(parts))
	for i := range codes {
		codes[i] = code
	}
	return codes
}

// End commits or aborts the producer's transaction, and answers who the producer is from
// now on. version is that of the transaction protocol.
func (c *Coordinator) End(ctx context.Context, id string, p Producer, commit bool, version int16) (Producer, protocol.Code) {
	if code := checkID(id); code != protocol.None {
		return noProducer, code
	}
	o := c.do(ctx, id, func(s *txn.State, newID, nowMs int64) txn.Outcome {
		return txn.Finish(s, &txn.EndRequest{
			ProducerID: p.ID, Epoch: p.Epoch, Commit: commit, Version: version, NewID: newID, NowMs: nowMs,
		})
	})
	return Producer{o.ProducerID, o.Epoch}, o.Code
}

// Join makes sure that partitions belong to the transaction that the producer has open,
// for Produce and TxnOffsetCommit. With add (version 2 of the protocol) the missing ones
// are added; the data may be appended at once, since the record of it lies before the
// data in the log and is durable no later. Without add it only verifies.
//
// There is one code per partition, in order, as Kafka's verification gives them:
// txn.ProduceCode and txn.OffsetCommitCode say what clients are told.
func (c *Coordinator) Join(ctx context.Context, id string, producerID int64, epoch int16, adds bool, parts []txn.TopicPartition) []protocol.Code {
	p := Producer{producerID, epoch}
	if !adds {
		return c.verifyPlaced(ctx, id, p, parts)
	}
	if code := checkID(id); code != protocol.None {
		return all(code, parts)
	}
	s, code := c.host.Shard(id)
	if code != protocol.None {
		return all(code, parts)
	}
	o, w := s.step(ctx, id, add(p, txn.Version2, parts))
	if o.Code != protocol.None {
		return all(c.answered(ctx, o.Code, w), parts)
	}
	return all(c.awaitPlace(ctx, w), parts)
}

// verifyPlaced is Verify that does not wait for the log with partitions that are there:
// the record of them has its place.
func (c *Coordinator) verifyPlaced(ctx context.Context, id string, p Producer, parts []txn.TopicPartition) []protocol.Code {
	if code := checkID(id); code != protocol.None {
		return all(code, parts)
	}
	s, code := c.host.Shard(id)
	if code != protocol.None {
		return all(code, parts)
	}
	var codes []protocol.Code
	o, w := s.step(ctx, id, func(s *txn.State, _, _ int64) txn.Outcome {
		codes = txn.Verify(s, p.ID, p.Epoch, parts)
		return txn.Outcome{}
	})
	if o.Code != protocol.None {
		return all(o.Code, parts)
	}
	for _, refused := range codes {
		if refused != protocol.None {
			if code := c.await(ctx, w); code != protocol.None {
				return all(code, parts)
			}
			return codes
		}
	}
	if code := c.awaitPlace(ctx, w); code != protocol.None {
		return all(code, parts)
	}
	return codes
}

// answered is a refusal once what it is built on is durable.
func (c *Coordinator) answered(ctx context.Context, code protocol.Code, w *write) protocol.Code {
	if lost := c.await(ctx, w); lost != protocol.None {
		return lost
	}
	return code
}

// awaitPlace waits until a write has its place in the log. A place that was lost before it
// looks is none: whoever asks has a guard, maybe from after the loss, and would append as
// if the record were there.
func (c *Coordinator) awaitPlace(ctx context.Context, w *write) protocol.Code {
	if w == nil {
		return protocol.None
	}
	select {
	case <-w.placed:
	case <-ctx.Done():
		return protocol.CoordinatorNotAvailable
	}
	if w.refused != protocol.None {
		return w.refused
	}
	select {
	case <-w.settled:
		return w.code
	default:
	}
	if !w.partition.Standing(w.guard) {
		return protocol.CoordinatorLoadInProgress // as soon as the shard knows
	}
	return protocol.None
}
