package compat

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func metadata(auto bool, names ...string) func(*world, int16) kmsg.Request {
	return func(_ *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrMetadataRequest()
		req.AllowAutoTopicCreation = auto
		req.Topics = []kmsg.MetadataRequestTopic{}
		for _, n := range names {
			t := kmsg.NewMetadataRequestTopic()
			name := n
			if n == "laned" {
				name = each(n, lane)
			}
			t.Topic = &name
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

// metadataIDs asks for names, each with the id of the topic behind it; either may be
// empty.
func metadataIDs(pairs ...string) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrMetadataRequest()
		for i := 0; i < len(pairs); i += 2 {
			t := kmsg.NewMetadataRequestTopic()
			if pairs[i] != "" {
				t.Topic = &pairs[i]
			}
			t.TopicID = w.topics[pairs[i+1]]
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

func authorized(cluster, topics bool, inner func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := inner(w, lane).(*kmsg.MetadataRequest)
		req.IncludeClusterAuthorizedOperations, req.IncludeTopicAuthorizedOperations = cluster, topics
		return req
	}
}

var metadataCases = []testCase{
	setup(topic("fixed", 2, 1), topic("other", 1, 1), topic("wide", 12, 1)),
	{name: "one", request: metadata(false, "fixed")},
	{name: "wide", request: metadata(false, "wide")},
	{name: "two", request: metadata(false, "other", "fixed")},
	{name: "all", request: func(*world, int16) kmsg.Request { return kmsg.NewPtrMetadataRequest() }},
	testCase{name: "none", request: metadata(false)}.since(1),
	testCase{name: "empty list of the oldest", request: metadata(false)}.in(0, 0),
	{name: "twice", request: metadata(false, "fixed", "fixed")},
	testCase{name: "unknown", request: metadata(false, "nowhere")}.since(4),
	testCase{name: "unknown twice", request: metadata(false, "nowhere", "nowhere")}.since(4),
	testCase{name: "known and unknown", request: metadata(false, "nowhere", "fixed", "also-nowhere")}.since(4),
	testCase{name: "illegal", request: metadata(false, "bad/name")}.since(4),
	testCase{name: "illegal, auto-create", request: metadata(true, "bad/name")},
	testCase{name: "empty name", request: metadata(false, "")}.since(4),
	testCase{name: "empty name, auto-create", request: metadata(true, "")},
	testCase{name: "null name", request: metadata(false, null)},
	testCase{name: "dots", request: metadata(false, ".", "..")}.since(4),
	testCase{name: "dots, auto-create", request: metadata(true, ".", "..")},
	testCase{name: "too long, auto-create", request: metadata(true, strings.Repeat("x", 250))},
	testCase{name: "auto-create", request: metadata(true, "laned")},
	testCase{name: "auto-created", request: metadata(false, "laned")},
	testCase{name: "auto-create beside a known one", request: metadata(true, "fixed", "new-one")},
	testCase{name: "metadata log", request: metadata(false, "__cluster_metadata")},
	testCase{name: "coordinator's topic that does not exist", request: metadata(false, "__transaction_state")}.since(4),
	testCase{name: "authorised operations", request: authorized(true, true, metadata(false, "fixed"))}.since(8),
	testCase{name: "authorised operations of the cluster", request: authorized(true, false, metadata(false, "fixed"))}.since(8),
	testCase{name: "authorised operations of topics", request: authorized(false, true, metadata(false, "fixed", "nowhere"))}.since(8),
	testCase{name: "by id", request: metadataIDs("", "fixed")}.since(12),
	testCase{name: "by id, authorised operations", request: authorized(true, true, metadataIDs("", "fixed", "", "nowhere"))}.since(12),
	testCase{name: "by two ids", request: metadataIDs("", "other", "", "fixed")}.since(12),
	testCase{name: "by id twice", request: metadataIDs("", "fixed", "", "fixed")}.since(12),
	testCase{name: "by unknown id", request: metadataIDs("", "nowhere")}.since(12),
	testCase{name: "by id and unknown id", request: metadataIDs("", "nowhere", "", "fixed")}.since(12),
	testCase{name: "by id and name", request: metadataIDs("fixed", "fixed")}.since(10),
	testCase{name: "by id and the name of another", request: metadataIDs("other", "fixed")}.since(10),
	testCase{name: "by id, and by name", request: metadataIDs("", "fixed", "other", "")}.since(12),
	testCase{name: "by nothing", request: metadataIDs("", "")}.since(10),
	testCase{name: "by id before that was possible", request: metadataIDs("", "fixed")}.in(10, 11),
}

func describeTopics(limit int32, cursor *kmsg.DescribeTopicPartitionsRequestCursor, names ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		req.ResponsePartitionLimit, req.Cursor = limit, cursor
		for _, n := range names {
			t := kmsg.NewDescribeTopicPartitionsRequestTopic()
			t.Topic = n
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

func cursor(name string, partition int32) *kmsg.DescribeTopicPartitionsRequestCursor {
	c := kmsg.NewDescribeTopicPartitionsRequestCursor()
	c.Topic, c.Partition = name, partition
	return &c
}

func describeCluster(kind int8, authorized, fenced bool) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.EndpointType, req.IncludeClusterAuthorizedOperations, req.IncludeFencedBrokers = kind, authorized, fenced
		return req
	}
}

var clusterCases = []testCase{
	setup(topic("a", 3, 1), topic("b", 2, 1), topic("c", 1, 1)),
	{name: "cluster", request: describeCluster(1, false, false)},
	{name: "cluster with operations", request: describeCluster(1, true, false)},
	{name: "cluster with fenced brokers", request: describeCluster(1, false, true)},
	{name: "controllers", request: describeCluster(2, false, false)},
	{name: "controllers with operations", request: describeCluster(2, true, true)},
	{name: "endpoint type 0", request: describeCluster(0, false, false)},
	{name: "endpoint type 3", request: describeCluster(3, false, false)},
	{name: "endpoint type -1", request: describeCluster(-1, false, false)},
	{name: "topics, all", request: describeTopics(2000, nil)},
	{name: "topics, one", request: describeTopics(2000, nil, "a")},
	{name: "topics, out of order", request: describeTopics(2000, nil, "c", "a")},
	{name: "topics, twice", request: describeTopics(2000, nil, "a", "a")},
	{name: "topics, unknown", request: describeTopics(2000, nil, "nowhere", "a")},
	{name: "topics, illegal", request: describeTopics(2000, nil, "bad/name")},
	{name: "topics, empty name", request: describeTopics(2000, nil, "")},
	{name: "topics, null name", request: describeTopics(2000, nil, null)},
	{name: "topics, limit 1", request: describeTopics(1, nil)},
	{name: "topics, limit 3", request: describeTopics(3, nil)},
	{name: "topics, limit 4", request: describeTopics(4, nil)},
	{name: "topics, limit 5", request: describeTopics(5, nil)},
	{name: "topics, limit 6", request: describeTopics(6, nil)},
	{name: "topics, limit 0", request: describeTopics(0, nil)},
	{name: "topics, limit -1", request: describeTopics(-1, nil)},
	{name: "topics, limit 2147483647", request: describeTopics(1<<31-1, nil)},
	{name: "topics, limit 3, unknown", request: describeTopics(3, nil, "a", "aa", "b")},
	{name: "topics, cursor", request: describeTopics(2000, cursor("a", 1))},
	{name: "topics, cursor at another topic", request: describeTopics(2000, cursor("b", 0))},
	{name: "topics, cursor at the end of one", request: describeTopics(2000, cursor("a", 3))},
	{name: "topics, cursor past the end of one", request: describeTopics(2000, cursor("a", 9))},
	{name: "topics, cursor past all", request: describeTopics(2000, cursor("z", 0))},
	{name: "topics, cursor at an unknown topic", request: describeTopics(2000, cursor("aa", 1))},
	{name: "topics, cursor at a negative partition", request: describeTopics(2000, cursor("a", -1))},
	{name: "topics, cursor and limit", request: describeTopics(2, cursor("a", 2))},
	{name: "topics, cursor and names", request: describeTopics(2000, cursor("b", 1), "a", "b", "c")},
	{name: "topics, cursor before names", request: describeTopics(2000, cursor("a", 1), "b", "c")},
	{name: "topics, cursor not of the names", request: describeTopics(2000, cursor("b", 1), "a", "c")},
	{name: "topics, cursor at an unknown name", request: describeTopics(2000, cursor("nowhere", 0), "a", "nowhere")},
	{name: "topics, cursor with an empty name", request: describeTopics(2000, cursor("", 0))},
}
