package compat

import "github.com/twmb/franz-go/pkg/kmsg"

// Cruise Control, by what it watches and does. Its metrics reporter is a class inside Kafka's broker; a sampler that
// reads Prometheus takes its place.
var cruise = tool{"Cruise Control", "linkedin/cruise-control 2.5.146 (dadba67)", "Java 4.0.0", map[int16]int16{
	0: 12, 1: 17, 2: 10, 3: 13, 18: 4, 19: 7, 32: 4, 34: 2, 35: 4, 37: 3, 43: 2, 44: 1, 45: 0, 46: 0, 60: 2, 75: 0,
}}

var cruiseReads = []testCase{
	cruise.asks("cluster model, metadata", allMetadata(true)),
	cruise.asks("cluster model and disk failures, log dirs", logDirsOf(nil)).without(dirsOnly...),
	cruise.asks("broker failures, cluster", describeCluster(1, false, false)),
	cruise.asks("topic configs", topicConfigs(false, false)),
	cruise.asks("topic config", topicConfigs(false, false, "orders")),
	cruise.asks("moves that are under way", reassignments("all")),
	cruise.asks("sample store, end offsets", allOffsets(-1, 0, "orders")),
	cruise.asks("sample store, offsets of a time", allOffsets(when, 0, "orders")),
}

var cruiseActs = []testCase{
	cruise.asks("sample store, created", func(*world, int16) kmsg.Request {
		return create(false, topic("__KafkaCruiseControlPartitionMetricSamples", 4, 1, "cleanup.policy", "delete", "retention.ms", "3600000"))
	}),
	cruise.asks("sample store, more partitions", grow(60_000, false, to("__KafkaCruiseControlPartitionMetricSamples", 8))),
	cruise.asks("sample store, retention", increment(ofTopic, "__KafkaCruiseControlPartitionMetricSamples", false, change{"retention.ms", set, "7200000"})),
	cruise.asks("sample", produce("__KafkaCruiseControlPartitionMetricSamples", 0, -1, plain)).asking(produced),
	cruise.asks("throttle, broker", increment(ofBroker, "1", false,
		change{"leader.replication.throttled.rate", set, "10485760"}, change{"follower.replication.throttled.rate", set, "10485760"})),
	cruise.asks("throttle, broker described", brokerConfigs(false, false, "leader.replication.throttled.rate", "follower.replication.throttled.rate")),
	cruise.asks("throttle, topic", increment(ofTopic, "orders", false,
		change{"leader.replication.throttled.replicas", set, "0:1"}, change{"follower.replication.throttled.replicas", set, "0:1"})),
	cruise.asks("throttle, topic described", describe(ofTopic, "orders")),
	cruise.asks("move", moving(true, "orders", move{0, []int32{1}}, move{1, []int32{1}})),
	cruise.asks("move to a broker that is not", moving(true, "orders", move{0, []int32{1, 2}})),
	cruise.asks("moves then", reassignments("all")),
	cruise.asks("move cancelled", moving(true, "orders", move{0, nil})),
	cruise.asks("move between folders", moveReplica("/nowhere", "orders", 0)),
	cruise.asks("preferred leaders", electing(0, electRow("orders", 0, 1, 2))),
	cruise.asks("throttle, topic ends", increment(ofTopic, "orders", false,
		change{"leader.replication.throttled.replicas", unset, null}, change{"follower.replication.throttled.replicas", unset, null})),
	cruise.asks("throttle, broker ends", increment(ofBroker, "1", false,
		change{"leader.replication.throttled.rate", unset, null}, change{"follower.replication.throttled.rate", unset, null})),
	cruise.asks("throttle, broker described then", brokerConfigs(false, false, "leader.replication.throttled.rate")),
}
