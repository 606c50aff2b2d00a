package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// DeleteRecords (key 21), versions 0 to 2: 2 is flexible. Offset -1 stands for the
// high watermark.

// DeleteRecords raises the log start of partitions.
func (c *Core) DeleteRecords(ctx context.Context, r *Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DeleteRecordsRequest)
	ctx, cancel := within(ctx, req.TimeoutMillis)
	defer cancel()
	resp := kmsg.NewPtrDeleteRecordsResponse()
	resp.Topics = []kmsg.DeleteRecordsResponseTopic{}
	for i := range req.Topics {
		want := &req.Topics[i]
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic = want.Topic
		out.Partitions = make([]kmsg.DeleteRecordsResponseTopicPartition, 0, len(want.Partitions))
		repeated := twice(want.Partitions, func(p *kmsg.DeleteRecordsRequestTopicPartition) int32 { return p.Partition })
		for j := range want.Partitions {
			// Of a partition that is named twice, the last one counts.
			if repeated[want.Partitions[j].Partition] {
				last := j + 1
				for last < len(want.Partitions) && want.Partitions[last].Partition != want.Partitions[j].Partition {
					last++
				}
				if last < len(want.Partitions) {
					continue
				}
			}
			o := kmsg.NewDeleteRecordsResponseTopicPartition()
			o.Partition = want.Partitions[j].Partition
			start, err := c.deleteRecords(ctx, c.Catalog.ByName(want.Topic), &want.Partitions[j])
			if err != nil {
				start = -1
			}
			o.LowWatermark, o.ErrorCode = start, int16(codeOf(err))
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

func (c *Core) deleteRecords(ctx context.Context, t *Topic, want *kmsg.DeleteRecordsRequestTopicPartition) (int64, error) {
	switch {
	case t == nil, want.Partition < 0, want.Partition >= t.Partitions:
		return -1, protocol.UnknownTopicOrPartition
	case t.Internal:
		return -1, protocol.InvalidTopicException
	case !t.Config.Delete:
		return -1, protocol.PolicyViolation // a compacted topic loses records by key only
	case want.Offset < -1:
		return -1, protocol.OffsetOutOfRange
	}
	p, err := c.partition(ctx, t, want.Partition, -1)
	if err != nil {
		return -1, err
	}
	return c.Log.DeleteRecords(ctx, p, want.Offset)
}
