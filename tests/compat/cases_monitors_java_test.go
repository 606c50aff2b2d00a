package compat

import "github.com/twmb/franz-go/pkg/kmsg"

// kafbat UI, by what it scrapes and by page.
var kafbat = tool{"kafbat UI", "kafbat/kafka-ui 1.5.0 (ab8c9ce)", "Java 3.9 (7.9.5-ccs)", map[int16]int16{
	0: 11, 1: 17, 2: 9, 3: 12, 8: 9, 9: 9, 10: 6, 15: 5, 16: 5, 18: 4, 19: 7, 20: 6, 21: 2, 22: 5, 29: 3, 32: 4, 33: 2,
	34: 2, 35: 4, 37: 3, 42: 2, 44: 1, 45: 0, 46: 0, 47: 0, 48: 1, 55: 2, 60: 1, 61: 0, 69: 0, 75: 0,
}}

var kafbatReads = []testCase{
	kafbat.asks("connect, api versions", apiVersions("apache-kafka-java", "7.9.5-ccs")),
	kafbat.asks("connect, cluster", describeCluster(1, false, false)),
	kafbat.asks("connect, broker config", allBrokerConfigs(false, false)),
	kafbat.asks("connect, features", metadataLevel("apache-kafka-java", "7.9.5-ccs")),
	kafbat.asks("connect, acls", acls),
	kafbat.asks("scrape, cluster", describeCluster(1, true, false)),
	kafbat.asks("scrape, brokers", metadata(true)),
	kafbat.asks("scrape, log dirs", logDirsOf(nil)).without(dirsOnly...),
	kafbat.asks("scrape, groups", listGroups(nil, nil)),
	kafbat.asks("scrape, topics", allMetadata(true)),
	kafbat.asks("scrape, topic partitions", describeTopics(2000, nil, monitorTopicNames()...)),
	kafbat.asks("scrape, topic configs", topicConfigs(true, false)),
	kafbat.asks("scrape, leaders", metadata(false, monitorTopicNames()...)),
	kafbat.asks("scrape, latest offsets", allOffsets(-1, 0)),
	kafbat.asks("scrape, earliest offsets", allOffsets(-2, 0)),
	kafbat.asks("scrape, coordinators", findCoordinator(0, monitorGroups...)),
	kafbat.asks("scrape, groups of the newer protocol", consumerGroups(monitorGroups...)),
	kafbat.asks("scrape, describe groups", groups(monitorGroups...)),
	kafbat.asks("scrape, group offsets", groupOffsets(false, monitorGroups...)),
	kafbat.asks("scrape, quorum", quorum("__cluster_metadata", 0)).without(quorumOwn...),
	kafbat.asks("topic, configs", topicConfigs(true, true, "orders")),
	kafbat.asks("topic, active producers", producers("payments", 0, 1)),
	kafbat.asks("unknown topic", describeTopics(2000, nil, "nowhere")),
	kafbat.asks("unknown topic, configs", topicConfigs(true, false, "nowhere")),
	kafbat.asks("unknown topic, offsets", listOffsets("nowhere", 0, -1)),
	kafbat.asks("unknown group", groups("unknown")),
	kafbat.asks("messages, earliest", reads("orders", 2, 0, 0)),
	kafbat.asks("messages, from an offset that is gone", reads("orders", 0, 0, 0)),
	kafbat.asks("messages, of transactions", reads("payments", 0, 0, 0, 1)),
	kafbat.asks("messages, internal topic", groupRecords(reads("__consumer_offsets", 0, 0, 0, 1, 2))),
	kafbat.asks("messages, from a time", allOffsets(when, 0, "orders", "payments")),
	kafbat.asks("quotas", quotas),
}

// quorumOwn are fields of DescribeQuorum that are each cluster's own.
var quorumOwn = []string{"HighWatermark", "LogEndOffset", "LastFetchTimestamp", "LastCaughtUpTimestamp", "ReplicaDirectoryID", "Port", "LeaderEpoch", "Nodes"}

// metadataLevel is an ApiVersions of which the level of metadata.version is shown, from
// which kafbat UI takes the broker's version.
func metadataLevel(software, version string) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		return levelRequest{apiVersions(software, version)(w, lane)}
	}
}

type levelRequest struct{ kmsg.Request }

// ResponseKind implements kmsg.Request.
func (l levelRequest) ResponseKind() kmsg.Response {
	return &levelResponse{l.Request.ResponseKind().(*kmsg.ApiVersionsResponse)}
}

type levelResponse struct{ *kmsg.ApiVersionsResponse }

// MarshalJSON shows the one feature.
func (l *levelResponse) MarshalJSON() ([]byte, error) {
	level := int16(-1)
	for _, f := range l.FinalizedFeatures {
		if f.Name == "metadata.version" {
			level = f.MaxVersionLevel
		}
	}
	return []byte(`{"metadata.version":` + text(level) + `}`), nil
}

// AKHQ, by page.
var akhq = tool{"AKHQ", "tchiotludo/akhq 0.25.1 (91aa445)", "Java 3.6.2", map[int16]int16{
	0: 9, 1: 15, 2: 8, 3: 12, 8: 8, 9: 8, 10: 4, 15: 5, 16: 4, 18: 3, 19: 7, 20: 6, 21: 2, 29: 3, 32: 4, 33: 2,
	35: 4, 37: 3, 42: 2, 44: 1, 47: 0, 60: 0,
}}

var akhqReads = cases([]testCase{
	akhq.asks("connect, api versions", apiVersions("apache-kafka-java", "3.6.2")),
	akhq.asks("nodes, cluster", describeCluster(1, false, false)),
	akhq.asks("nodes, log dirs", logDirsOf(nil)).without(dirsOnly...),
	akhq.asks("node, configs", allBrokerConfigs(false, false)),
	akhq.asks("topics, list", allMetadata(true)),
	akhq.asks("topics, describe", metadata(false, monitorTopicNames()...)),
	akhq.asks("topics, begin", allOffsets(0, 1)),
	akhq.asks("topics, end", allOffsets(-1, 1)),
	akhq.asks("topic, configs", topicConfigs(false, false, "orders")),
	akhq.asks("topic, acls", acls),
	akhq.asks("topic data, oldest", reads("orders", 2, 1, 0)),
	akhq.asks("topic data, of transactions", reads("payments", 0, 1, 0, 1)),
	akhq.asks("topic data, by time", allOffsets(when, 1, "orders", "payments")),
	akhq.asks("topic data, internal topic", groupRecords(reads("__consumer_offsets", 0, 1, 0, 1, 2))),
	akhq.asks("groups, list", listGroups(nil, nil)),
	akhq.asks("groups, coordinators", findCoordinator(0, monitorGroups...)),
	akhq.asks("groups, describe", groups(monitorGroups...)),
}, perGroup(func(g string) testCase {
	return akhq.asks("groups, offsets of "+g, groupOffsets(false, g))
}))
