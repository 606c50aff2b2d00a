package compat

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func deletes(names ...string) func(*world, int16) kmsg.Request {
	return func(_ *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TimeoutMillis = 10000
		for _, n := range names {
			name := n
			if n == "laned" {
				name = each(n, lane)
			}
			t := kmsg.NewDeleteTopicsRequestTopic()
			t.Topic = &name
			req.TopicNames, req.Topics = append(req.TopicNames, name), append(req.Topics, t)
		}
		return req
	}
}

// deletesIDs deletes by id; a name beside an id stands before it, and both may be empty.
func deletesIDs(pairs ...string) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TimeoutMillis = 10000
		for i := 0; i < len(pairs); i += 2 {
			t := kmsg.NewDeleteTopicsRequestTopic()
			if pairs[i] != "" {
				t.Topic = &pairs[i]
			}
			t.TopicID = w.topics[pairs[i+1]]
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

var deleteCases = []testCase{
	setup(topic("fixed", 2, 1), topic("second", 1, 1), topic("third", 1, 1), topic("fourth", 1, 1), topic("fifth", 1, 1)),
	creates("made", "laned", 1, 1).in(1, 6),
	{name: "unknown", request: deletes("nowhere")},
	{name: "empty name", request: deletes("")},
	{name: "illegal name", request: deletes("bad/name")},
	{name: "null name", request: deletes(null)},
	{name: "empty list", request: deletes()},
	{name: "twice", request: deletes("fixed", "fixed")},
	{name: "unknown twice", request: deletes("nowhere", "nowhere")},
	{name: "one of two", request: deletes("nowhere", "laned")},
	{name: "the metadata log", request: deletes("__cluster_metadata")},
	{name: "no time", request: func(w *world, lane int16) kmsg.Request {
		req := deletes("nowhere")(w, lane).(*kmsg.DeleteTopicsRequest)
		req.TimeoutMillis = 0
		return req
	}},
	testCase{name: "unknown id", request: deletesIDs("", "nowhere")}.in(6, 6),
	testCase{name: "unknown id twice", request: deletesIDs("", "nowhere", "", "nowhere")}.in(6, 6),
	testCase{name: "zero id", request: deletesIDs("", "")}.in(6, 6),
	testCase{name: "zero id twice", request: deletesIDs("", "", "", "")}.in(6, 6),
	testCase{name: "name and id", request: deletesIDs("fixed", "fixed")}.in(6, 6),
	testCase{name: "name and the id of another", request: deletesIDs("fixed", "second")}.in(6, 6),
	testCase{name: "unknown name and id", request: deletesIDs("nowhere", "nowhere")}.in(6, 6),
	testCase{name: "by name and by id", request: deletesIDs("third", "", "", "third")}.in(6, 6),
	testCase{name: "id twice", request: deletesIDs("", "fourth", "", "fourth")}.in(6, 6),
	testCase{name: "by id", request: deletesIDs("", "second")}.in(6, 6),
	testCase{name: "by id again", request: deletesIDs("", "second")}.in(6, 6),
	testCase{name: "several", request: deletesIDs("fourth", "", "", "fifth", "nowhere", "", "", "nowhere")}.in(6, 6),
	testCase{name: "deleted", request: deletes("fixed")}.in(6, 6),
	{name: "deleted again", request: deletes("fixed")},
	testCase{name: "metadata of the deleted", request: metadata(false, "fixed", "third", "fifth")}.in(13, 13),
	testCase{name: "no time for one that exists", request: func(w *world, lane int16) kmsg.Request {
		req := deletes("third")(w, lane).(*kmsg.DeleteTopicsRequest)
		req.TimeoutMillis = 0
		return req
	}}.in(6, 6),
	testCase{name: "metadata of one that there was no time for", request: metadata(false, "third")}.in(13, 13),
	testCase{name: "made again", request: func(*world, int16) kmsg.Request { return create(false, topic("fixed", 1, 1)) }}.in(7, 7),
}

func grow(timeout int32, validate bool, topics ...kmsg.CreatePartitionsRequestTopic) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.TimeoutMillis, req.ValidateOnly, req.Topics = timeout, validate, topics
		return req
	}
}

// to is a topic with its new count, and the replicas of each new partition.
func to(name string, count int32, replicas ...[]int32) kmsg.CreatePartitionsRequestTopic {
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = name, count
	for _, r := range replicas {
		a := kmsg.NewCreatePartitionsRequestTopicAssignment()
		a.Replicas = r
		t.Assignment = append(t.Assignment, a)
	}
	return t
}

var partitionCases = []testCase{
	setup(topic("fixed", 2, 1), topic("other", 1, 1), topic("assigned", 1, 1)),
	{name: "fewer", request: grow(10000, false, to("fixed", 1))},
	{name: "same", request: grow(10000, false, to("fixed", 2))},
	{name: "none", request: grow(10000, false, to("fixed", 0))},
	{name: "negative", request: grow(10000, false, to("fixed", -1))},
	{name: "lowest", request: grow(10000, false, to("fixed", math.MinInt32))},
	{name: "too many", request: grow(10000, false, to("fixed", 10003))},
	{name: "highest", request: grow(10000, false, to("fixed", math.MaxInt32))},
	{name: "unknown topic", request: grow(10000, false, to("nowhere", 4))},
	{name: "empty name", request: grow(10000, false, to("", 4))},
	{name: "null name", request: grow(10000, false, to(null, 4))},
	{name: "illegal name", request: grow(10000, false, to("bad/name", 4))},
	{name: "metadata log", request: grow(10000, false, to("__cluster_metadata", 4))},
	{name: "empty list", request: grow(10000, false)},
	{name: "twice", request: grow(10000, false, to("fixed", 3), to("fixed", 4))},
	{name: "unknown twice", request: grow(10000, false, to("nowhere", 3), to("nowhere", 4))},
	{name: "validate only", request: grow(10000, true, to("fixed", 3))},
	{name: "validate only, fewer", request: grow(10000, true, to("fixed", 1))},
	{name: "validate only, unknown", request: grow(10000, true, to("nowhere", 1))},
	{name: "no time", request: grow(0, true, to("fixed", 3))},
	{name: "assigned to an unknown broker", request: grow(10000, true, to("fixed", 3, []int32{9}))},
	{name: "assigned to a negative broker", request: grow(10000, true, to("fixed", 3, []int32{-1}))},
	{name: "assigned to nobody", request: grow(10000, true, to("fixed", 3, []int32{}))},
	{name: "assigned twice to one broker", request: grow(10000, true, to("fixed", 3, []int32{1, 1}))},
	{name: "assigned two", request: grow(10000, true, to("fixed", 3, []int32{1, 2}))},
	{name: "too many assignments", request: grow(10000, true, to("fixed", 3, []int32{1}, []int32{1}))},
	{name: "too few assignments", request: grow(10000, true, to("fixed", 4, []int32{1}))},
	{name: "no assignments", request: grow(10000, true, func() kmsg.CreatePartitionsRequestTopic {
		t := to("fixed", 4)
		t.Assignment = []kmsg.CreatePartitionsRequestTopicAssignment{}
		return t
	}())},
	{name: "assigned beside an error", request: grow(10000, true, to("fixed", 1, []int32{9}))},
	testCase{name: "assigned", request: grow(10000, false, to("assigned", 2, []int32{1}))}.in(3, 3),
	testCase{name: "more", request: grow(10000, false, to("fixed", 3), to("nowhere", 1), to("other", 1))}.in(3, 3),
	testCase{name: "metadata", request: metadata(false, "fixed", "assigned")}.in(13, 13),
}
