package compat

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/wire"
)

func listOffsets(topic string, partition int32, timestamp int64, options ...func(*kmsg.ListOffsetsRequest, *kmsg.ListOffsetsRequestTopicPartition)) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrListOffsetsRequest()
		t, p := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, timestamp, -1
		req.ReplicaID = -1
		for _, o := range options {
			o(req, &p)
		}
		t.Topic, t.Partitions = topic, append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	}
}

// listTwice names a partition twice.
func listTwice(*world, int16) kmsg.Request {
	req := listOffsets("log", 0, -1)(nil, 0).(*kmsg.ListOffsetsRequest)
	req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[0])
	return req
}

func atEpoch(epoch int32) func(*kmsg.ListOffsetsRequest, *kmsg.ListOffsetsRequestTopicPartition) {
	return func(_ *kmsg.ListOffsetsRequest, p *kmsg.ListOffsetsRequestTopicPartition) {
		p.CurrentLeaderEpoch = epoch
	}
}

func isolated(level int8) func(*kmsg.ListOffsetsRequest, *kmsg.ListOffsetsRequestTopicPartition) {
	return func(r *kmsg.ListOffsetsRequest, _ *kmsg.ListOffsetsRequestTopicPartition) { r.IsolationLevel = level }
}

var offsetCases = []testCase{
	setup(topic("log", 3, 1)),
	testCase{name: "fill", request: produce("log", 0, -1, constant(wire.Batch(when, []byte("a"), []byte("b"))))}.in(9, 9).asking(produced),
	testCase{name: "fill later", request: produce("log", 0, -1, constant(wire.Batch(when+1000, []byte("c"))))}.in(9, 9),
	testCase{name: "fill between", request: produce("log", 0, -1, constant(wire.Batch(when+500, []byte("d"))))}.in(9, 9),
	{name: "latest", request: listOffsets("log", 0, -1)},
	{name: "latest, read committed", request: listOffsets("log", 0, -1, isolated(1))},
	{name: "latest, isolation 2", request: listOffsets("log", 0, -1, isolated(2))},
	{name: "latest, isolation -1", request: listOffsets("log", 0, -1, isolated(-1))},
	{name: "latest of nothing", request: listOffsets("log", 1, -1)},
	{name: "earliest", request: listOffsets("log", 0, -2)},
	{name: "earliest of nothing", request: listOffsets("log", 1, -2)},
	{name: "max timestamp", request: listOffsets("log", 0, -3)},
	{name: "max timestamp of nothing", request: listOffsets("log", 1, -3)},
	{name: "max timestamp, read committed", request: listOffsets("log", 0, -3, isolated(1))},
	{name: "earliest local", request: listOffsets("log", 0, -4)},
	{name: "latest tiered", request: listOffsets("log", 0, -5)},
	{name: "earliest pending upload", request: listOffsets("log", 0, -6)},
	{name: "timestamp -7", request: listOffsets("log", 0, -7)},
	{name: "lowest timestamp", request: listOffsets("log", 0, math.MinInt64)},
	{name: "time of the first", request: listOffsets("log", 0, when)},
	{name: "time before all", request: listOffsets("log", 0, 0)},
	{name: "time between", request: listOffsets("log", 0, when+1)},
	{name: "time of the last", request: listOffsets("log", 0, when+1000)},
	{name: "time after all", request: listOffsets("log", 0, when+1001)},
	{name: "time of nothing", request: listOffsets("log", 1, when)},
	{name: "highest timestamp", request: listOffsets("log", 0, math.MaxInt64)},
	{name: "unknown topic", request: listOffsets("nowhere", 0, -1)},
	{name: "unknown partition", request: listOffsets("log", 9, -1)},
	{name: "negative partition", request: listOffsets("log", -1, -1)},
	{name: "empty name", request: listOffsets("", 0, -1)},
	{name: "null name", request: listOffsets(null, 0, -1)},
	{name: "no topics", request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		return req
	}},
	{name: "partition twice", request: listTwice},
	testCase{name: "current epoch", request: listOffsets("log", 0, -1, atEpoch(0))}.since(4),
	testCase{name: "epoch to come", request: listOffsets("log", 0, -1, atEpoch(99))}.since(4),
	testCase{name: "epoch -2", request: listOffsets("log", 0, -1, atEpoch(-2))}.since(4),
	{name: "as a replica", request: listOffsets("log", 0, -1, func(r *kmsg.ListOffsetsRequest, _ *kmsg.ListOffsetsRequestTopicPartition) { r.ReplicaID = 2 })},
	{name: "as a debugging consumer", request: listOffsets("log", 0, -1, func(r *kmsg.ListOffsetsRequest, _ *kmsg.ListOffsetsRequestTopicPartition) { r.ReplicaID = -2 })},
	testCase{name: "with a timeout", request: listOffsets("log", 0, when, func(r *kmsg.ListOffsetsRequest, _ *kmsg.ListOffsetsRequestTopicPartition) { r.TimeoutMillis = 1000 })}.since(10),
}

func epochEnd(topic string, partition, current, epoch int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.ReplicaID = -1
		t, p := kmsg.NewOffsetForLeaderEpochRequestTopic(), kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = partition, current, epoch
		t.Topic, t.Partitions = topic, append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	}
}

var epochCases = []testCase{
	setup(topic("log", 2, 1)),
	fill("fill", "log", 0, []byte("a"), []byte("b")),
	{name: "current", request: epochEnd("log", 0, -1, 0)},
	{name: "of nothing", request: epochEnd("log", 1, -1, 0)},
	{name: "to come", request: epochEnd("log", 0, -1, 1)},
	{name: "far to come", request: epochEnd("log", 0, -1, math.MaxInt32)},
	{name: "undefined", request: epochEnd("log", 0, -1, -1)},
	{name: "negative", request: epochEnd("log", 0, -1, -5)},
	{name: "leader epoch right", request: epochEnd("log", 0, 0, 0)},
	{name: "leader epoch to come", request: epochEnd("log", 0, 7, 0)},
	{name: "leader epoch -2", request: epochEnd("log", 0, -2, 0)},
	{name: "unknown topic", request: epochEnd("nowhere", 0, -1, 0)},
	{name: "unknown partition", request: epochEnd("log", 9, -1, 0)},
	{name: "negative partition", request: epochEnd("log", -1, -1, 0)},
	{name: "empty name", request: epochEnd("", 0, -1, 0)},
	{name: "no topics", request: func(*world, int16) kmsg.Request { return kmsg.NewPtrOffsetForLeaderEpochRequest() }},
	{name: "partition twice", request: func(w *world, lane int16) kmsg.Request {
		req := epochEnd("log", 0, -1, 0)(w, lane).(*kmsg.OffsetForLeaderEpochRequest)
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[0])
		return req
	}},
}

func deleteRecords(topic string, partition int32, offset int64) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDeleteRecordsRequest()
		t, p := kmsg.NewDeleteRecordsRequestTopic(), kmsg.NewDeleteRecordsRequestTopicPartition()
		p.Partition, p.Offset = partition, offset
		t.Topic, t.Partitions = topic, append(t.Partitions, p)
		req.TimeoutMillis, req.Topics = 10000, append(req.Topics, t)
		return req
	}
}

var deleteRecordCases = []testCase{
	setup(topic("log", 2, 1), topic("keys", 1, 1, "cleanup.policy", "compact"), topic("both", 1, 1, "cleanup.policy", "compact,delete")),
	fill("fill", "log", 0, []byte("a"), []byte("b"), []byte("c")),
	fill("fill more", "log", 0, []byte("d"), []byte("e")),
	{name: "nothing", request: deleteRecords("log", 0, 0)},
	{name: "past the end", request: deleteRecords("log", 0, 1000)},
	{name: "highest", request: deleteRecords("log", 0, math.MaxInt64)},
	{name: "offset -2", request: deleteRecords("log", 0, -2)},
	{name: "compacted", request: deleteRecords("keys", 0, 0)},
	{name: "compacted and deleted", request: deleteRecords("both", 0, 0)},
	{name: "unknown topic", request: deleteRecords("nowhere", 0, 0)},
	{name: "unknown partition", request: deleteRecords("log", 9, 0)},
	{name: "negative partition", request: deleteRecords("log", -1, 0)},
	{name: "compacted, unknown partition", request: deleteRecords("keys", 9, 0)},
	{name: "empty name", request: deleteRecords("", 0, 0)},
	{name: "null name", request: deleteRecords(null, 0, 0)},
	{name: "illegal name", request: deleteRecords("bad/name", 0, 0)},
	{name: "no topics", request: func(*world, int16) kmsg.Request { return kmsg.NewPtrDeleteRecordsRequest() }},
	{name: "partition twice", request: func(w *world, lane int16) kmsg.Request {
		req := deleteRecords("log", 0, 0)(w, lane).(*kmsg.DeleteRecordsRequest)
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[0])
		return req
	}},
	{name: "empty partition", request: deleteRecords("log", 1, 0)},
	{name: "all of an empty partition", request: deleteRecords("log", 1, -1)},
	{name: "inside a batch", request: deleteRecords("log", 0, 1)},
	testCase{name: "fetch before", request: fetch("log", 0, 0)}.in(18, 18),
	testCase{name: "fetch at", request: fetch("log", 0, 1)}.in(18, 18),
	testCase{name: "earliest", request: listOffsets("log", 0, -2)}.in(11, 11),
	testCase{name: "by time", request: listOffsets("log", 0, when)}.in(11, 11),
	{name: "below the start", request: deleteRecords("log", 0, 0)},
	{name: "all", request: deleteRecords("log", 0, -1)},
	{name: "all again", request: deleteRecords("log", 0, -1)},
	testCase{name: "earliest of all", request: listOffsets("log", 0, -2)}.in(11, 11),
	testCase{name: "by time of all", request: listOffsets("log", 0, when)}.in(11, 11),
	testCase{name: "max timestamp of all", request: listOffsets("log", 0, -3)}.in(7, 11),
	testCase{name: "epoch of all", request: epochEnd("log", 0, -1, 0)}.in(4, 4),
}
