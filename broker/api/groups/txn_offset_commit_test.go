package groups_test

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// joins answers whether partitions belong to a transaction.
type joins struct {
	code protocol.Code
	add  bool
	part txn.TopicPartition
}

func (j *joins) Join(_ context.Context, _ string, _ int64, _ int16, add bool, parts []txn.TopicPartition) []protocol.Code {
	j.add, j.part = add, parts[0]
	return []protocol.Code{j.code}
}

// txnCommitOf sends offset 5 of a partition and returns the partition's code.
func (h *groupHouse) txnCommitOf(v int16, group string, generation int32, member string, topic *api.Topic, partition int32) protocol.Code {
	h.t.Helper()
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = "x", group, 7, 1
	req.Generation, req.MemberID = generation, member
	t := kmsg.NewTxnOffsetCommitRequestTopic()
	t.Topic, t.TopicID = topic.Name, topic.ID
	p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset = partition, 5
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return protocol.Code(call[*kmsg.TxnOffsetCommitResponse](h, v, req).Topics[0].Partitions[0].ErrorCode)
}

func TestTxnOffsetCommit(t *testing.T) {
	nowhere := testTopic(99, "nowhere", 0)
	apitest.Versions(t, protocol.KeyTxnOffsetCommit, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			j := &joins{}
			h.Transactions = j
			member, generation := h.member("live", nil)
			unknownTopic, unknownGroup := protocol.UnknownTopicOrPartition, protocol.IllegalGeneration
			if v >= 6 {
				unknownTopic, unknownGroup = protocol.UnknownTopicID, protocol.GroupIDNotFound
			}
			for _, c := range []struct {
				name       string
				group      string
				generation int32
				member     string
				topic      *api.Topic
				partition  int32
				join, want protocol.Code
				since      int16
			}{
				{"no member", "live", -1, "", topicT, 0, 0, protocol.None, 0},
				{"member", "live", generation, member, topicT, 0, 0, protocol.None, 3},
				{"stale", "live", generation - 1, member, topicT, 0, 0, protocol.IllegalGeneration, 3},
				{"unknown member", "live", generation, "x", topicT, 0, 0, protocol.UnknownMemberID, 3},
				{"unknown group", "nobody", 1, "x", topicT, 0, 0, unknownGroup, 3},
				{"unknown topic", "tool", -1, "", nowhere, 0, 0, unknownTopic, 0},
				{"unknown partition", "tool", -1, "", topicT, 4, 0, protocol.UnknownTopicOrPartition, 0},
				{"the empty group id", "", -1, "", topicT, 0, 0, protocol.InvalidGroupID, 0},
				{"not in the transaction", "tool", -1, "", topicT, 0, protocol.InvalidTxnState, protocol.InvalidTxnState, 0},
				{"fenced", "tool", -1, "", topicT, 0, protocol.ProducerFenced, protocol.InvalidProducerEpoch, 0},
			} {
				if v < c.since {
					continue // the request has no member
				}
				j.code = c.join
				if got := h.txnCommitOf(v, c.group, c.generation, c.member, c.topic, c.partition); got != c.want {
					t.Errorf("%s: %v, want %v", c.name, got, c.want)
				}
			}
			if j.add != (v >= 5) || j.part.Topic != coordinator.TopicName {
				t.Errorf("asked for %v, add %v", j.part, j.add)
			}
		})
	})
}

// TestTxnOffsetCommitUnverified: with verification switched off the coordinator is asked
// by those only who need it to add the partition.
func TestTxnOffsetCommitUnverified(t *testing.T) {
	apitest.Versions(t, protocol.KeyTxnOffsetCommit, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			h.Transactions = &joins{code: protocol.InvalidTxnState}
			h.Verifies = func() bool { return false }
			want := protocol.None
			if v >= txn.OffsetCommitAdds {
				want = protocol.InvalidTxnState
			}
			if got := h.txnCommitOf(v, "g", -1, "", topicT, 0); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		})
	})
}

// TestStableOffsets: who requires stable offsets is told that one is not decided yet,
// others see the one before.
func TestStableOffsets(t *testing.T) {
	for v := int16(1); v <= 9; v++ {
		withGroups(t, true, func(h *groupHouse) {
			h.Transactions = &joins{}
			h.commit(9, "g", -1, "", topicT, 0, 3)
			if got := h.txnCommitOf(4, "g", -1, "", topicT, 0); got != protocol.None {
				t.Fatal(got)
			}
			fetch := func(stable bool) (int64, protocol.Code) {
				one := kmsg.NewOffsetFetchRequestGroup()
				one.Group, one.Topics = "g", []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", Partitions: []int32{0}}}
				req := kmsg.NewPtrOffsetFetchRequest()
				req.Group, req.RequireStable = "g", stable
				req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
				req.Groups = []kmsg.OffsetFetchRequestGroup{one}
				r := call[*kmsg.OffsetFetchResponse](h, v, req)
				if v >= 8 {
					p := r.Groups[0].Topics[0].Partitions[0]
					return p.Offset, protocol.Code(p.ErrorCode)
				}
				return r.Topics[0].Partitions[0].Offset, protocol.Code(r.Topics[0].Partitions[0].ErrorCode)
			}
			if at, code := fetch(false); at != 3 || code != protocol.None {
				t.Errorf("v%d: offset %d, %v", v, at, code)
			}
			if at, code := fetch(true); v >= 7 && (at != -1 || code != protocol.UnstableOffsetCommit) {
				t.Errorf("v%d, stable: offset %d, %v", v, at, code)
			}
			_, partition, _ := h.Coordinator.PartitionFor(t.Context(), "g")
			h.Coordinator.TransactionEnded(partition, 7, true)
			if at, code := fetch(true); at != 5 || code != protocol.None {
				t.Errorf("v%d, committed: offset %d, %v", v, at, code)
			}
		})
	}
}
