package compat

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requests about topics, as the cases make them.

func create(validate bool, topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis, req.ValidateOnly, req.Topics = 10000, validate, topics
	return req
}

// topic is a topic to create; configs are names and values in turn.
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

// assigned is a topic whose replicas are named, by partition 0, 1, ...
func assigned(name string, replicas ...[]int32) kmsg.CreateTopicsRequestTopic {
	t := topic(name, -1, -1)
	for i, r := range replicas {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = int32(i), r
		t.ReplicaAssignment = append(t.ReplicaAssignment, a)
	}
	return t
}

// setup creates the topics of a suite.
func setup(topics ...kmsg.CreateTopicsRequestTopic) testCase {
	return testCase{name: "setup", from: 7, to: 7, request: func(*world, int16) kmsg.Request { return create(false, topics...) }}
}

// since is a case from a version on.
func (c testCase) since(from int16) testCase {
	c.from, c.to = from, kafkaVersions[c.request(&world{}, 0).Key()][1]
	return c
}

// upTo is a case up to a version.
func (c testCase) upTo(to int16) testCase {
	c.from, c.to = kafkaVersions[c.request(&world{}, 0).Key()][0], to
	return c
}

// in is a case in some lanes.
func (c testCase) in(from, to int16) testCase {
	c.from, c.to = from, to
	return c
}

func (c testCase) asking(until func(kmsg.Response) bool) testCase {
	c.until = until
	return c
}

// creates is a case that creates one topic at every version.
func creates(name, base string, partitions int32, replicas int16, configs ...string) testCase {
	return testCase{name: name, request: func(_ *world, lane int16) kmsg.Request {
		return create(false, topic(laned(base, lane), partitions, replicas, configs...))
	}}
}

// laned is a topic's name of a lane, or the name itself if it is an odd one.
func laned(base string, lane int16) string {
	if base == "" || strings.ContainsAny(base, "!/. \x01") {
		return base
	}
	return each(base, lane)
}

func ptr[T any](v T) *T { return &v }
