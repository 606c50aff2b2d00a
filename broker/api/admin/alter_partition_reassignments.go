package admin

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// AlterPartitionReassignments (key 45), versions 0 and 1 (KIP-455): 1 says whether the
// number of replicas may change (KIP-860).
//
// There is one broker, and every partition is on it already: to ask for that is done at
// once, as Kafka does with a set that does not change. Any other set names a broker that
// does not exist. There is never a reassignment to cancel.

// AlterPartitionReassignments checks where partitions are wanted.
func (c *Handlers) AlterPartitionReassignments(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.AlterPartitionAssignmentsRequest)
	resp := kmsg.NewPtrAlterPartitionAssignmentsResponse()
	resp.AllowReplicationFactorChange = req.AllowReplicationFactorChange
	resp.Topics = []kmsg.AlterPartitionAssignmentsResponseTopic{}
	denied := needs(r, kmsg.ACLOperationAlter)
	if denied != nil {
		c.refuse(&resp.ErrorCode, &resp.ErrorMessage, denied)
	} else if len(req.Topics) == 0 {
		resp.ErrorMessage = new(string) // as Kafka, which answers this before its controller
	} else if req.TimeoutMillis <= 0 {
		resp.ErrorCode = int16(protocol.RequestTimedOut)
	}
	for i := range req.Topics {
		want := &req.Topics[i]
		t, _ := api.Find(c.Catalog, api.Named(want.Topic))
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic, out.Partitions = want.Topic, []kmsg.AlterPartitionAssignmentsResponseTopicPartition{}
		for j := range want.Partitions {
			p := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			p.Partition = want.Partitions[j].Partition
			if resp.ErrorCode != 0 {
				p.ErrorCode, p.ErrorMessage = resp.ErrorCode, resp.ErrorMessage
			} else {
				c.refuse(&p.ErrorCode, &p.ErrorMessage, c.reassign(want.Topic, t, &want.Partitions[j]))
			}
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

func (c *Handlers) reassign(name string, t *api.Topic, want *kmsg.AlterPartitionAssignmentsRequestTopicPartition) error {
	switch {
	case t == nil:
		return protocol.Errorf(protocol.UnknownTopicOrPartition, "Unable to find a topic named %s.", name)
	case !api.HasPartition(t, want.Partition):
		return protocol.Errorf(protocol.UnknownTopicOrPartition, "Unable to find partition %s:%d.", name, want.Partition)
	case want.Replicas == nil:
		return protocol.NoReassignmentInProgress
	case len(want.Replicas) == 0:
		return protocol.Errorf(protocol.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
	}
	replicas := slices.Sorted(slices.Values(want.Replicas))
	view := c.Leaders.View()
	for i, id := range replicas {
		switch {
		case i > 0 && id == replicas[i-1]:
			return protocol.Errorf(protocol.InvalidReplicaAssignment, "The manual partition assignment includes the broker %d more than once.", id)
		case view.Node(id) == nil:
			return protocol.Errorf(protocol.InvalidReplicaAssignment, "The manual partition assignment includes broker %d, but no such broker is registered.", id)
		}
	}
	return nil
}
