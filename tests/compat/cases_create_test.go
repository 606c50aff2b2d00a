package compat

import (
	"math"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var createCases = []testCase{
	creates("made", "made", 2, 1),
	creates("with configs", "tuned", 1, 1, "retention.ms", "1000", "cleanup.policy", "compact"),
	creates("no partitions", "none", 0, 1),
	creates("negative partitions", "negative", -2, 1),
	creates("most negative partitions", "lowest", math.MinInt32, 1),
	creates("too many partitions", "many", 10001, 1),
	creates("as many partitions as there are numbers", "most", math.MaxInt32, 1),
	creates("too many replicas", "replicas", 1, 3),
	creates("no replicas", "zero", 1, 0),
	creates("negative replicas", "minus", 1, -2),
	creates("defaults", "defaults", -1, -1).since(4),
	creates("defaults before they were known", "defaults", -1, -1).upTo(3),
	creates("default partitions", "defaultpartitions", -1, 1).since(4),
	creates("default replicas", "defaultreplicas", 3, -1).since(4),
	creates("illegal name", "bad/name", 1, 1),
	creates("name with a space", "bad name", 1, 1),
	creates("name with an exclamation mark", "bad!", 1, 1),
	creates("name with a letter beyond ASCII", "gr\u00fcn!", 1, 1),
	creates("name is a dot", ".", 1, 1),
	creates("name is two dots", "..", 1, 1),
	creates("name is three dots", "...", 1, 1).in(7, 7),
	creates("empty name", "", 1, 1),
	creates("null name", null, 1, 1),
	creates("name too long and illegal", strings.Repeat("x", 250)+"!", 1, 1),
	creates("name of 250 characters", strings.Repeat("x", 249)+".", 1, 1),
	creates("name of 249 characters", strings.Repeat("y", 248)+".", 1, 1).in(5, 5),
	creates("name of the metadata log", "__cluster_metadata.", 1, 1).in(7, 7),
	{name: "the metadata log", request: func(*world, int16) kmsg.Request { return create(false, topic("__cluster_metadata", 1, 1)) }},
	{name: "a coordinator's topic", from: 7, to: 7, request: func(*world, int16) kmsg.Request {
		return create(false, topic("__transaction_state", 2, 1))
	}, ignore: []string{"Configs"}},
	{name: "empty list", request: func(*world, int16) kmsg.Request { return create(false) }},
	{name: "validate only", request: func(*world, int16) kmsg.Request { return create(true, topic("only-valid", 3, 1)) }},
	{name: "validate only, bad count", request: func(*world, int16) kmsg.Request { return create(true, topic("only-valid", -3, 1)) }},
	{name: "validate only, bad config", request: func(*world, int16) kmsg.Request {
		return create(true, topic("only-valid", 1, 1, "no.such.key", "1"))
	}},
	{name: "validate only, twice", request: func(*world, int16) kmsg.Request {
		return create(true, topic("only-valid", 1, 1), topic("only-valid", 1, 1))
	}},
	{name: "made for later", from: 7, to: 7, request: func(*world, int16) kmsg.Request {
		return create(false, topic("fixed", 2, 1), topic("a.b", 1, 1))
	}},
	{name: "exists", request: func(*world, int16) kmsg.Request { return create(false, topic("fixed", 2, 1)) }},
	{name: "exists, validate only", request: func(*world, int16) kmsg.Request { return create(true, topic("fixed", 2, 1)) }},
	{name: "exists and has a bad count", request: func(*world, int16) kmsg.Request { return create(false, topic("fixed", -7, 1)) }},
	{name: "exists and has a bad config", request: func(*world, int16) kmsg.Request { return create(false, topic("fixed", 2, 1, "no.such.key", "1")) }},
	{name: "collides", request: func(*world, int16) kmsg.Request { return create(false, topic("a_b", 2, 1)) }},
	{name: "collide with each other", request: func(_ *world, lane int16) kmsg.Request {
		return create(false, topic(each("c.d", lane), 1, 1), topic(each("c_d", lane), 1, 1))
	}},
	{name: "twice in one request", request: func(*world, int16) kmsg.Request {
		return create(false, topic("twice", 2, 1), topic("twice", 1, 1))
	}},
	{name: "twice beside another", request: func(_ *world, lane int16) kmsg.Request {
		return create(false, topic("twice", 2, 1), topic(each("once", lane), 1, 1), topic("twice", 2, 1))
	}},
	{name: "good and bad", request: func(_ *world, lane int16) kmsg.Request {
		return create(false, topic("bad/one", 1, 1), topic(each("good", lane), 1, 1), topic("fixed", 1, 1), topic("bad.count", 0, 1))
	}},
	{name: "no time", request: func(_ *world, lane int16) kmsg.Request {
		req := create(false, topic(each("hurry", lane), 1, 1))
		req.TimeoutMillis = 0
		return req
	}},
	{name: "metadata of one that there was no time for", from: 2, to: 7, request: func(_ *world, lane int16) kmsg.Request {
		return metadata(false, each("hurry", lane))(nil, lane)
	}},
	{name: "negative time", request: func(_ *world, lane int16) kmsg.Request {
		req := create(false, topic(each("past", lane), 1, 1))
		req.TimeoutMillis = -1
		return req
	}},
	assigns("assigned", []int32{1}, []int32{1}),
	assigns("assigned to an unknown broker", []int32{9}),
	assigns("assigned to a negative broker", []int32{-1}),
	assigns("assigned to nobody", []int32{}),
	assigns("assigned twice to one broker", []int32{1, 1}),
	assigns("assigned unevenly", []int32{1}, []int32{1, 2}),
	assignsChanged("assigned with a count", func(t *kmsg.CreateTopicsRequestTopic) { t.NumPartitions = 1 }),
	assignsChanged("assigned with a replication factor", func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicationFactor = 1 }),
	assignsChanged("assigned from one", func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicaAssignment[0].Partition = 1 }),
	assignsChanged("assigned a negative partition", func(t *kmsg.CreateTopicsRequestTopic) { t.ReplicaAssignment[0].Partition = -1 }),
	assignsChanged("assigned a partition twice", func(t *kmsg.CreateTopicsRequestTopic) {
		t.ReplicaAssignment = append(t.ReplicaAssignment, t.ReplicaAssignment[0])
	}),
}

func assigns(name string, replicas ...[]int32) testCase {
	return testCase{name: name, request: func(_ *world, lane int16) kmsg.Request {
		return create(false, assigned(each(strings.ReplaceAll(name, " ", "-"), lane), replicas...))
	}}
}

func assignsChanged(name string, change func(*kmsg.CreateTopicsRequestTopic)) testCase {
	return testCase{name: name, request: func(_ *world, lane int16) kmsg.Request {
		t := assigned(each(strings.ReplaceAll(name, " ", "-"), lane), []int32{1})
		change(&t)
		return create(false, t)
	}}
}

// createStrictCases run against a broker that counts copies as Kafka does.
var createStrictCases = []testCase{
	creates("one replica", "one", 1, 1),
	creates("two replicas", "two", 1, 2),
	creates("as many replicas as there are numbers", "most", 1, math.MaxInt16),
	{name: "validate only", request: func(*world, int16) kmsg.Request { return create(true, topic("valid", 1, 2)) }},
	assigns("assigned to two", []int32{1, 2}),
}

// createConfigCases are single settings of a topic, good and bad.
var createConfigCases = configured([][2]string{
	{"retention.ms", "soon"}, {"retention.ms", "-2"}, {"retention.ms", "-1"}, {"retention.ms", "9223372036854775808"},
	{"retention.ms", ""}, {"retention.ms", " 5 "}, {"retention.ms", "1e3"}, {"retention.ms", "0x10"}, {"retention.ms", "+5"}, {"Retention.ms", "5"},
	{"retention.bytes", "-2"}, {"retention.bytes", "1.5"},
	{"cleanup.policy", "burn"}, {"cleanup.policy", ""}, {"cleanup.policy", "delete,compact"}, {"cleanup.policy", "delete,delete"},
	{"cleanup.policy", "compact, delete"}, {"cleanup.policy", "DELETE"}, {"cleanup.policy", "delete,"},
	{"compression.type", "lz5"}, {"compression.type", ""}, {"compression.type", "uncompressed"}, {"compression.type", "GZIP"},
	{"compression.gzip.level", "0"}, {"compression.gzip.level", "10"}, {"compression.gzip.level", "-1"},
	{"compression.lz4.level", "18"}, {"compression.zstd.level", "23"}, {"compression.zstd.level", "-131073"},
	{"max.message.bytes", "-1"}, {"max.message.bytes", "0"}, {"max.message.bytes", "2147483648"},
	{"min.insync.replicas", "0"}, {"min.insync.replicas", "2"},
	{"segment.bytes", "0"}, {"segment.bytes", "1048575"}, {"segment.bytes", "1048576"}, {"segment.bytes", "2147483648"},
	{"segment.ms", "0"}, {"segment.jitter.ms", "-1"}, {"segment.index.bytes", "3"}, {"segment.index.bytes", "4"},
	{"message.timestamp.type", "Never"}, {"message.timestamp.type", "LogAppendTime"},
	{"message.timestamp.before.max.ms", "-1"}, {"message.timestamp.after.max.ms", "-1"},
	{"message.timestamp.difference.max.ms", "1"}, {"message.format.version", "2.0"}, {"message.downconversion.enable", "true"},
	{"flush.messages", "0"}, {"flush.ms", "-1"}, {"index.interval.bytes", "-1"},
	{"delete.retention.ms", "-1"}, {"min.compaction.lag.ms", "-1"}, {"max.compaction.lag.ms", "0"},
	{"min.cleanable.dirty.ratio", "1.1"}, {"min.cleanable.dirty.ratio", "-0.1"}, {"min.cleanable.dirty.ratio", "half"}, {"min.cleanable.dirty.ratio", "NaN"},
	{"file.delete.delay.ms", "-1"}, {"preallocate", "yes"}, {"preallocate", "TRUE"}, {"unclean.leader.election.enable", "1"},
	{"remote.storage.enable", "true"}, {"remote.storage.enable", "false"}, {"local.retention.ms", "-3"}, {"local.retention.bytes", "-3"},
	{"remote.log.copy.disable", "maybe"}, {"remote.log.delete.on.disable", "true"},
	{"leader.replication.throttled.replicas", "x"}, {"leader.replication.throttled.replicas", "*"}, {"leader.replication.throttled.replicas", "0:1,1:1"},
	{"follower.replication.throttled.replicas", "none"}, {"follower.replication.throttled.replicas", "0:1:2"},
	{"errors.deadletterqueue.group.enable", "perhaps"},
	{"", "1"}, {"no.such.key", "1"}, {"retention.minutes", "5"},
})

func configured(pairs [][2]string) []testCase {
	cases := []testCase{
		{name: "min above max compaction lag", request: configs("min.compaction.lag.ms", "10", "max.compaction.lag.ms", "5")},
		{name: "local above whole retention", request: configs("local.retention.ms", "10", "retention.ms", "5")},
		{name: "two bad values", request: configs("retention.ms", "soon", "flush.ms", "later")},
		{name: "unknown and bad", request: configs("no.such.key", "1", "flush.ms", "later")},
		{name: "twice", request: configs("retention.ms", "5", "retention.ms", "6")},
		{name: "twice, the first bad", request: configs("retention.ms", "x", "retention.ms", "6")},
		{name: "null value", request: func(w *world, lane int16) kmsg.Request {
			t := topic(each("null", lane), 1, 1, "retention.ms", "5", "flush.ms", "1")
			t.Configs[1].Value = nil
			return create(false, t)
		}},
		{name: "two null values", request: func(w *world, lane int16) kmsg.Request {
			t := topic(each("null", lane), 1, 1, "retention.ms", "5", "flush.ms", "1")
			t.Configs[0].Value, t.Configs[1].Value = nil, nil
			return create(false, t)
		}},
		{name: "null name", request: configs(null, "1")},
	}
	for _, p := range pairs {
		cases = append(cases, testCase{name: p[0] + "=" + p[1], request: configs(p[0], p[1])})
	}
	return cases
}

func configs(pairs ...string) func(*world, int16) kmsg.Request {
	return func(_ *world, lane int16) kmsg.Request {
		return create(true, topic(each("configured", lane), 1, 1, pairs...))
	}
}
