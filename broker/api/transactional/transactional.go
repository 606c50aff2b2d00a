// Package transactional has the handlers of producer ids and of transactions, one file per
// API key; the rules are their coordinator's.
package transactional

import (
	"context"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// Coordinator is the coordinator of transactions; package
// coordinator/transactions has the contracts.
type Coordinator interface {
	api.Transactions
	api.TransactionFinder
	InitProducerID(ctx context.Context, id string, timeoutMs int32, had transactions.Producer) (transactions.Producer, protocol.Code)
	AddPartitions(ctx context.Context, id string, p transactions.Producer, version int16, parts []txn.TopicPartition) protocol.Code
	Verify(ctx context.Context, id string, p transactions.Producer, parts []txn.TopicPartition) []protocol.Code
	AddOffsets(ctx context.Context, id string, p transactions.Producer, groupID string) protocol.Code
	End(ctx context.Context, id string, p transactions.Producer, commit bool, version int16) (transactions.Producer, protocol.Code)
	WriteMarkers(ctx context.Context, m *transactions.Markers) []protocol.Code
	Describe(id string) (*txn.State, protocol.Code)
	List(f *transactions.Filter) ([]transactions.Listed, protocol.Code)
}

// ProducerIDs gives out producer ids, none of them twice.
type ProducerIDs interface {
	Next(ctx context.Context) (int64, error)
}

// Handlers answers the requests of producers to the coordinator of transactions,
// and those of its administration. InitProducerId is here, though producers without
// transactions send it too.
type Handlers struct {
	Coordinator Coordinator
	Topics      api.Directory
	ProducerIDs ProducerIDs
}
