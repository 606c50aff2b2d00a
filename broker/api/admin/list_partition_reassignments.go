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
func (c *Handlers) ListPartitionReassignments(_ context.Context, r *api.Request) (kmsg.Response, error) {
	resp := kmsg.NewPtrListPartitionReassignmentsResponse()
	resp.Topics = []kmsg.ListPartitionReassignmentsResponseTopic{}
	if err := needs(r, kmsg.ACLOperationDescribe); err != nil {
		c.refuse(&resp.ErrorCode, &resp.ErrorMessage, err)
		req := r.Body.(*kmsg.ListPartitionReassignmentsRequest)
		for i := range req.Topics {
			t := kmsg.NewListPartitionReassignmentsResponseTopic()
			t.Topic = req.Topics[i].Topic
			for _, index := range req.Topics[i].Partitions {
				p := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
				p.Partition = index
				t.Partitions = append(t.Partitions, p)
			}
			resp.Topics = append(resp.Topics, t)
		}
	}
	return resp, nil
}
