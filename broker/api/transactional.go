package api

import (
	"context"

	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// TransactionCoordinator is the coordinator of transactions; package
// coordinator/transactions has the contracts.
type TransactionCoordinator interface {
	Transactions
	TransactionFinder
	InitProducerID(ctx context.Context, id string, timeoutMs int32, had transactions.Producer) (transactions.Producer, protocol.Code)
	AddPartitions(ctx context.Context, id string, p transactions.Producer, version int16, parts []txn.TopicPartition) protocol.Code
	Verify(ctx context.Context, id string, p transactions.Producer, parts []txn.TopicPartition) []protocol.Code
	AddOffsets(ctx context.Context, id string, p transactions.Producer, groupID string) protocol.Code
	End(ctx context.Context, id string, p transactions.Producer, commit bool, version int16) (transactions.Producer, protocol.Code)
	WriteMarkers(ctx context.Context, m *transactions.Markers) []protocol.Code
	Describe(id string) (*txn.State, protocol.Code)
	List(f *transactions.Filter) ([]transactions.Listed, protocol.Code)
}

// TransactionFinder makes sure that a transactional id has a coordinator.
type TransactionFinder interface {
	Find(ctx context.Context, id string) protocol.Code
}

// Transactional answers the requests of producers to the coordinator of transactions,
// and those of its administration. InitProducerId is in Core, since producers without
// transactions send it too.
type Transactional struct {
	Coordinator TransactionCoordinator
	Topics      Directory
}

// Routes puts the APIs into the table.
func (x *Transactional) Routes(t *Routes) {
	t.Handle(protocol.KeyAddPartitionsToTxn, x.AddPartitionsToTxn)
	t.Handle(protocol.KeyAddOffsetsToTxn, x.AddOffsetsToTxn)
	t.Handle(protocol.KeyEndTxn, x.EndTxn)
	t.Handle(protocol.KeyWriteTxnMarkers, x.WriteTxnMarkers)
	t.Handle(protocol.KeyDescribeTransactions, x.DescribeTransactions)
	t.Handle(protocol.KeyListTransactions, x.ListTransactions)
}
