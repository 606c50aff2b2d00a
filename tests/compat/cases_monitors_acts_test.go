package compat

import "github.com/twmb/franz-go/pkg/kmsg"

// What the UIs do on request, each to a world of topics alone.

const consoleTxn = "console-transaction"

// consoleActs are the actions of Redpanda Console.
var consoleActs = cases([]testCase{
	console.asks("create topic", func(*world, int16) kmsg.Request {
		req := create(false, topic("made", 2, 1, "retention.ms", "100000", "segment.ms", "1000000000000", "cleanup.policy", "delete"))
		req.TimeoutMillis = 60_000
		return req
	}),
	console.asks("create topic, validate only", func(*world, int16) kmsg.Request { return create(true, topic("tried", 2, 1)) }),
	console.asks("create topic, there already", func(*world, int16) kmsg.Request { return create(false, topic("made", 2, 1)) }),
	console.asks("create topic, bad config", func(*world, int16) kmsg.Request { return create(false, topic("bad", 2, 1, "retention.ms", "soon")) }),
	console.asks("add partitions, validate only", grow(15_000, true, to("made", 4))),
	console.asks("add partitions", grow(15_000, false, to("made", 4))),
	console.asks("set fewer partitions", grow(15_000, false, to("made", 1))),
	console.asks("created topic, metadata", metadata(false, "made")).asking(func(r kmsg.Response) bool {
		return len(r.(*kmsg.MetadataResponse).Topics[0].Partitions) == 4
	}),
	console.asks("produce, producer id", initProducer(nil, 0, -1, -1)).asking(func(r kmsg.Response) bool {
		return r.(*kmsg.InitProducerIDResponse).ErrorCode == 0
	}).kept(keepProducer("ProducerID of console")),
	console.asks("produce, record", produce("made", 0, -1, plain)).asking(produced),
	console.asks("produce, another", produce("made", 0, -1, plain)),
	console.asks("produce, to an unknown topic", produce("nowhere", 0, -1, plain)),
	console.asks("produce in a transaction, coordinator", findCoordinator(1, consoleTxn)).asking(found),
	console.asks("produce in a transaction, producer id", initProducer(ptr(consoleTxn), 40_000, -1, -1)).asking(func(r kmsg.Response) bool {
		return r.(*kmsg.InitProducerIDResponse).ErrorCode == 0
	}).kept(keepProducer("ProducerID of " + consoleTxn)),
	console.asks("produce in a transaction, records", func(w *world, lane int16) kmsg.Request {
		req := produce("made", 1, -1, openBatch("ProducerID of "+consoleTxn, "first", "second"))(w, lane).(*kmsg.ProduceRequest)
		req.TransactionID = ptr(consoleTxn)
		return req
	}).asking(produced),
	console.asks("produce in a transaction, end", func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.Commit = consoleTxn, w.values["ProducerID of "+consoleTxn], true
		return req
	}),
	console.asks("produce in a transaction, seen", listOffsets("made", 1, -1, isolated(1))).asking(func(r kmsg.Response) bool {
		return r.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset == 3
	}),
	console.asks("consume", reads("made", 0, 0, 0, 1, 2, 3)),
	console.asks("edit config, set", increment(ofTopic, "made", false, change{"retention.ms", set, "200000"}, change{"max.message.bytes", set, "5000"})),
	console.asks("edit config, back to default", increment(ofTopic, "made", false, change{"retention.ms", unset, null})),
	console.asks("edit config, append", increment(ofTopic, "made", false, change{"cleanup.policy", appended, "compact"})),
	console.asks("edit config, bad value", increment(ofTopic, "made", false, change{"max.message.bytes", set, "many"})),
	console.asks("edit config, unknown topic", increment(ofTopic, "nowhere", false, change{"retention.ms", set, "1"})),
	console.asks("edit config, replaced", alter(ofTopic, "made", false, "retention.ms", "300000")),
	console.asks("edited config", richly(true, true, describe(ofTopic, "made"))),
	console.asks("reassign, throttle of the topic", increment(ofTopic, "made", false,
		change{"leader.replication.throttled.replicas", set, "0:1,1:1"}, change{"follower.replication.throttled.replicas", set, "0:1"})),
	console.asks("reassign, throttle of the broker", increment(ofBroker, "1", false,
		change{"leader.replication.throttled.rate", set, "1000000"}, change{"follower.replication.throttled.rate", set, "1000000"})),
	console.asks("reassign", func(w *world, _ int16) kmsg.Request { return reassign("made", 0, []int32{w.node})(w, 0) }),
	console.asks("reassign, to a broker that is not", reassign("made", 0, []int32{7})),
	console.asks("reassign, cancelled", reassign("made", 0, nil)),
	console.asks("reassign, list", reassignments("all")),
	console.asks("reassign, throttle of the topic ends", increment(ofTopic, "made", false,
		change{"leader.replication.throttled.replicas", unset, null}, change{"follower.replication.throttled.replicas", unset, null})),
	console.asks("reassign, throttle of the broker ends", increment(ofBroker, "1", false,
		change{"leader.replication.throttled.rate", unset, null}, change{"follower.replication.throttled.rate", unset, null})),
}, resets(console), []testCase{
	console.asks("delete records, all of a partition", deleteRecords("made", 0, -1)),
	console.asks("delete records, up to an offset", deleteRecords("orders", 0, 3)),
	console.asks("delete records, past the end", deleteRecords("orders", 0, 99)),
	console.asks("delete records, of an unknown topic", deleteRecords("nowhere", 0, 1)),
	console.asks("consume what is left", reads("orders", 3, 0, 0)),
	console.asks("delete topic", deletes("made")),
	console.asks("delete topic, unknown", deletes("nowhere")),
})

func keepProducer(name string) func(*world, int16, kmsg.Response) {
	return func(w *world, _ int16, r kmsg.Response) { w.values[name] = r.(*kmsg.InitProducerIDResponse).ProducerID }
}

// resets edits a group's offsets, as every UI offers: not while it has members, to the
// start, to the end, to an offset; then takes them and the group away.
func resets(c tool) []testCase {
	group := "reset-by-" + c.name[:3]
	offsetsOf := func(offset int64) func(*world, int16) kmsg.Request {
		return func(w *world, _ int16) kmsg.Request {
			req := kmsg.NewPtrOffsetCommitRequest()
			req.Group, req.Generation = group, -1
			t, p := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
			p.Offset, p.LeaderEpoch, p.Metadata = offset, -1, ptr("")
			t.Topic, t.TopicID, t.Partitions = "orders", w.topics["orders"], append(t.Partitions, p)
			req.Topics = append(req.Topics, t)
			return req
		}
	}
	member := seat{group: group, name: "a"}
	offsetDelete := func(w *world, _ int16) kmsg.Request {
		req := deleteOffsets(group, nil)(w, 0).(*kmsg.OffsetDeleteRequest)
		t, p := kmsg.NewOffsetDeleteRequestTopic(), kmsg.NewOffsetDeleteRequestTopicPartition()
		t.Topic, t.Partitions = "orders", append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	}
	return []testCase{
		member.joins("orders"),
		member.syncs("orders", 0),
		c.asks("reset offsets, group with a member", groups(group)),
		c.asks("reset offsets beside a member", offsetsOf(1)),
		c.asks("delete offsets beside a member", offsetDelete),
		c.asks("delete group with a member", deleteNamed(group)),
		member.leaves(),
		c.asks("reset offsets, empty group", groups(group)),
		c.asks("reset offsets, start", latestOfAt("orders", -2)),
		c.asks("reset offsets, end", latestOfAt("orders", -1)),
		c.asks("reset offsets, time", latestOfAt("orders", when)),
		c.asks("reset offsets", offsetsOf(4)),
		c.asks("reset offsets by name alone", withoutID(offsetsOf(1))),
		c.asks("reset offsets, then", groupOffsets(false, group)),
		c.asks("delete offsets", offsetDelete),
		c.asks("delete offsets, then", groupOffsets(false, group)),
		c.asks("delete group", deleteNamed(group)),
		c.asks("delete group, again", deleteNamed(group)),
		c.asks("delete offsets of no group", offsetDelete),
		c.asks("records of all that", groupRecords(reads("__consumer_offsets", 0, 0, 0, 1, 2))),
	}
}

// withoutID names the topic only, as a request does that was written for older versions:
// Console's, which franz-go sends at version 10 all the same.
func withoutID(inner func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := inner(w, lane).(*kmsg.OffsetCommitRequest)
		req.Topics[0].TopicID = [16]byte{}
		return req
	}
}

func latestOfAt(name string, timestamp int64) func(*world, int16) kmsg.Request {
	return listOffsets(name, 0, timestamp)
}

// kafbatActs are the actions of kafbat UI.
var kafbatActs = cases([]testCase{
	kafbat.asks("create topic", func(*world, int16) kmsg.Request { return create(false, topic("made", 1, 1, "retention.ms", "100000")) }),
	kafbat.asks("create topic, default replication", func(*world, int16) kmsg.Request { return create(false, topic("defaults", 1, -1)) }),
	kafbat.asks("edit topic, configs now", richly(true, false, describe(ofTopic, "made", "retention.ms", "flush.ms"))),
	kafbat.asks("edit topic", increment(ofTopic, "made", false, change{"retention.ms", unset, "100000"}, change{"flush.ms", set, "1000"})),
	kafbat.asks("edit topic, of a broker whose version it does not know", alter(ofTopic, "made", false, "retention.ms", "90000")),
	kafbat.asks("edited topic", describe(ofTopic, "made", "retention.ms", "flush.ms")),
	kafbat.asks("more partitions", grow(60_000, false, to("made", 3))),
	kafbat.asks("fewer partitions", grow(60_000, false, to("made", 2))),
	kafbat.asks("change replication", reassign("made", 0, []int32{1})),
	kafbat.asks("produce", produce("made", 0, -1, plain)).asking(produced),
	kafbat.asks("broker config", increment(ofBroker, "1", false, change{"log.retention.ms", set, "7200000"})),
	kafbat.asks("broker config, read-only", increment(ofBroker, "1", false, change{"log.dirs", set, "/tmp"})),
	kafbat.asks("broker config, then", brokerConfigs(false, false, "log.retention.ms")),
	kafbat.asks("broker config, back", increment(ofBroker, "1", false, change{"log.retention.ms", unset, null})),
	kafbat.asks("replica to another folder", moveReplica("/nowhere", "made", 0)),
}, resets(kafbat), []testCase{
	kafbat.asks("purge", deleteRecords("made", 0, 1)),
	kafbat.asks("recreate, delete", deletes("made")),
	kafbat.asks("recreate, create", func(*world, int16) kmsg.Request { return create(false, topic("made", 1, 1)) }).asking(func(r kmsg.Response) bool {
		return r.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode != 36
	}),
})

// akhqActs are the actions of AKHQ, which replaces settings as a whole.
var akhqActs = cases([]testCase{
	akhq.asks("create topic", func(*world, int16) kmsg.Request {
		return create(false, topic("made", 2, 1, "cleanup.policy", "compact", "retention.ms", "86400000"))
	}),
	akhq.asks("topic config", alter(ofTopic, "made", false, "cleanup.policy", "delete", "retention.ms", "1000")),
	akhq.asks("topic config, then", describe(ofTopic, "made", "cleanup.policy", "retention.ms")),
	akhq.asks("topic config, bad value", alter(ofTopic, "made", false, "cleanup.policy", "burn")),
	akhq.asks("node config", alter(ofBroker, "1", false, "log.retention.ms", "7200000")),
	akhq.asks("node config, read-only", alter(ofBroker, "1", false, "log.dirs", "/tmp")),
	akhq.asks("node config, none", alter(ofBroker, "1", false)),
	akhq.asks("more partitions", grow(60_000, false, to("made", 3))),
	akhq.asks("produce", produce("made", 1, -1, plain)).asking(produced),
}, resets(akhq), []testCase{
	akhq.asks("empty topic, ends", latestOf("made", 3)),
	akhq.asks("empty topic", deleteRecords("made", 1, 1)),
	akhq.asks("delete topic", deletes("made")),
})
