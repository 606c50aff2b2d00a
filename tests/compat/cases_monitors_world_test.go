package compat

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// What monitors and UIs find: topics with records, without, compacted and shortened;
// groups in every state, with lag; transactions that ended, were given up, and are open.

// monitorSettings keep the coordinators' topics small enough to list.
var monitorSettings = map[string]string{
	"offsets.topic.num.partitions":         "3",
	"transaction.state.log.num.partitions": "2",
	"transaction.state.log.min.isr":        "1",
}

// monitorTopics are all topics of the world, with their partitions, by name.
var monitorTopics = []struct {
	name       string
	partitions int32
}{
	{"__consumer_offsets", 3}, {"__transaction_state", 2}, {"empty", 1}, {"orders", 3}, {"payments", 2}, {"state", 1},
}

// monitorGroups are all groups of the world.
var monitorGroups = []string{"completing", "connect", "consumed", "empty", "exactly-once", "preparing", "simple", "stable", "static"}

// seat is a member of a group, as the cases below act for it.
type seat struct {
	group, name string
	instance    *string
	kind        string // protocol type; empty is consumer
	on          string // connection; empty is the suite's
}

// called is the name under which the member's id is kept and shown.
func (s seat) called() string { return s.name + " of " + s.group }

func (s seat) id(w *world) string {
	for id, name := range w.members {
		if name == s.called() {
			return id
		}
	}
	return ""
}

func (s seat) protocolType() string {
	if s.kind == "" {
		return "consumer"
	}
	return s.kind
}

// joins is a JoinGroup of a version that needs no second round.
func (s seat) joins(topics ...string) testCase {
	c := testCase{name: s.called() + " joins", on: s.on, request: func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.MemberID, req.InstanceID = s.group, s.id(w), s.instance
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = 600_000, 600_000, s.protocolType()
		subscription := kmsg.NewConsumerMemberMetadata()
		subscription.Version, subscription.Topics = 1, topics
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = "range", subscription.AppendTo(nil)
		req.Protocols = append(req.Protocols, p)
		return req
	}, keep: func(w *world, _ int16, r kmsg.Response) {
		if id := r.(*kmsg.JoinGroupResponse).MemberID; id != "" {
			w.members[id] = s.called()
		}
	}}
	if s.instance != nil {
		return c.in(5, 5)
	}
	return c.in(3, 3)
}

// syncs gives the member, which leads its group, some partitions of a topic.
func (s seat) syncs(topic string, partitions ...int32) testCase {
	return testCase{name: s.called() + " syncs", request: func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrSyncGroupRequest()
		req.Group, req.Generation, req.MemberID, req.InstanceID = s.group, 1, s.id(w), s.instance
		assigned := kmsg.NewConsumerMemberAssignment()
		assigned.Version = 1
		t := kmsg.NewConsumerMemberAssignmentTopic()
		t.Topic, t.Partitions = topic, partitions
		assigned.Topics = append(assigned.Topics, t)
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = s.id(w), assigned.AppendTo(nil)
		req.GroupAssignment = append(req.GroupAssignment, a)
		return req
	}}.in(3, 3)
}

// commits is an OffsetCommit of a member, or of nobody if it has no name.
func (s seat) commits(topic string, offsets map[int32]int64, metadata string) testCase {
	return testCase{name: s.called() + " commits " + topic, request: func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation, req.InstanceID, req.RetentionTimeMillis = s.group, -1, s.instance, -1
		if s.name != "" {
			req.Generation, req.MemberID = 1, s.id(w)
		}
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic = topic
		for number := int32(0); number < 9; number++ {
			if offset, ok := offsets[number]; ok {
				p := kmsg.NewOffsetCommitRequestTopicPartition()
				p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = number, offset, 0, &metadata
				t.Partitions = append(t.Partitions, p)
			}
		}
		req.Topics = append(req.Topics, t)
		return req
	}}.in(8, 8)
}

func (s seat) leaves() testCase {
	return testCase{name: s.called() + " leaves", request: func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group, req.MemberID = s.group, s.id(w)
		return req
	}}.in(2, 2)
}

// transaction is a row of cases that writes two records in one.
func transaction(id string, partition int32, end ...testCase) []testCase {
	producer := "ProducerID of " + id
	c := []testCase{
		testCase{name: id + ": coordinator", request: findCoordinator(1, id)}.in(4, 4).asking(found),
		testCase{name: id + ": producer", request: initProducer(&id, 600_000, -1, -1), keep: func(w *world, _ int16, r kmsg.Response) {
			w.values[producer] = r.(*kmsg.InitProducerIDResponse).ProducerID
		}}.in(3, 3).asking(func(r kmsg.Response) bool { return r.(*kmsg.InitProducerIDResponse).ErrorCode == 0 }),
		testCase{name: id + ": partition", request: func(w *world, _ int16) kmsg.Request {
			req := kmsg.NewPtrAddPartitionsToTxnRequest()
			req.TransactionalID, req.ProducerID = id, w.values[producer]
			t := kmsg.NewAddPartitionsToTxnRequestTopic()
			t.Topic, t.Partitions = "payments", []int32{partition}
			req.Topics = append(req.Topics, t)
			return req
		}}.in(3, 3),
		testCase{name: id + ": records", request: func(w *world, lane int16) kmsg.Request {
			req := produce("payments", partition, -1, openBatch(producer, "first", "second"))(w, lane).(*kmsg.ProduceRequest)
			req.TransactionID = &id
			return req
		}}.in(9, 9),
	}
	return append(c, end...)
}

// openBatch is a batch of a transaction.
func openBatch(producer string, values ...string) func(*world) []byte {
	return fixed(func(w *world) []byte {
		var list [][]byte
		for _, v := range values {
			list = append(list, []byte(v))
		}
		b := wire.IdempotentBatch(when, w.values[producer], 0, 0, list...)
		b[22] |= 1 << 4
		return b
	})
}

// ends commits or aborts, and waits until readers see that.
func ends(id string, commit bool, partition int32, committedEnd int64) []testCase {
	return []testCase{
		testCase{name: id + ": end", request: func(w *world, _ int16) kmsg.Request {
			req := kmsg.NewPtrEndTxnRequest()
			req.TransactionalID, req.ProducerID, req.Commit = id, w.values["ProducerID of "+id], commit
			return req
		}}.in(3, 3),
		testCase{name: id + ": seen", request: listOffsets("payments", partition, -1, isolated(1))}.in(3, 3).asking(func(r kmsg.Response) bool {
			return r.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset == committedEnd
		}),
	}
}

// pendingOffsets sends a group's offsets to a transaction that stays open.
func pendingOffsets(id, group string) []testCase {
	return []testCase{
		testCase{name: id + ": offsets", request: func(w *world, _ int16) kmsg.Request {
			req := kmsg.NewPtrAddOffsetsToTxnRequest()
			req.TransactionalID, req.ProducerID, req.Group = id, w.values["ProducerID of "+id], group
			return req
		}}.in(3, 3),
		testCase{name: id + ": offsets of " + group, request: func(w *world, _ int16) kmsg.Request {
			req := kmsg.NewPtrTxnOffsetCommitRequest()
			req.TransactionalID, req.ProducerID, req.Group = id, w.values["ProducerID of "+id], group
			t, p := kmsg.NewTxnOffsetCommitRequestTopic(), kmsg.NewTxnOffsetCommitRequestTopicPartition()
			p.Offset = 3
			t.Topic, t.Partitions = "orders", append(t.Partitions, p)
			req.Topics = append(req.Topics, t)
			return req
		}}.in(3, 3),
	}
}

// join of cases.
func cases(rows ...[]testCase) (all []testCase) {
	for _, r := range rows {
		all = append(all, r...)
	}
	return all
}

// monitorWorld makes all that.
var monitorWorld = cases(
	[]testCase{
		// Records are old and markers are new, which Kafka else keeps in two segments.
		setup(topic("orders", 3, 1, "retention.ms", "3600000", "max.message.bytes", "2000000"), topic("payments", 2, 1, "segment.ms", "1000000000000"),
			topic("state", 1, 1, "cleanup.policy", "compact"), topic("empty", 1, 1)),
		fill("orders/0", "orders", 0, []byte("a"), []byte("b"), []byte("c")),
		fill("orders/0 again", "orders", 0, []byte("d"), []byte("e")),
		fill("orders/1", "orders", 1, []byte("f")),
		testCase{name: "orders/0 shortened", request: deleteRecords("orders", 0, 2)}.in(2, 2),
	},
	ready,
	[]testCase{
		seat{group: "stable", name: "a"}.joins("orders"),
		seat{group: "stable", name: "a"}.syncs("orders", 0, 1, 2),
		seat{group: "stable", name: "a"}.commits("orders", map[int32]int64{0: 3, 1: 0}, "a's note"),
		seat{group: "static", name: "a", instance: ptr("pod-1")}.joins("orders", "payments"),
		seat{group: "static", name: "a", instance: ptr("pod-1")}.syncs("payments", 0, 1),
		seat{group: "completing", name: "a"}.joins("orders"),
		seat{group: "preparing", name: "a"}.joins("orders"),
		seat{group: "preparing", name: "a"}.syncs("orders", 0, 1, 2),
		seat{group: "preparing", name: "a"}.commits("orders", map[int32]int64{2: 0}, ""),
		seat{group: "preparing", name: "b", on: "b"}.joins("orders").started(),
		testCase{name: "a of preparing is told", request: func(w *world, _ int16) kmsg.Request {
			req := kmsg.NewPtrHeartbeatRequest()
			req.Group, req.Generation, req.MemberID = "preparing", 1, seat{group: "preparing", name: "a"}.id(w)
			return req
		}}.in(4, 4).asking(func(r kmsg.Response) bool { return r.(*kmsg.HeartbeatResponse).ErrorCode == 27 }),
		seat{group: "empty", name: "a"}.joins("orders"),
		seat{group: "empty", name: "a"}.syncs("orders", 0, 1, 2),
		seat{group: "empty", name: "a"}.commits("orders", map[int32]int64{0: 5, 1: 1, 2: 0}, ""),
		seat{group: "empty", name: "a"}.leaves(),
		seat{group: "simple"}.commits("orders", map[int32]int64{0: 2}, "from outside"),
		seat{group: "simple"}.commits("payments", map[int32]int64{0: 1, 1: 0}, ""),
		seat{group: "connect", name: "worker", kind: "connect"}.joins("orders"),
		seat{group: "connect", name: "worker", kind: "connect"}.syncs("orders", 0),
	},
	transaction("kept", 0, append(pendingOffsets("kept", "consumed"), ends("kept", true, 0, 3)...)...),
	transaction("dropped", 1, ends("dropped", false, 1, 3)...),
	transaction("open", 0, pendingOffsets("open", "exactly-once")...),
)

// acting is a world for cases that change it, of the topics alone.
var acting = cases(monitorWorld[:5:5], ready, []testCase{
	testCase{name: "id of __consumer_offsets", request: metadata(false, "__consumer_offsets")}.in(13, 13),
})

func monitorTopicNames() (names []string) {
	for _, t := range monitorTopics {
		names = append(names, t.name)
	}
	return names
}

// tool is a monitor or UI, and the source that was read. versions are what its client
// library sends at most, by API key; without an entry the broker's own highest.
type tool struct {
	name, source, client string
	versions             map[int16]int16
}

// asks is one request of the tool, at the version that its client negotiates with Kafka
// 4.4.
func (c tool) asks(what string, request func(*world, int16) kmsg.Request) testCase {
	key := request(&world{}, 0).Key()
	version, ok := c.versions[key]
	if served := kafkaVersions[key]; !ok || version > served[1] {
		version = served[1]
	}
	return testCase{name: fmt.Sprintf("%s: %s", c.name, what), request: request, exact: true}.in(version, version)
}
