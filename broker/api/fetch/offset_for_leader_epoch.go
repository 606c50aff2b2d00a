package fetch

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// OffsetForLeaderEpoch (key 23), versions 2 to 4.
//
//	2  the client's leader epoch is checked (KIP-320); librdkafka sends only this one
//	3  replica id, which is ignored: nobody follows this broker
//	4  flexible

// OffsetForLeaderEpoch tells where an epoch ended, so that a client can see whether
// what it read is still there.
func (h *Handlers) OffsetForLeaderEpoch(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.OffsetForLeaderEpochRequest)
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	resp.Topics = []kmsg.OffsetForLeaderEpochResponseTopic{}
	view := h.Leaders.View()
	broker := r.SeesCluster(kmsg.ACLOperationClusterAction)
	for i := range req.Topics {
		want := &req.Topics[i]
		topic, unknown := api.Find(h.Topics, api.Named(want.Topic))
		if !broker {
			topic, unknown = r.Topic(h.Topics, api.Named(want.Topic), kmsg.ACLOperationDescribe)
		}
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = want.Topic
		out.Partitions = make([]kmsg.OffsetForLeaderEpochResponseTopicPartition, len(want.Partitions))
		for j := range want.Partitions {
			w := &want.Partitions[j]
			o := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			o.Partition = w.Partition
			out.Partitions[j] = o
			if unknown != protocol.None {
				out.Partitions[j].ErrorCode = int16(unknown)
				continue
			}
			p, err := api.Open(ctx, h.Log, view, topic, w.Partition, w.CurrentLeaderEpoch)
			if err == nil {
				out.Partitions[j].LeaderEpoch, out.Partitions[j].EndOffset = p.EpochEnd(w.LeaderEpoch)
			}
			out.Partitions[j].ErrorCode = int16(api.CodeOf(err))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}
