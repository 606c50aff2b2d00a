package compat

import "github.com/twmb/franz-go/pkg/kmsg"

// kminion, by collector. kmsg is 1.12.0. Its group lags come from OffsetFetch (adminApi) or from reading
// __consumer_offsets (offsetsTopic).
var kminion = tool{"kminion", "redpanda-data/kminion 2.3.5 (4f3867a)", "franz-go 1.20.6", map[int16]int16{
	0: 13, 1: 18, 2: 10, 3: 13, 8: 9, 9: 9, 10: 6, 11: 9, 12: 4, 13: 5, 14: 5, 15: 6, 16: 5, 18: 4, 19: 7,
	22: 5, 32: 4, 35: 4, 37: 3, 42: 2, 45: 1,
}}

var kminionReads = cases([]testCase{
	kminion.asks("start, metadata", allMetadata(false)),
	kminion.asks("start, api versions", apiVersions("kminion", "v2")),
	kminion.asks("cluster and broker info, metadata", allMetadata(false)),
	kminion.asks("topic info, configs", topicConfigs(false, false)),
	kminion.asks("topic partition offsets, low", allOffsets(-2, 0)),
	kminion.asks("topic partition offsets, high", allOffsets(-1, 0)),
	kminion.asks("log dirs", logDirsOf(nil)).without(dirsOnly...),
	kminion.asks("consumer groups, list", listGroups(nil, nil)),
	kminion.asks("consumer groups, coordinators", findCoordinator(0, monitorGroups...)),
	kminion.asks("consumer groups, describe", groups(monitorGroups...)),
	kminion.asks("lags by offsets topic, metadata", metadata(false, "__consumer_offsets")),
	kminion.asks("lags by offsets topic, end", allOffsets(-1, 0, "__consumer_offsets")),
	kminion.asks("lags by offsets topic, records", groupRecords(reads("__consumer_offsets", 0, 0, 0, 1, 2))),
}, perGroup(func(g string) testCase {
	return kminion.asks("lags by admin api, offsets of "+g, groupOffsets(false, g))
}))

func perGroup(one func(group string) testCase) (all []testCase) {
	for _, g := range append(monitorGroups[:len(monitorGroups):len(monitorGroups)], "unknown") {
		all = append(all, one(g))
	}
	return all
}

// Redpanda Console, by page. kmsg is 1.13.1, kadm 1.18.0.
var console = tool{"Console", "redpanda-data/console 3.10.0 (12ba56d)", "franz-go 1.21.2", map[int16]int16{
	0: 13, 1: 18, 2: 11, 3: 13, 8: 10, 9: 10, 10: 6, 15: 6, 16: 5, 18: 4, 19: 7, 20: 6, 21: 2, 22: 5, 24: 5, 26: 5,
	29: 3, 32: 4, 35: 4, 37: 3, 42: 2, 44: 1, 45: 1, 46: 0, 47: 0, 48: 1, 50: 0,
}}

var consoleReads = []testCase{
	console.asks("endpoint compatibility, api versions", apiVersions("RPConsole", "v3.0.0")),
	console.asks("overview, metadata", allMetadata(false)),
	console.asks("overview, api versions", apiVersions("kgo", "v1.21.2")),
	console.asks("overview, broker config", allBrokerConfigs(true, true)),
	console.asks("brokers, log dirs", logDirsOf(nil)).without(dirsOnly...),
	console.asks("topics, configs", topicConfigs(true, true)),
	console.asks("topics, log dirs", logDirsOf(map[string]int32{"orders": 3, "payments": 2, "state": 1})).without(dirsOnly...),
	console.asks("topic, metadata", metadata(false, "orders")),
	console.asks("topic, low watermarks", allOffsets(-2, 0, "orders")),
	console.asks("topic, high watermarks", allOffsets(-1, 0, "orders")),
	console.asks("topic, latest by time", allOffsets(-3, 0, "orders")),
	console.asks("topic configuration", topicConfigs(true, true, "orders")),
	console.asks("unknown topic, metadata", metadata(false, "nowhere")),
	console.asks("unknown topic, configs", topicConfigs(true, true, "nowhere")),
	console.asks("unknown topic, log dirs", logDirs(map[string][]int32{"nowhere": {0}})).without(dirsOnly...),
	console.asks("messages, newest", reads("orders", 4, 0, 0)),
	console.asks("messages, oldest", reads("orders", 2, 0, 0)),
	console.asks("messages before what was deleted", reads("orders", 0, 0, 0)),
	console.asks("messages with control records", reads("payments", 0, 0, 0, 1)),
	console.asks("messages from a time", allOffsets(when, 0, "orders", "payments")),
	console.asks("messages from a time to come", allOffsets(when+1, 0, "orders", "payments")),
	console.asks("consumer groups, list", listGroups(nil, nil)),
	console.asks("consumer groups, describe", groups(monitorGroups...)),
	console.asks("consumer groups, offsets", groupOffsets(false, monitorGroups...)),
	console.asks("consumer groups, end offsets", allOffsets(-1, 0, "orders", "payments")),
	console.asks("unknown consumer group", groups("unknown")),
	console.asks("offsets of an unknown consumer group", groupOffsets(false, "unknown")),
	console.asks("reassign partitions, list", reassignments("all")),
	console.asks("acls", acls),
	console.asks("quotas", quotas),
	console.asks("users", scramUsers),
}

// kminionActs is its end-to-end probe: a topic of its own, a producer and a group, and
// groups of probes that are gone.
var kminionActs = []testCase{
	kminion.asks("e2e topic, not there", metadata(false, "kminion-end-to-end")),
	kminion.asks("e2e topic, created", func(w *world, _ int16) kmsg.Request {
		t := assigned("kminion-end-to-end", []int32{w.node})
		t.Configs = topic("", 0, 0, "cleanup.policy", "delete", "segment.ms", "43200000", "retention.ms", "86400000", "min.insync.replicas", "1").Configs
		req := create(false, t)
		req.TimeoutMillis = 60_000
		return req
	}),
	kminion.asks("e2e topic, there", metadata(false, "kminion-end-to-end")).asking(func(r kmsg.Response) bool {
		t := r.(*kmsg.MetadataResponse).Topics[0]
		return t.ErrorCode == 0 && len(t.Partitions) == 1
	}),
	kminion.asks("e2e topic, more partitions", func(w *world, _ int16) kmsg.Request {
		return grow(60_000, false, to("kminion-end-to-end", 2, []int32{w.node}))(w, 0)
	}),
	kminion.asks("e2e topic, reassigned", func(w *world, _ int16) kmsg.Request {
		return reassign("kminion-end-to-end", 0, []int32{w.node})(w, 0)
	}),
	kminion.asks("e2e topic, with its partitions", metadata(false, "kminion-end-to-end")).asking(func(r kmsg.Response) bool {
		return len(r.(*kmsg.MetadataResponse).Topics[0].Partitions) == 2
	}),
	kminion.asks("e2e topic, configs", configsOf("kminion-end-to-end", "min.insync.replicas")),
	kminion.asks("e2e producer", initProducer(nil, 0, -1, -1)).asking(func(r kmsg.Response) bool {
		return r.(*kmsg.InitProducerIDResponse).ErrorCode == 0
	}),
	kminion.asks("e2e first message", produce("kminion-end-to-end", 0, -1, plain)).asking(produced),
	kminion.asks("e2e message of the other partition", produce("kminion-end-to-end", 1, -1, plain)).asking(produced),
	kminion.asks("e2e message by the leader alone", produce("kminion-end-to-end", 0, 1, plain)),
	kminion.asks("e2e group, coordinator", findCoordinator(0, "kminion-end-to-end-1")).asking(found),
	kminion.asks("e2e group, asks for an id", probe.joining("")).kept(probe.keep),
	kminion.asks("e2e group, joins", probe.joining("id")).kept(probe.keep),
	kminion.asks("e2e group, syncs", probe.syncing),
	kminion.asks("e2e group, offsets", probe.offsets),
	kminion.asks("e2e group, end offsets", latestOf("kminion-end-to-end", 2)),
	kminion.asks("e2e group, heartbeat", probe.beats),
	kminion.asks("e2e group, reads", reads("kminion-end-to-end", 0, 0, 0, 1)),
	kminion.asks("e2e group, commits", probe.committing),
	kminion.asks("e2e group, offsets then", probe.offsets),
	kminion.asks("e2e group, leaves", probe.leaving),
	kminion.asks("e2e stale groups, list", listGroups([]string{"Empty"}, nil)),
	kminion.asks("e2e stale groups, deleted", deleteNamed("kminion-end-to-end-1", "kminion-end-to-end-0")),
	kminion.asks("e2e stale groups, list then", listGroups([]string{"Empty"}, nil)),
	kminion.asks("lags by offsets topic, what is left of the probe", groupRecords(reads("__consumer_offsets", 0, 0, 0, 1, 2))),
}
