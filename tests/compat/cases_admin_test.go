package compat

import "github.com/twmb/franz-go/pkg/kmsg"

// Administration of what Kafka is made of. A case for an API that is not served here
// is skipped and counted.

func logDirs(topics map[string][]int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		for name, list := range topics {
			t := kmsg.NewDescribeLogDirsRequestTopic()
			t.Topic, t.Partitions = name, list
			req.Topics = append(req.Topics, t)
		}
		if topics != nil && len(topics) == 0 {
			req.Topics = []kmsg.DescribeLogDirsRequestTopic{}
		}
		return req
	}
}

func moveReplica(dir, topic string, partitions ...int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrAlterReplicaLogDirsRequest()
		d, t := kmsg.NewAlterReplicaLogDirsRequestDir(), kmsg.NewAlterReplicaLogDirsRequestDirTopic()
		t.Topic, t.Partitions = topic, partitions
		d.Dir, d.Topics = dir, append(d.Topics, t)
		req.Dirs = append(req.Dirs, d)
		return req
	}
}

func elect(kind int8, topic string, partitions ...int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrElectLeadersRequest()
		req.ElectionType, req.TimeoutMillis = kind, 10000
		if topic != "all" {
			t := kmsg.NewElectLeadersRequestTopic()
			t.Topic, t.Partitions = topic, partitions
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

func reassign(topic string, partition int32, replicas []int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
		t, p := kmsg.NewAlterPartitionAssignmentsRequestTopic(), kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
		p.Partition, p.Replicas = partition, replicas
		t.Topic, t.Partitions = topic, append(t.Partitions, p)
		req.TimeoutMillis, req.Topics = 10000, append(req.Topics, t)
		return req
	}
}

func reassignments(topic string, partitions ...int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrListPartitionReassignmentsRequest()
		req.TimeoutMillis = 10000
		if topic != "all" {
			t := kmsg.NewListPartitionReassignmentsRequestTopic()
			t.Topic, t.Partitions = topic, partitions
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

func quorum(topic string, partitions ...int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeQuorumRequest()
		t := kmsg.NewDescribeQuorumRequestTopic()
		t.Topic = topic
		for _, number := range partitions {
			p := kmsg.NewDescribeQuorumRequestTopicPartition()
			p.Partition = number
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
		return req
	}
}

func feature(name string, level int16, kind int8, validate bool) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrUpdateFeaturesRequest()
		f := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
		f.Feature, f.MaxVersionLevel, f.UpgradeType, f.AllowDowngrade = name, level, kind, kind != 1
		req.TimeoutMillis, req.ValidateOnly, req.FeatureUpdates = 10000, validate, append(req.FeatureUpdates, f)
		return req
	}
}

func resources(kinds ...int8) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrListConfigResourcesRequest()
		req.ResourceTypes = kinds
		return req
	}
}

func producers(topic string, partitions ...int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeProducersRequest()
		t := kmsg.NewDescribeProducersRequestTopic()
		t.Topic, t.Partitions = topic, partitions
		req.Topics = append(req.Topics, t)
		return req
	}
}

var adminCases = []testCase{
	setup(topic("log", 2, 1), topic("other", 1, 1)),
	fill("fill", "log", 0, []byte("a"), []byte("b")),
	{name: "log dirs", request: logDirs(map[string][]int32{"log": {0, 1}}), ignore: []string{"Dir", "Size", "TotalBytes", "UsableBytes"}},
	{name: "log dirs of an unknown topic", request: logDirs(map[string][]int32{"nowhere": {0}}), ignore: []string{"Dir", "TotalBytes", "UsableBytes"}},
	{name: "log dirs of an unknown partition", request: logDirs(map[string][]int32{"log": {9}}), ignore: []string{"Dir", "TotalBytes", "UsableBytes"}},
	{name: "log dirs of nothing", request: logDirs(map[string][]int32{}), ignore: []string{"Dir", "TotalBytes", "UsableBytes"}},
	{name: "replica to an unknown folder", request: moveReplica("/nowhere", "log", 0)},
	{name: "replica of an unknown topic", request: moveReplica("/nowhere", "nowhere", 0)},
	{name: "replica to a relative folder", request: moveReplica("nowhere", "log", 0)},
	{name: "no replicas", request: func(*world, int16) kmsg.Request { return kmsg.NewPtrAlterReplicaLogDirsRequest() }},
	{name: "preferred leader", request: elect(0, "log", 0)},
	{name: "preferred leaders", request: elect(0, "log", 0, 1)},
	{name: "preferred leader of all", request: elect(0, "all")},
	{name: "preferred leader of an unknown topic", request: elect(0, "nowhere", 0)},
	{name: "preferred leader of an unknown partition", request: elect(0, "log", 9)},
	testCase{name: "unclean leader", request: elect(1, "log", 0)}.since(1),
	testCase{name: "election type 2", request: elect(2, "log", 0)}.since(1),
	{name: "moved to where it is", request: reassign("log", 0, []int32{1})},
	{name: "moved to an unknown broker", request: reassign("log", 0, []int32{9})},
	{name: "moved to nobody", request: reassign("log", 0, []int32{})},
	{name: "moved twice to one", request: reassign("log", 0, []int32{1, 1})},
	{name: "moved to a negative broker", request: reassign("log", 0, []int32{-1})},
	{name: "no move to cancel", request: reassign("log", 0, nil)},
	{name: "moved unknown topic", request: reassign("nowhere", 0, []int32{1})},
	{name: "moved unknown partition", request: reassign("log", 9, []int32{1})},
	{name: "moves of all", request: reassignments("all")},
	{name: "moves of one", request: reassignments("log", 0)},
	{name: "moves of an unknown topic", request: reassignments("nowhere", 0)},
	{name: "moves of an unknown partition", request: reassignments("log", 9)},
	{name: "quorum", request: quorum("__cluster_metadata", 0), ignore: []string{
		"HighWatermark", "LogEndOffset", "LastFetchTimestamp", "LastCaughtUpTimestamp", "ReplicaDirectoryID", "Port", "LeaderEpoch", "Nodes", "ReplicaDirectoryId"}},
	{name: "quorum of another partition", request: quorum("__cluster_metadata", 1)},
	{name: "quorum of another topic", request: quorum("log", 0)},
	{name: "unknown feature", request: feature("no.such.feature", 1, 1, true)},
	{name: "feature too high", request: feature("metadata.version", 99, 1, true)},
	{name: "feature at its level", request: feature("metadata.version", 33, 1, true)},
	{name: "feature below", request: feature("metadata.version", 1, 2, true)},
	{name: "feature with a negative level", request: feature("metadata.version", -1, 1, true)},
	{name: "feature without a name", request: feature("", 1, 1, true)},
	testCase{name: "upgrade type 0", request: feature("metadata.version", 33, 0, true)}.since(1),
	{name: "unregister an unknown broker", request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrUnregisterBrokerRequest()
		req.BrokerID = 9
		return req
	}},
	{name: "unregister a negative broker", request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrUnregisterBrokerRequest()
		req.BrokerID = -1
		return req
	}},
	testCase{name: "resources of topics", request: resources(2)}.since(1),
	testCase{name: "resources of brokers", request: resources(4)}.since(1),
	testCase{name: "resources of loggers", request: resources(8)}.since(1),
	testCase{name: "resources of groups", request: resources(32)}.since(1),
	{name: "resources of client metrics", request: resources(16)},
	testCase{name: "resources of a type that is not", request: resources(3)}.since(1),
	{name: "producers", request: producers("log", 0)},
	{name: "producers of an unknown topic", request: producers("nowhere", 0)},
	{name: "producers of an unknown partition", request: producers("log", 9)},
	{name: "producers of an illegal topic", request: producers("bad/name", 0)},
	{name: "producers of a negative partition", request: producers("log", -1)},
}
