package apitest

import (
	"context"
	"fmt"
	"sync"

	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// Coordinator is a transactional.Coordinator that answers everything with Code, and
// with Next where a producer is answered; it writes down what it was asked.
type Coordinator struct {
	Transactions
	Next   transactions.Producer
	Codes  []protocol.Code // of WriteMarkers and Verify, by partition
	State  *txn.State
	Listed []transactions.Listed

	mu    sync.Mutex
	calls []string
}

func (c *Coordinator) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
}

// Last is what it was asked last, or "".
func (c *Coordinator) Last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.calls) == 0 {
		return ""
	}
	last := c.calls[len(c.calls)-1]
	c.calls = nil
	return last
}

func (c *Coordinator) Find(_ context.Context, id string) protocol.Code {
	c.note("find %s", id)
	return c.Code
}

func (c *Coordinator) InitProducerID(_ context.Context, id string, timeoutMs int32, had transactions.Producer) (transactions.Producer, protocol.Code) {
	c.note("init %s %d %v", id, timeoutMs, had)
	return c.Next, c.Code
}

func (c *Coordinator) AddPartitions(_ context.Context, id string, p transactions.Producer, version int16, parts []txn.TopicPartition) protocol.Code {
	c.note("add %s %v v%d %v", id, p, version, parts)
	return c.Code
}

func (c *Coordinator) Verify(_ context.Context, id string, p transactions.Producer, parts []txn.TopicPartition) []protocol.Code {
	c.note("verify %s %v %v", id, p, parts)
	return c.Codes
}

func (c *Coordinator) AddOffsets(_ context.Context, id string, p transactions.Producer, groupID string) protocol.Code {
	c.note("offsets %s %v %s", id, p, groupID)
	return c.Code
}

func (c *Coordinator) End(_ context.Context, id string, p transactions.Producer, commit bool, version int16) (transactions.Producer, protocol.Code) {
	c.note("end %s %v %v v%d", id, p, commit, version)
	return c.Next, c.Code
}

func (c *Coordinator) WriteMarkers(_ context.Context, m *transactions.Markers) []protocol.Code {
	c.note("mark %+v", *m)
	return c.Codes
}

func (c *Coordinator) Describe(id string) (*txn.State, protocol.Code) {
	c.note("describe %s", id)
	return c.State, c.Code
}

func (c *Coordinator) List(f *transactions.Filter) ([]transactions.Listed, protocol.Code) {
	pattern := ""
	if f.Pattern != nil {
		pattern = f.Pattern.String()
	}
	c.note("list %v %v %v %d %s", f.ProducerIDs, f.Statuses, f.None, f.DurationMs, pattern)
	return c.Listed, c.Code
}
