package fetch

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// ListOffsets (key 2), versions 1 to 11.
//
//	 1  one offset per partition; 2 isolation level
//	 4  leader epochs (KIP-320); 6 flexible
//	 7  max timestamp (KIP-734); 8 earliest local (KIP-405)
//	 9  latest tiered (KIP-1005); 10 a timeout; 11 earliest pending upload (KIP-1023)
//
// There is no tiering as Kafka means it, so the earliest local offset is the
// earliest, and of tiered offsets there are none (-1). Not done: what Kafka shows to
// followers beyond the high watermark.

// The special timestamps.
const (
	timeLatest          = -1
	timeEarliest        = -2
	timeMax             = -3
	timeEarliestLocal   = -4
	timeLatestTiered    = -5
	timeEarliestPending = -6
)

// sinceVersion is the version that brought each special timestamp.
var sinceVersion = map[int64]int16{
	timeLatest: 1, timeEarliest: 1, timeMax: 7, timeEarliestLocal: 8, timeLatestTiered: 9, timeEarliestPending: 11,
}

// ListOffsets finds offsets by timestamp, and the ends of partitions.
func (h *Handlers) ListOffsets(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.ListOffsetsRequest)
	resp := kmsg.NewPtrListOffsetsResponse()
	resp.Topics = []kmsg.ListOffsetsResponseTopic{}
	if r.Version >= 10 && req.TimeoutMillis > 0 {
		var cancel context.CancelFunc
		ctx, cancel = api.Within(ctx, req.TimeoutMillis)
		defer cancel()
	}
	topics := offsetTopics(req.Topics)
	for i := range topics {
		want := &topics[i]
		topic, unknown := r.Topic(h.Topics, api.Named(want.Topic), kmsg.ACLOperationDescribe)
		repeated := api.Twice(want.Partitions, func(p *kmsg.ListOffsetsRequestTopicPartition) int32 { return p.Partition })
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = want.Topic
		out.Partitions = make([]kmsg.ListOffsetsResponseTopicPartition, 0, len(want.Partitions))
		for j := range want.Partitions {
			p := &want.Partitions[j]
			again, first := repeated[p.Partition]
			if !first {
				continue // one answer for all of them
			}
			if r.Version < 4 {
				p.CurrentLeaderEpoch = -1
			}
			o := kmsg.NewListOffsetsResponseTopicPartition()
			o.Partition, o.OldStyleOffsets = p.Partition, []int64{}
			err := error(protocol.InvalidRequest)
			switch {
			case again:
				delete(repeated, p.Partition)
			case isolated(req.IsolationLevel) && unknown != protocol.None:
				err = unknown
			case isolated(req.IsolationLevel):
				err = h.offsetFor(ctx, r.Version, topic, p, req.IsolationLevel == 1, &o)
			}
			o.ErrorCode = int16(api.CodeOf(err))
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

// offsetTopics names each topic once, and none without partitions.
func offsetTopics(topics []kmsg.ListOffsetsRequestTopic) []kmsg.ListOffsetsRequestTopic {
	out := make([]kmsg.ListOffsetsRequestTopic, 0, len(topics))
	at := make(map[string]int, len(topics))
	for _, t := range topics {
		i, again := at[t.Topic]
		switch {
		case again:
			out[i].Partitions = append(out[i].Partitions, t.Partitions...)
		case len(t.Partitions) > 0:
			at[t.Topic] = len(out)
			t.Partitions = slices.Clip(t.Partitions) // what is appended is not the request's
			out = append(out, t)
		}
	}
	return out
}

// offsetFor answers for one partition.
func (h *Handlers) offsetFor(ctx context.Context, version int16, t *api.Topic, want *kmsg.ListOffsetsRequestTopicPartition, committed bool, out *kmsg.ListOffsetsResponseTopicPartition) error {
	p, err := api.Open(ctx, h.Log, h.Leaders.View(), t, want.Partition, want.CurrentLeaderEpoch)
	if err != nil {
		return err
	}
	if want.Timestamp < 0 {
		if since, known := sinceVersion[want.Timestamp]; !known || version < since {
			return protocol.UnsupportedVersion
		}
	}
	bounds := p.Bounds()
	switch want.Timestamp {
	case timeLatest:
		out.Offset, out.LeaderEpoch = bounds.HighWatermark, p.LeaderEpoch()
		if committed {
			out.Offset = bounds.LastStable
		}
	case timeEarliest, timeEarliestLocal:
		out.Offset, out.LeaderEpoch = bounds.LogStart, p.EpochAt(bounds.LogStart)
	case timeLatestTiered, timeEarliestPending:
	default:
		found, ok, err := p.OffsetForTime(ctx, want.Timestamp, committed)
		if err != nil || !ok {
			return err
		}
		out.Offset, out.Timestamp, out.LeaderEpoch = found.Offset, found.Timestamp, p.EpochAt(found.Offset)
	}
	return nil
}
