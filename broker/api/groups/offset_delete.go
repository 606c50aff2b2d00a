package groups

// OffsetDelete (key 47): version 0 (KIP-496).
//
// A group's error is at the top and no topic is listed then. Topics that members of
// a live consumer group subscribe to keep their offsets: GROUP_SUBSCRIBED_TO_TOPIC.

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

// OffsetDelete removes committed offsets.
func (g *Handlers) OffsetDelete(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.OffsetDeleteRequest)
	resp := kmsg.NewPtrOffsetDeleteResponse()
	resp.Topics = make([]kmsg.OffsetDeleteResponseTopic, 0, len(req.Topics))
	if code := r.Group(req.Group, kmsg.ACLOperationDelete); code != protocol.None {
		resp.ErrorCode = int16(code)
		return resp, nil
	}
	var list []group.TopicPartition
	var existing []*kmsg.OffsetDeleteResponseTopicPartition
	topics := oncePerTopic(req.Topics)
	for i := range topics {
		in := &topics[i]
		topic, code := r.Topic(g.Topics, api.Named(in.Topic), kmsg.ACLOperationRead)
		out := kmsg.NewOffsetDeleteResponseTopic()
		out.Topic = in.Topic
		out.Partitions = make([]kmsg.OffsetDeleteResponseTopicPartition, len(in.Partitions))
		for j := range in.Partitions {
			p := &out.Partitions[j]
			p.Default()
			p.Partition = in.Partitions[j].Partition
			if p.ErrorCode = int16(inTopic(topic, code, p.Partition)); p.ErrorCode != 0 {
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

// oncePerTopic puts the partitions of a topic that is named again with those of the first
// time.
func oncePerTopic(topics []kmsg.OffsetDeleteRequestTopic) []kmsg.OffsetDeleteRequestTopic {
	out := make([]kmsg.OffsetDeleteRequestTopic, 0, len(topics))
	at := make(map[string]int, len(topics))
	for _, t := range topics {
		if i, again := at[t.Topic]; again {
			out[i].Partitions = append(out[i].Partitions, t.Partitions...)
			continue
		}
		t.Partitions = slices.Clip(t.Partitions) // what is appended is not the request's
		at[t.Topic] = len(out)
		out = append(out, t)
	}
	return out
}
