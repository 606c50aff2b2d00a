package coordinator

import (
	"context"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// Txn is the transaction that a commit belongs to (KIP-98). Its offsets are written
// as batches of the producer, and wait in the group for the transaction's marker.
type Txn struct {
	ProducerID    int64
	ProducerEpoch int16
	// Join makes sure that the transaction has the partition of __consumer_offsets, so
	// that its end reaches it. It is called with no lock held, before anything is
	// written; its code is the answer to the commit. nil: nobody is asked, as with
	// transaction.partition.verification.enable=false.
	Join func(ctx context.Context, topic string, partition int32) protocol.Code
}

// producer is the producer part of the batches that hold the transaction's offsets.
// They are outside the duplicate check: all have the sequence number 0, as in Kafka.
func (t *Txn) producer() record.Producer {
	return record.Producer{ID: t.ProducerID, Epoch: t.ProducerEpoch, Sequence: 0}
}

// joinTxn asks whether the offsets of t may be written into the shard's partition.
func (s *shard) joinTxn(ctx context.Context, w *write, t *Txn) protocol.Code {
	s.mu.Lock()
	code, p := s.state(), s.partition
	s.mu.Unlock()
	if code != protocol.None {
		return code
	}
	open, guard, err := p.TransactionGuard(t.ProducerID, t.ProducerEpoch)
	w.txn, w.guard = t, guard
	if err != nil {
		return shards.StoreCode(err)
	}
	if open || t.Join == nil {
		return protocol.None
	}
	return t.Join(ctx, TopicName, s.id.Partition)
}

// joined remembers that a transaction has pending offsets of a group. The caller
// holds s.mu.
func (s *shard) joined(producer int64, e *entry) {
	entries := s.open[producer]
	if entries == nil {
		entries = make(map[*entry]struct{}, 1)
		s.open[producer] = entries
	}
	entries[e] = struct{}{}
}

// TransactionEnded is told that the marker of a producer's transaction is durable in
// a partition of __consumer_offsets: what waited for it is decided. Telling it twice
// does no harm.
func (c *Coordinator) TransactionEnded(partition int32, producer int64, commit bool) {
	shards := c.all()
	if partition < 0 || int(partition) >= len(shards) {
		return // the topic is gone, and its offsets with it
	}
	shards[partition].transactionEnded(ending{producer, commit})
}

// ending is the end of a producer's transaction.
type ending struct {
	producer int64
	commit   bool
}

func (s *shard) transactionEnded(x ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready {
		// The load may have looked before the marker came. No later transaction of the
		// producer can have offsets here, since they are refused while loading.
		s.endings = append(s.endings, x)
		return
	}
	s.settle() // offsets that the log has before the marker
	s.end(x)
}

// end decides the pending offsets of a transaction. The caller holds s.mu.
func (s *shard) end(x ending) {
	for e := range s.open[x.producer] {
		e.offsets.EndTransaction(x.producer, x.commit)
		s.count(e)
		s.removeVoid(e)
	}
	delete(s.open, x.producer)
}

// PartitionFor returns the partition of __consumer_offsets that a group's offsets
// are written to; the topic is made if there is none. COORDINATOR_NOT_AVAILABLE if
// that fails.
func (c *Coordinator) PartitionFor(ctx context.Context, groupID string) (Topic, int32, protocol.Code) {
	if len(groupID) > group.MaxStringBytes {
		return Topic{}, 0, protocol.InvalidGroupID
	}
	t, err := c.topics.EnsureInternal(ctx, TopicName)
	if err != nil {
		return Topic{}, 0, protocol.CoordinatorNotAvailable
	}
	c.host.Look()
	return t, c.host.PartitionFor(groupID, t), protocol.None
}
