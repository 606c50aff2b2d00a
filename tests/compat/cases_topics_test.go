package compat

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// each is a name that differs by version, so that a case can act at each anew.
func each(name string, v int16) string { return fmt.Sprintf("%s-v%d-", name, v) }

func create(validate bool, topics ...kmsg.CreateTopicsRequestTopic) kmsg.Request {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis, req.ValidateOnly, req.Topics = 10000, validate, topics
	return req
}

func topic(name string, partitions int32, replicas int16, configs ...string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replicas
	for i := 0; i < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		t.Configs = append(t.Configs, c)
	}
	return t
}

// creates is a case that creates one topic at every version.
func creates(name, base string, partitions int32, replicas int16, configs ...string) testCase {
	return testCase{name: name, from: 2, to: 7, request: func(_ *world, v int16) kmsg.Request {
		t := base
		if !strings.ContainsAny(base, "!/.") && base != "" {
			t = each(base, v)
		}
		return create(false, topic(t, partitions, replicas, configs...))
	}}
}

func metadata(auto bool, names ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrMetadataRequest()
		req.AllowAutoTopicCreation = auto
		req.Topics = []kmsg.MetadataRequestTopic{}
		for _, n := range names {
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = &n
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

func deletes(names ...string) func(*world, int16) kmsg.Request {
	return func(_ *world, v int16) kmsg.Request {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TimeoutMillis, req.TopicNames = 10000, names
		for _, n := range names {
			t := kmsg.NewDeleteTopicsRequestTopic()
			t.Topic = &n
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

func partitions(name string, count int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrCreatePartitionsRequest()
		t := kmsg.NewCreatePartitionsRequestTopic()
		t.Topic, t.Count = name, count
		req.TimeoutMillis, req.Topics = 10000, append(req.Topics, t)
		return req
	}
}

var topicCases = []testCase{
	creates("create", "made", 2, 1),
	creates("create with configs", "tuned", 1, 1, "retention.ms", "1000", "cleanup.policy", "compact"),
	creates("create, no partitions", "none", 0, 1),
	creates("create, negative partitions", "negative", -2, 1),
	creates("create, too many replicas", "replicas", 1, 3),
	creates("create, no replicas", "zero", 1, 0),
	creates("create, illegal name", "bad/name", 1, 1),
	creates("create, name is a dot", ".", 1, 1),
	creates("create, name is two dots", "..", 1, 1),
	creates("create, empty name", "", 1, 1),
	creates("create, name too long", strings.Repeat("x", 250)+"!", 1, 1),
	creates("create, unknown config", "unknown", 1, 1, "no.such.key", "1"),
	creates("create, bad config", "badvalue", 1, 1, "retention.ms", "soon"),
	creates("create, config below its range", "range", 1, 1, "segment.bytes", "0"),
	creates("create, bad cleanup policy", "policy", 1, 1, "cleanup.policy", "burn"),
	{name: "create defaults", from: 4, to: 7, request: func(_ *world, v int16) kmsg.Request {
		return create(false, topic(each("defaults", v), -1, -1))
	}},
	{name: "create, validate only", from: 2, to: 7, request: func(*world, int16) kmsg.Request {
		return create(true, topic("only-valid", 3, 1))
	}},
	{name: "create fixed", from: 7, to: 7, request: func(*world, int16) kmsg.Request {
		return create(false, topic("fixed", 2, 1), topic("a.b", 1, 1))
	}, keep: func(w *world, r kmsg.Response) {
		for _, t := range r.(*kmsg.CreateTopicsResponse).Topics {
			w.topics[t.Topic] = t.TopicID
		}
	}},
	{name: "create, exists", from: 2, to: 7, request: func(*world, int16) kmsg.Request {
		return create(false, topic("fixed", 2, 1))
	}},
	{name: "create, collides", from: 2, to: 7, request: func(*world, int16) kmsg.Request {
		return create(false, topic("a_b", 2, 1))
	}},
	{name: "create, twice in one request", from: 2, to: 7, request: func(*world, int16) kmsg.Request {
		return create(false, topic("twice", 2, 1), topic("twice", 1, 1))
	}},
	{name: "metadata", from: 0, to: 13, request: metadata(false, "fixed")},
	{name: "metadata, unknown", from: 4, to: 13, request: metadata(false, "nowhere")},
	{name: "metadata, illegal", from: 4, to: 13, request: metadata(false, "bad/name")},
	{name: "metadata, illegal and auto-create", from: 4, to: 13, request: metadata(true, "bad/name")},
	{name: "metadata, empty list", from: 1, to: 13, request: metadata(false)},
	{name: "metadata, unknown id", from: 12, to: 13, request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrMetadataRequest()
		t := kmsg.NewMetadataRequestTopic()
		t.TopicID = [16]byte{1, 2, 3}
		req.Topics = append(req.Topics, t)
		return req
	}},
	{name: "metadata by id", from: 12, to: 13, request: func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrMetadataRequest()
		t := kmsg.NewMetadataRequestTopic()
		t.TopicID = w.topics["fixed"]
		req.Topics = append(req.Topics, t)
		return req
	}},
	{name: "partitions, fewer", from: 0, to: 3, request: partitions("fixed", 1)},
	{name: "partitions, same", from: 0, to: 3, request: partitions("fixed", 2)},
	{name: "partitions, unknown topic", from: 0, to: 3, request: partitions("nowhere", 4)},
	{name: "partitions, more", from: 3, to: 3, request: partitions("fixed", 3)},
	{name: "delete, unknown", from: 1, to: 6, request: deletes("nowhere")},
	{name: "delete", from: 6, to: 6, request: deletes("fixed")},
	{name: "delete again", from: 1, to: 6, request: deletes("fixed")},
}
