package compat

import "github.com/twmb/franz-go/pkg/kmsg"

const groupsTopic, transactionsTopic = "__consumer_offsets", "__transaction_state"

// internalCases touch the topics in which the coordinators keep their state.
var internalCases = cases(ready, []testCase{
	testCase{name: "transactions' coordinator", request: findCoordinator(1, "a")}.in(4, 4).asking(found),
	testCase{name: "both", request: metadata(false, groupsTopic, transactionsTopic)},
	testCase{name: "described", request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		req.ResponsePartitionLimit = 100
		t := kmsg.NewDescribeTopicPartitionsRequestTopic()
		t.Topic = groupsTopic
		req.Topics = append(req.Topics, t)
		return req
	}},
	{name: "produce", request: produce(groupsTopic, 0, -1, plain)},
	{name: "produce, acks 1", request: produce(groupsTopic, 0, 1, plain)},
	{name: "produce to an unknown partition", request: produce(groupsTopic, 99, -1, plain)},
	{name: "produce to the transactions' topic", request: produce(transactionsTopic, 0, -1, plain)},
	{name: "produce what is broken", request: produce(groupsTopic, 0, -1, changed(70, 1))},
	{name: "delete records", request: deleteRecords(groupsTopic, 0, -1)},
	{name: "delete records of transactions", request: deleteRecords(transactionsTopic, 0, -1)},
	{name: "delete records of an unknown partition", request: deleteRecords(groupsTopic, 99, -1)},
	{name: "fetch", request: fetch(groupsTopic, 0, 0)},
	{name: "end", request: listOffsets(groupsTopic, 0, -1)},
	{name: "commit offsets of it", request: commit("s", "", -1, committing(groupsTopic, 0, 5))},
	{name: "create it", request: func(*world, int16) kmsg.Request { return create(false, topic(groupsTopic, 1, 1)) }},
})

// fullCases are members beyond those that a group may have.
var fullCases = cases(ready, []testCase{
	lanes10("first member", func(w *world, lane int16) kmsg.Request {
		req := join("full", "", instance("first"))(w, lane)
		req.SetVersion(3)
		return pinned{req}
	}).keeping("first"),
	lanes10("second member", join("full", "")),
	lanes10("second member, known to nobody", join("full", "nobody")),
	lanes10("static second member", join("full", "", instance("second"))),
	lanes10("first member again", join("full", "first")),
	lanes10("described", describeGroup("full")).in(0, 6),
})

// manyCopies are topics that come by themselves where each should have three replicas.
var manyCopies = []testCase{
	{name: "by itself", request: metadata(true, "laned")},
	{name: "by default", request: func(_ *world, lane int16) kmsg.Request { return create(false, topic(each("default", lane), 1, -1)) }},
}
