package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// CreatePartitions (key 37), versions 0 to 3: 2 is flexible, 1 and 3 are about quotas.

// CreatePartitions raises the number of partitions of topics.
func (c *Handlers) CreatePartitions(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.CreatePartitionsRequest)
	ctx, cancel := api.Within(ctx, req.TimeoutMillis)
	defer cancel()
	resp := kmsg.NewPtrCreatePartitionsResponse()
	resp.Topics = []kmsg.CreatePartitionsResponseTopic{}
	repeated := api.Twice(req.Topics, func(t *kmsg.CreatePartitionsRequestTopic) string { return t.Topic })
	for i := range req.Topics {
		want := &req.Topics[i]
		again, first := repeated[want.Topic]
		var err error
		switch {
		case again:
			err = protocol.Errorf(protocol.InvalidRequest, "Duplicate topic name.")
			delete(repeated, want.Topic)
		case !first:
			continue
		case req.TimeoutMillis <= 0:
			err = protocol.RequestTimedOut
		case !r.May(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationAlter, want.Topic):
			err = protocol.TopicAuthorizationFailed
		default:
			err = c.Catalog.CreatePartitions(ctx, want.Topic, want.Count, assignments(want), req.ValidateOnly)
		}
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic = want.Topic
		c.refuse(&out.ErrorCode, &out.ErrorMessage, err)
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

// assignments is the brokers of each new partition, or nil.
func assignments(want *kmsg.CreatePartitionsRequestTopic) [][]int32 {
	if want.Assignment == nil {
		return nil
	}
	out := make([][]int32, len(want.Assignment))
	for i := range out {
		out[i] = want.Assignment[i].Replicas
	}
	return out
}
