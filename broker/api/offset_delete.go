package api

// OffsetDelete (key 47): version 0 (KIP-496).
//
// A group's error is at the top and no topic is listed then. Topics that members of
// a live consumer group subscribe to keep their offsets: GROUP_SUBSCRIBED_TO_TOPIC.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

// OffsetDelete removes committed offsets.
func (g *Groups) OffsetDelete(ctx context.Context, r *Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.OffsetDeleteRequest)
	resp := kmsg.NewPtrOffsetDeleteResponse()
	resp.Topics = make([]kmsg.OffsetDeleteResponseTopic, 0, len(req.Topics))
	var list []group.TopicPartition
	var existing []*kmsg.OffsetDeleteResponseTopicPartition
	for i := range req.Topics {
		in := &req.Topics[i]
		topic := g.Topics.ByName(in.Topic)
		out := kmsg.NewOffsetDeleteResponseTopic()
		out.Topic = in.Topic
		out.Partitions = make([]kmsg.OffsetDeleteResponseTopicPartition, len(in.Partitions))
		for j := range in.Partitions {
			p := &out.Partitions[j]
			p.Default()
			p.Partition = in.Partitions[j].Partition
			if !hasPartition(topic, p.Partition) {
				p.ErrorCode = int16(protocol.UnknownTopicOrPartition)
				continue
			}
			list = append(list, group.TopicPartition{Topic: in.Topic, Partition: p.Partition})
			existing = append(existing, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	codes, all := g.Coordinator.DeleteOffsets(ctx, req.Group, list)
	if all != protocol.None {
		resp.ErrorCode, resp.Topics = int16(all), []kmsg.OffsetDeleteResponseTopic{}
		return resp, nil
	}
	for i := range existing {
		existing[i].ErrorCode = int16(codes[i])
	}
	return resp, nil
}
