package transactions

import (
	"context"

	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// Coordinator owns the transactional ids of this broker. Its methods may be called from
// any goroutine once it is made.
type Coordinator struct{}

// Join makes sure that partitions belong to the transaction that the producer has open,
// for Produce and TxnOffsetCommit. With add (version 2 of the protocol) the missing ones
// are added; the data may be appended at once, since the record of it lies before the
// data in the log and is durable no later. Without add it only verifies.
//
// There is one code per partition, in order, as Kafka's verification gives them; txn.
// ProduceCode and txn.OffsetCommitCode say what clients are told.
func (c *Coordinator) Join(ctx context.Context, transactionalID string, producerID int64, epoch int16, add bool, parts []txn.TopicPartition) []protocol.Code {
	codes := make([]protocol.Code, len(parts))
	for i := range codes {
		codes[i] = protocol.NotCoordinator
	}
	return codes
}
