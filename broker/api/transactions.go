package api

import (
	"context"

	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// Transactions says whether partitions belong to a producer's open transaction;
// coordinator/transactions has the contract.
type Transactions interface {
	Join(ctx context.Context, transactionalID string, producerID int64, epoch int16, add bool, parts []txn.TopicPartition) []protocol.Code
}

// TransactionFinder makes sure that a transactional id has a coordinator.
type TransactionFinder interface {
	Find(ctx context.Context, id string) protocol.Code
}
