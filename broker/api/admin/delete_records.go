package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// DeleteRecords (key 21), versions 0 to 2: 2 is flexible. Offset -1 stands for the
// high watermark.

// DeleteRecords raises the log start of partitions.
func (c *Handlers) DeleteRecords(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DeleteRecordsRequest)
	ctx, cancel := api.Within(ctx, req.TimeoutMillis)
	defer cancel()
	resp := kmsg.NewPtrDeleteRecordsResponse()
	resp.Topics = []kmsg.DeleteRecordsResponseTopic{}
	for _, want := range lastOfEach(req.Topics) {
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic = want.Topic
		out.Partitions = make([]kmsg.DeleteRecordsResponseTopicPartition, 0, len(want.Partitions))
		for j := range want.Partitions {
			o := kmsg.NewDeleteRecordsResponseTopicPartition()
			o.Partition = want.Partitions[j].Partition
			start, err := c.deleteRecords(ctx, r, want.Topic, &want.Partitions[j])
			if err != nil {
				start = -1
			}
			o.LowWatermark, o.ErrorCode = start, int16(api.CodeOf(err))
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

// lastOfEach is what is asked, with each topic and partition once: of a partition that is
// named twice the last one counts, and a topic without partitions is not answered.
func lastOfEach(topics []kmsg.DeleteRecordsRequestTopic) []kmsg.DeleteRecordsRequestTopic {
	type topicPartition struct {
		topic     string
		partition int32
	}
	type place struct{ topic, partition int }
	out := make([]kmsg.DeleteRecordsRequestTopic, 0, len(topics))
	at, seen := make(map[string]int), make(map[topicPartition]place)
	for i := range topics {
		name := topics[i].Topic
		for _, p := range topics[i].Partitions {
			key := topicPartition{name, p.Partition}
			if was, again := seen[key]; again {
				out[was.topic].Partitions[was.partition] = p
				continue
			}
			n, ok := at[name]
			if !ok {
				n = len(out)
				at[name] = n
				out = append(out, kmsg.DeleteRecordsRequestTopic{Topic: name})
			}
			seen[key] = place{n, len(out[n].Partitions)}
			out[n].Partitions = append(out[n].Partitions, p)
		}
	}
	return out
}

func (c *Handlers) deleteRecords(ctx context.Context, r *api.Request, topic string, want *kmsg.DeleteRecordsRequestTopicPartition) (int64, error) {
	t, code := r.TopicPartition(c.Catalog, api.Named(topic), want.Partition, kmsg.ACLOperationDelete)
	switch {
	case code != protocol.None:
		return -1, code
	case t.Internal:
		return -1, protocol.InvalidTopicException
	case !t.Config.Delete:
		return -1, protocol.PolicyViolation // a compacted topic loses records by key only
	case want.Offset < -1:
		return -1, protocol.OffsetOutOfRange
	}
	p, err := api.Open(ctx, c.Log, c.Leaders.View(), t, want.Partition, -1)
	if err != nil {
		return -1, err
	}
	return p.DeleteRecords(ctx, want.Offset)
}
