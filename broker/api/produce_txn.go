package api

import (
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
)

// confirm prepares a transactional batch: it may be appended if it continues a
// transaction, or if the coordinator confirms that the partition belongs to the
// producer's transaction (KIP-890: else a late batch would begin a transaction that
// nobody ends). By the rules of version 2 the coordinator adds the partition; its record lies
// before the batch in the log and is durable no later, so nothing is waited for. By
// those of version 1 it is not asked if verification is switched off, as in Kafka. The
// request has a transactional id, see head.
func (q *produceParser) confirm(topic *catalog.Topic, index int32, p Partition, b *log.Batch) error {
	h := &b.Header
	b.VersionTwo = q.request.Version >= txn.ProduceAdds
	open, guard := p.TransactionGuard(h.ProducerID, h.ProducerEpoch)
	b.Guard = guard
	if open {
		return nil
	}
	if !b.VersionTwo && !q.Verifies() {
		b.Unconfirmed = true
		return nil
	}
	parts := []txn.TopicPartition{{Topic: topic.Name, Partition: index}}
	codes := q.Transactions.Join(q.ctx, *q.txnID, h.ProducerID, h.ProducerEpoch, b.VersionTwo, parts)
	if codes[0] == protocol.None {
		return nil
	}
	p.Unverified(h.ProducerID, h.ProducerEpoch, h.BaseSequence)
	return unconfirmed(codes[0], q.request.Version)
}

// unconfirmed is what the client is told when the coordinator did not confirm, with
// Kafka's messages.
func unconfirmed(code protocol.Code, version int16) error {
	told := txn.ProduceCode(code, version)
	switch {
	case told == protocol.InvalidTxnState:
		return protocol.Errorf(told, "Partition was not added to the transaction")
	case told == protocol.NotEnoughReplicas:
		return protocol.Errorf(told,
			"Unable to verify the partition has been added to the transaction. Underlying error: %s", code)
	}
	return told
}
