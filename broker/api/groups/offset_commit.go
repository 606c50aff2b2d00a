package groups

// OffsetCommit (key 8): versions 2-10.
//
//	v2     retention time for all offsets of the request
//	v3     throttle time
//	v4     throttling after the answer (KIP-219)
//	v5     no retention time any more (KIP-211)
//	v6     leader epoch of the committed offset (KIP-320)
//	v7     static members (KIP-345)
//	v8     flexible
//	v9     GROUP_ID_NOT_FOUND instead of ILLEGAL_GENERATION for unknown groups (KIP-848)
//	v10    topics by id (KIP-848)
//
// A group's error is repeated on each partition that exists; those that do not keep
// their own. With no partition that exists the group is not looked at.

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/protocol"
)

// OffsetCommit stores offsets of a group.
func (g *Handlers) OffsetCommit(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.OffsetCommitRequest)
	commit := &coordinator.Commit{
		GroupID: req.Group, MemberID: req.MemberID, InstanceID: req.InstanceID,
		Generation: req.Generation, Unknown: protocol.IllegalGeneration, Retention: -1,
	}
	if r.Version >= 9 {
		commit.Unknown = protocol.GroupIDNotFound
	}
	if r.Version <= 4 && req.RetentionTimeMillis >= 0 {
		commit.Retention = time.Duration(req.RetentionTimeMillis) * time.Millisecond
	}
	resp := kmsg.NewPtrOffsetCommitResponse()
	resp.Topics = make([]kmsg.OffsetCommitResponseTopic, 0, len(req.Topics))
	if code := r.Group(req.Group, kmsg.ACLOperationRead); code != protocol.None {
		resp.Topics = refusedCommit(req.Topics, code)
		return resp, nil
	}
	existing := g.commitTopics(r, req, resp, commit)
	if len(existing) == 0 {
		return resp, nil
	}
	code := g.Coordinator.CommitOffsets(ctx, commit)
	if code != protocol.None {
		for _, p := range existing {
			p.ErrorCode = int16(code)
		}
	}
	return resp, nil
}

// commitTopics fills the answer with what is known without the group, and the commit
// with what is left. It returns the partitions of the answer that exist.
func (g *Handlers) commitTopics(
	r *api.Request, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, commit *coordinator.Commit,
) (existing []*kmsg.OffsetCommitResponseTopicPartition) {
	for i := range req.Topics {
		t := &req.Topics[i]
		if len(t.Partitions) == 0 {
			continue // as in Kafka, not even named in the answer
		}
		topic, code := r.Topic(g.Topics, reference(r.Version >= 10, t.Topic, t.TopicID), kmsg.ACLOperationRead)
		out := kmsg.NewOffsetCommitResponseTopic()
		out.Topic, out.TopicID = t.Topic, t.TopicID
		out.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(t.Partitions))
		for j := range t.Partitions {
			in, p := &t.Partitions[j], &out.Partitions[j]
			p.Default()
			p.Partition = in.Partition
			if p.ErrorCode = int16(inTopic(topic, code, in.Partition)); p.ErrorCode != 0 {
				continue
			}
			existing = append(existing, p)
			p.ErrorCode = int16(g.commitPartition(topic, in, commit))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return existing
}

// inTopic is the code of a partition of a topic that was looked for.
func inTopic(topic *api.Topic, code protocol.Code, partition int32) protocol.Code {
	if code == protocol.None && !api.HasPartition(topic, partition) {
		return protocol.UnknownTopicOrPartition
	}
	return code
}

// reference names a topic by id or by name.
func reference(byID bool, name string, id [16]byte) api.Ref {
	if byID {
		return api.Identified(id)
	}
	return api.Named(name)
}

func (g *Handlers) commitPartition(t *api.Topic, in *kmsg.OffsetCommitRequestTopicPartition, commit *coordinator.Commit) protocol.Code {
	o := coordinator.PartitionOffset{
		Topic: t.Name, TopicID: t.ID, Partition: in.Partition,
		Offset: in.Offset, LeaderEpoch: in.LeaderEpoch,
	}
	if in.Metadata != nil {
		o.Metadata = *in.Metadata
	}
	if code := g.Coordinator.CheckMetadata(o.Metadata); code != protocol.None {
		return code
	}
	commit.Offsets = append(commit.Offsets, o)
	return protocol.None
}

// refusedCommit answers each partition with a code, whatever it is.
func refusedCommit(topics []kmsg.OffsetCommitRequestTopic, code protocol.Code) []kmsg.OffsetCommitResponseTopic {
	out := make([]kmsg.OffsetCommitResponseTopic, 0, len(topics))
	for i := range topics {
		t := kmsg.NewOffsetCommitResponseTopic()
		t.Topic, t.TopicID = topics[i].Topic, topics[i].TopicID
		for j := range topics[i].Partitions {
			p := kmsg.NewOffsetCommitResponseTopicPartition()
			p.Partition, p.ErrorCode = topics[i].Partitions[j].Partition, int16(code)
			t.Partitions = append(t.Partitions, p)
		}
		out = append(out, t)
	}
	return out
}
