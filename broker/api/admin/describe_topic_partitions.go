package admin

import (
	"context"
	"slices"
	"sort"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
)

// DescribeTopicPartitions (key 75), version 0 (KIP-966): topics by name, at most
// max.request.partition.size.limit partitions in an answer, and a cursor to go on
// from. Eligible leader replicas do not exist here: the lists are empty.

// DescribeTopicPartitions shows topics page by page.
func (c *Handlers) DescribeTopicPartitions(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DescribeTopicPartitionsRequest)
	resp := kmsg.NewPtrDescribeTopicPartitionsResponse()
	resp.Topics = []kmsg.DescribeTopicPartitionsResponseTopic{}
	names, all := c.describedTopics(req)
	if misplaced(req.Cursor, names, all) {
		for i := range req.Topics {
			resp.Topics = append(resp.Topics, refusedTopic(req.Topics[i].Topic))
		}
		return resp, nil
	}
	room := min(req.ResponsePartitionLimit, int32(c.Catalog.Broker().Int("max.request.partition.size.limit")))
	room = max(room, 1)
	var denied []kmsg.DescribeTopicPartitionsResponseTopic
	defer func() { resp.Topics = append(resp.Topics, denied...) }() // behind all pages, as in Kafka
	for _, name := range names {
		from := int32(0)
		if req.Cursor != nil {
			if name < req.Cursor.Topic {
				continue
			}
			if name == req.Cursor.Topic {
				from = req.Cursor.Partition
			}
		}
		if all && !r.Sees(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationDescribe, name) {
			continue
		}
		t, code := r.Topic(c.Catalog, api.Named(name), kmsg.ACLOperationDescribe)
		if code == protocol.TopicAuthorizationFailed {
			out := refusedTopic(name)
			out.ErrorCode = int16(code)
			denied = append(denied, out)
			continue
		}
		if room == 0 { // the cursor may name a topic that does not exist
			resp.NextCursor = nextCursor(name, 0)
			return resp, nil
		}
		if t == nil && !all {
			resp.Topics = append(resp.Topics, undescribed(r, name, code))
		}
		if t == nil {
			continue
		}
		to := min(t.Partitions, max(from, min(from, t.Partitions)+room))
		resp.Topics = append(resp.Topics, c.describeTopic(r, t, from, to))
		if to < t.Partitions {
			resp.NextCursor = nextCursor(name, to)
			return resp, nil
		}
		room -= max(to-from, 0)
	}
	return resp, nil
}

// describedTopics returns the names that are asked for, in order and each once; all
// says that nobody named them.
func (c *Handlers) describedTopics(req *kmsg.DescribeTopicPartitionsRequest) (names []string, all bool) {
	for i := range req.Topics {
		names = append(names, req.Topics[i].Topic)
	}
	if len(names) == 0 {
		for _, t := range c.Catalog.Snapshot().Topics() {
			names = append(names, t.Name)
		}
		return names, true
	}
	sort.Strings(names)
	return slices.Compact(names), false
}

func nextCursor(name string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	next := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	next.Topic, next.Partition = name, partition
	return &next
}

// misplaced says whether a cursor cannot be: a page begins at one of the topics that
// are asked for.
func misplaced(cursor *kmsg.DescribeTopicPartitionsRequestCursor, names []string, all bool) bool {
	switch {
	case cursor == nil:
		return false
	case cursor.Partition < 0:
		return true
	}
	return !all && !slices.Contains(names, cursor.Topic)
}

func refusedTopic(name string) kmsg.DescribeTopicPartitionsResponseTopic {
	out := kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic, out.Partitions = &name, []kmsg.DescribeTopicPartitionsResponseTopicPartition{}
	out.ErrorCode = int16(protocol.InvalidRequest)
	return out
}

func undescribed(r *api.Request, name string, code protocol.Code) kmsg.DescribeTopicPartitionsResponseTopic {
	out := kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic, out.Partitions = &name, []kmsg.DescribeTopicPartitionsResponseTopicPartition{}
	out.IsInternal = catalog.IsInternal(name)
	out.AuthorizedOperations = r.TopicOperations(name)
	out.ErrorCode = int16(code)
	if code == protocol.UnknownTopicOrPartition && catalog.CheckName(name) != nil {
		out.ErrorCode = int16(protocol.InvalidTopicException)
	}
	return out
}

func (c *Handlers) describeTopic(r *api.Request, t *api.Topic, from, to int32) kmsg.DescribeTopicPartitionsResponseTopic {
	out := undescribed(r, t.Name, protocol.None)
	out.TopicID, out.IsInternal = t.ID, t.Internal
	view, nobody := c.Leaders.View(), []int32{}
	for i := from; i < to; i++ {
		p, of := kmsg.NewDescribeTopicPartitionsResponseTopicPartition(), view.Of(t, i)
		p.Partition, p.LeaderID, p.LeaderEpoch = i, of.Node, of.Epoch
		p.Replicas, p.ISR = of.Replicas, of.Replicas
		p.EligibleLeaderReplicas, p.LastKnownELR, p.OfflineReplicas = nobody, nobody, nobody
		out.Partitions = append(out.Partitions, p)
	}
	return out
}
