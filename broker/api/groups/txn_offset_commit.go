package groups

// TxnOffsetCommit (key 28): versions 0-6.
//
//	v0     one group, no member
//	v1     throttling after the answer (KIP-219)
//	v2     leader epoch of the committed offset (KIP-320)
//	v3     generation, member and static member; flexible (KIP-447)
//	v4     error code TRANSACTION_ABORTABLE (KIP-890)
//	v5     the partition of __consumer_offsets joins the transaction by itself (KIP-890)
//	v6     topics by id; GROUP_ID_NOT_FOUND and STALE_MEMBER_EPOCH as they are (KIP-1319)
//
// As with OffsetCommit a group's error is repeated on each partition that exists, and
// with none the group is not looked at.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// TxnOffsetCommit stores offsets of a group that count once the transaction has
// committed.
func (g *Handlers) TxnOffsetCommit(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.TxnOffsetCommitRequest)
	commit := g.txnCommit(r.Version, req)
	resp := kmsg.NewPtrTxnOffsetCommitResponse()
	resp.Topics = make([]kmsg.TxnOffsetCommitResponseTopic, 0, len(req.Topics))
	denied := r.TransactionalID(req.TransactionalID, kmsg.ACLOperationWrite)
	if denied == protocol.None {
		denied = r.Group(req.Group, kmsg.ACLOperationRead)
	}
	if denied != protocol.None {
		resp.Topics = refusedTxnCommit(req.Topics, denied)
		return resp, nil
	}
	existing := g.txnCommitTopics(r, req, resp, commit)
	if len(existing) == 0 {
		return resp, nil
	}
	code := protocol.InvalidGroupID
	if req.Group != "" {
		code = g.Coordinator.CommitOffsets(ctx, commit)
	}
	if code != protocol.None {
		for _, p := range existing {
			p.ErrorCode = int16(code)
		}
	}
	return resp, nil
}

// txnCommit is the commit without its offsets.
func (g *Handlers) txnCommit(version int16, req *kmsg.TxnOffsetCommitRequest) *coordinator.Commit {
	commit := &coordinator.Commit{
		GroupID: req.Group, MemberID: req.MemberID, InstanceID: req.InstanceID,
		Generation: req.Generation, Unknown: protocol.IllegalGeneration, Retention: -1,
		Txn: &coordinator.Txn{ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch},
	}
	if version < 3 {
		commit.Generation = -1
	}
	if version >= 6 {
		commit.Unknown = protocol.GroupIDNotFound
	}
	if version < txn.OffsetCommitAdds && !g.Verifies() {
		return commit
	}
	commit.Txn.Join = func(ctx context.Context, topic string, partition int32) protocol.Code {
		parts := []txn.TopicPartition{{Topic: topic, Partition: partition}}
		codes := g.Transactions.Join(ctx, req.TransactionalID, req.ProducerID, req.ProducerEpoch, version >= txn.OffsetCommitAdds, parts)
		return txn.OffsetCommitCode(codes[0], version)
	}
	return commit
}

// txnCommitTopics fills the answer with what is known without the group, and the
// commit with what is left. It returns the partitions of the answer that exist.
func (g *Handlers) txnCommitTopics(
	r *api.Request, req *kmsg.TxnOffsetCommitRequest, resp *kmsg.TxnOffsetCommitResponse, commit *coordinator.Commit,
) (existing []*kmsg.TxnOffsetCommitResponseTopicPartition) {
	for i := range req.Topics {
		t := &req.Topics[i]
		if len(t.Partitions) == 0 {
			continue // as in Kafka, not even named in the answer
		}
		topic, code := r.Topic(g.Topics, reference(r.Version >= 6, t.Topic, t.TopicID), kmsg.ACLOperationRead)
		out := kmsg.NewTxnOffsetCommitResponseTopic()
		out.Topic, out.TopicID = t.Topic, t.TopicID
		out.Partitions = make([]kmsg.TxnOffsetCommitResponseTopicPartition, len(t.Partitions))
		for j := range t.Partitions {
			in, p := &t.Partitions[j], &out.Partitions[j]
			p.Default()
			p.Partition = in.Partition
			if p.ErrorCode = int16(inTopic(topic, code, in.Partition)); p.ErrorCode != 0 {
				continue
			}
			existing = append(existing, p)
			p.ErrorCode = int16(g.commitPartition(topic, committed(in), commit))
		}
		resp.Topics = append(resp.Topics, out)
	}
	return existing
}

// committed puts a partition into the form that OffsetCommit has it in.
func committed(in *kmsg.TxnOffsetCommitRequestTopicPartition) *kmsg.OffsetCommitRequestTopicPartition {
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = in.Partition, in.Offset, in.LeaderEpoch, in.Metadata
	return &p
}

// refusedTxnCommit answers each partition with a code, whatever it is.
func refusedTxnCommit(topics []kmsg.TxnOffsetCommitRequestTopic, code protocol.Code) []kmsg.TxnOffsetCommitResponseTopic {
	out := make([]kmsg.TxnOffsetCommitResponseTopic, 0, len(topics))
	for i := range topics {
		t := kmsg.NewTxnOffsetCommitResponseTopic()
		t.Topic, t.TopicID = topics[i].Topic, topics[i].TopicID
		for j := range topics[i].Partitions {
			p := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			p.Partition, p.ErrorCode = topics[i].Partitions[j].Partition, int16(code)
			t.Partitions = append(t.Partitions, p)
		}
		out = append(out, t)
	}
	return out
}
