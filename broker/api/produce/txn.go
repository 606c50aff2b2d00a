package produce

import (
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
)

// joining is a batch that may begin a transaction in its partition.
type joining struct {
	part      txn.TopicPartition
	partition api.Partition
	batch     log.Batch
	ticket    *log.Ticket
	slot      int
}

// begun prepares a transactional batch and says whether it may be appended as it is: it
// continues a transaction, or it is of the first protocol and verification is switched
// off, as it can be in Kafka. The coordinator is not asked about a producer that is
// fenced in the partition. The request has a transactional id, see head.
func (q *produceParser) begun(p api.Partition, b *log.Batch) (bool, error) {
	b.VersionTwo = q.request.Version >= txn.ProduceAdds
	open, guard, err := p.TransactionGuard(b.Header.ProducerID, b.Header.ProducerEpoch)
	b.Guard, b.Unconfirmed = guard, !open && !b.VersionTwo && !q.Verifies()
	return open || b.Unconfirmed, err
}

// joinAll appends the batches that may begin transactions, if the coordinator confirms
// that the partitions belong to them (KIP-890: else a late batch would begin a
// transaction that nobody ends). By the rules of version 2 it adds the partitions; its
// record lies before the batches in the log and is durable no later, so nothing is
// waited for. Each question may cost a record with all partitions of the transaction, so
// those that have arrived together are asked about together.
func (q *produceParser) joinAll() {
	for from := 0; from < len(q.joins); {
		to := from + 1
		for to < len(q.joins) && q.joins[to].sameProducer(&q.joins[from]) {
			to++
		}
		q.join(q.joins[from:to])
		from = to
	}
	clear(q.joins)
	q.joins = q.joins[:0]
}

func (j *joining) sameProducer(other *joining) bool {
	a, b := &j.batch.Header, &other.batch.Header
	return a.ProducerID == b.ProducerID && a.ProducerEpoch == b.ProducerEpoch
}

// join asks about batches of one producer.
func (q *produceParser) join(list []joining) {
	parts := make([]txn.TopicPartition, len(list))
	for i := range list {
		parts[i] = list[i].part
	}
	first := &list[0].batch
	codes := q.Transactions.Join(&q.ctx, *q.txnID, first.Header.ProducerID, first.Header.ProducerEpoch, first.VersionTwo, parts)
	for i := range list {
		j := &list[i]
		if codes[i] == protocol.None {
			j.partition.Append(&q.ctx, j.ticket, j.slot, j.batch)
			continue
		}
		h := &j.batch.Header
		j.partition.Unverified(h.ProducerID, h.ProducerEpoch, h.BaseSequence)
		j.batch.Buf.Release()
		j.ticket.Finish(j.slot, refused(unconfirmed(codes[i], q.request.Version)))
	}
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
