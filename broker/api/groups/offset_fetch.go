package groups

// OffsetFetch (key 9): versions 1-10.
//
//	v1     one group; its error on each partition
//	v2     null topics are all topics (KIP-88); the group's error at the top
//	v3     throttle time
//	v4     throttling after the answer (KIP-219)
//	v5     leader epoch of the committed offset (KIP-320)
//	v6     flexible
//	v7     require stable (KIP-447)
//	v8     several groups, an error for each (KIP-709)
//	v9     member id and epoch, for groups of the newer protocol (KIP-848)
//	v10    topics by id (KIP-848)
//
// A group that does not exist, or a partition without an offset, is no error: the
// offset is -1. Who requires stable offsets gets UNSTABLE_OFFSET_COMMIT, which clients
// retry, where a transaction that has not ended wrote one.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/protocol"
)

// OffsetFetch returns committed offsets.
func (g *Handlers) OffsetFetch(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.OffsetFetchRequest)
	resp := kmsg.NewPtrOffsetFetchResponse()
	resp.Topics, resp.Groups = []kmsg.OffsetFetchResponseTopic{}, []kmsg.OffsetFetchResponseGroup{}
	if r.Version >= 8 {
		var repeats api.Repeats[string]
		for i := range req.Groups {
			if err := repeats.Name(req.Groups[i].Group); err != nil {
				return nil, err
			}
			out := g.fetchGroup(r, req.RequireStable, &req.Groups[i])
			if err := r.Bill.Add(r.Waits(ctx), offsetsMemory(&out)); err != nil {
				return nil, err
			}
			resp.Groups = append(resp.Groups, out)
		}
		return resp, nil
	}
	one := g.fetchGroup(r, req.RequireStable, singleGroup(req))
	if err := r.Bill.Add(r.Waits(ctx), offsetsMemory(&one)); err != nil {
		return nil, err
	}
	resp.ErrorCode = one.ErrorCode
	if one.ErrorCode != 0 && r.Version < 2 {
		one.Topics = failedTopics(req, one.ErrorCode)
	}
	for i := range one.Topics {
		resp.Topics = append(resp.Topics, olderTopic(&one.Topics[i]))
	}
	return resp, nil
}

// offsetsMemory is about what a group's offsets take in an answer, decoded and encoded.
func offsetsMemory(g *kmsg.OffsetFetchResponseGroup) int {
	n := 128 + len(g.Group)
	for i := range g.Topics {
		t := &g.Topics[i]
		n += 128 + len(t.Topic)
		for j := range t.Partitions {
			n += 128 + len(*t.Partitions[j].Metadata)
		}
	}
	return n
}

// singleGroup puts a request of up to v7 into the form of v8.
func singleGroup(req *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchRequestGroup {
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group = req.Group
	if req.Topics == nil {
		return &one
	}
	one.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	for i := range req.Topics {
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.Partitions = req.Topics[i].Topic, req.Topics[i].Partitions
		one.Topics = append(one.Topics, t)
	}
	return &one
}

// failedTopics repeats a group's error on each partition, as v1 has it.
func failedTopics(req *kmsg.OffsetFetchRequest, code int16) []kmsg.OffsetFetchResponseGroupTopic {
	topics := make([]kmsg.OffsetFetchResponseGroupTopic, 0, len(req.Topics))
	for i := range req.Topics {
		t := kmsg.NewOffsetFetchResponseGroupTopic()
		t.Topic = req.Topics[i].Topic
		for _, p := range req.Topics[i].Partitions {
			t.Partitions = append(t.Partitions, noOffset(p, protocol.Code(code)))
		}
		topics = append(topics, t)
	}
	return topics
}

// olderTopic puts a topic of v8 into the form of the versions before.
func olderTopic(in *kmsg.OffsetFetchResponseGroupTopic) kmsg.OffsetFetchResponseTopic {
	out := kmsg.NewOffsetFetchResponseTopic()
	out.Topic = in.Topic
	out.Partitions = make([]kmsg.OffsetFetchResponseTopicPartition, 0, len(in.Partitions))
	for i := range in.Partitions {
		p := kmsg.NewOffsetFetchResponseTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch = in.Partitions[i].Partition, in.Partitions[i].Offset, in.Partitions[i].LeaderEpoch
		p.Metadata, p.ErrorCode = in.Partitions[i].Metadata, in.Partitions[i].ErrorCode
		out.Partitions = append(out.Partitions, p)
	}
	return out
}

// noOffset is the answer for a partition without a committed offset.
func noOffset(partition int32, code protocol.Code) kmsg.OffsetFetchResponseGroupTopicPartition {
	p := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	none := ""
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, -1, -1, &none
	p.ErrorCode = int16(code)
	return p
}

// fetchGroup answers for one group.
func (g *Handlers) fetchGroup(r *api.Request, stable bool, req *kmsg.OffsetFetchRequestGroup) kmsg.OffsetFetchResponseGroup {
	out := kmsg.NewOffsetFetchResponseGroup()
	out.Group, out.Topics = req.Group, []kmsg.OffsetFetchResponseGroupTopic{}
	byID := r.Version >= 10
	if code := r.Group(req.Group, kmsg.ACLOperationDescribe); code != protocol.None {
		out.ErrorCode = int16(code)
		return out
	}
	// index says where in the answer a topic that was looked up goes.
	var wanted []coordinator.FetchTopic
	var index []int
	for i := range req.Topics {
		t := &req.Topics[i]
		topic := kmsg.NewOffsetFetchResponseGroupTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		topic.Partitions = make([]kmsg.OffsetFetchResponseGroupTopicPartition, 0, len(t.Partitions))
		want := coordinator.FetchTopic{Topic: t.Topic, Partitions: t.Partitions}
		found, code := r.Topic(g.Topics, reference(byID, t.Topic, t.TopicID), kmsg.ACLOperationDescribe)
		if code != protocol.None && (byID || code != protocol.UnknownTopicOrPartition) { // offsets outlive a name
			for _, p := range t.Partitions {
				topic.Partitions = append(topic.Partitions, noOffset(p, code))
			}
			out.Topics = append(out.Topics, topic)
			continue
		}
		if byID {
			want.Topic, want.TopicID = found.Name, found.ID
		}
		wanted, index = append(wanted, want), append(index, len(out.Topics))
		out.Topics = append(out.Topics, topic)
	}
	fetched, code := g.Coordinator.FetchOffsets(req.Group, wanted, req.Topics == nil)
	if code != protocol.None {
		out.ErrorCode, out.Topics = int16(code), []kmsg.OffsetFetchResponseGroupTopic{}
		return out
	}
	if req.Topics == nil {
		out.Topics = g.allTopics(r, stable, fetched)
		return out
	}
	for i := range fetched {
		fillTopic(&out.Topics[index[i]], stable, &fetched[i])
	}
	return out
}

// allTopics is the answer to a request for all topics. Those that do not exist any
// more have no id and are left out where ids are asked for.
func (g *Handlers) allTopics(r *api.Request, stable bool, fetched []coordinator.FetchedTopic) []kmsg.OffsetFetchResponseGroupTopic {
	topics := make([]kmsg.OffsetFetchResponseGroupTopic, 0, len(fetched))
	for i := range fetched {
		t := kmsg.NewOffsetFetchResponseGroupTopic()
		t.Topic = fetched[i].Topic
		found, code := r.Topic(g.Topics, api.Named(t.Topic), kmsg.ACLOperationDescribe)
		switch {
		case code == protocol.TopicAuthorizationFailed, found == nil && r.Version >= 10:
			continue
		case found != nil && r.Version >= 10:
			t.TopicID = found.ID
		}
		fillTopic(&t, stable, &fetched[i])
		topics = append(topics, t)
	}
	return topics
}

func fillTopic(t *kmsg.OffsetFetchResponseGroupTopic, stable bool, f *coordinator.FetchedTopic) {
	for i := range f.Offsets {
		o := &f.Offsets[i]
		p := noOffset(o.Partition, protocol.None)
		switch {
		case stable && o.Unstable:
			p.ErrorCode = int16(protocol.UnstableOffsetCommit)
		case o.Found:
			p.Offset, p.LeaderEpoch, p.Metadata = o.Offset.Offset, o.LeaderEpoch, &o.Metadata
		}
		t.Partitions = append(t.Partitions, p)
	}
}
