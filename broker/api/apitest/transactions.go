package apitest

import (
	"context"
	"sync"

	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// Transactions confirms all partitions, or none, and remembers what it was asked.
type Transactions struct {
	Code protocol.Code // for every partition

	mu    sync.Mutex
	asked []Asked
	calls int
}

// Asked is one question whether a partition belongs to a transaction.
type Asked struct {
	TransactionalID string
	ProducerID      int64
	Epoch           int16
	Add             bool
	Partition       txn.TopicPartition
}

// Join implements api.Transactions.
func (x *Transactions) Join(_ context.Context, id string, producerID int64, epoch int16, add bool, parts []txn.TopicPartition) []protocol.Code {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.calls++
	codes := make([]protocol.Code, len(parts))
	for i, p := range parts {
		codes[i] = x.Code
		x.asked = append(x.asked, Asked{id, producerID, epoch, add, p})
	}
	return codes
}

// Asked lists the questions so far.
func (x *Transactions) Asked() []Asked {
	x.mu.Lock()
	defer x.mu.Unlock()
	return append([]Asked(nil), x.asked...)
}

// Calls is how often it was asked, about any number of partitions.
func (x *Transactions) Calls() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.calls
}
