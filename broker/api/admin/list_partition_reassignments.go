package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
)

// ListPartitionReassignments (key 46), version 0 (KIP-455). Data does not move between
// brokers: no reassignment is ever going on. Kafka too leaves out topics and partitions
// that it does not know.

// ListPartitionReassignments shows that nothing moves.
func (c *Handlers) ListPartitionReassignments(context.Context, *api.Request) (kmsg.Response, error) {
	resp := kmsg.NewPtrListPartitionReassignmentsResponse()
	resp.Topics = []kmsg.ListPartitionReassignmentsResponseTopic{}
	return resp, nil
}
