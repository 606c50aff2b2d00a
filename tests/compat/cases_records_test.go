package compat

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// when is the time of every record.
const when = 1_700_000_000_000

func produce(topic string, partition int32, acks int16, batch func() []byte) func(*world, int16) kmsg.Request {
	return func(w *world, v int16) kmsg.Request {
		req := wire.ProduceRequest(topic, 10000, map[int32][]byte{partition: batch()})
		req.Acks, req.Topics[0].TopicID = acks, w.topics[topic]
		return req
	}
}

func plain() []byte { return wire.Batch(when, []byte("value")) }

func changed(at int, b byte) func() []byte {
	return func() []byte {
		batch := plain()
		batch[at] ^= b
		return batch
	}
}

func sequence(epoch int16, first int32) func(*world, int16) kmsg.Request {
	return func(w *world, v int16) kmsg.Request {
		return produce("log", 1, -1, func() []byte {
			return wire.IdempotentBatch(when, w.pid, epoch, first, []byte("value"))
		})(w, v)
	}
}

func listOffsets(topic string, partition int32, timestamp int64, epoch int32) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrListOffsetsRequest()
		t, p := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, timestamp, epoch
		t.Topic, t.Partitions = topic, append(t.Partitions, p)
		req.ReplicaID, req.Topics = -1, append(req.Topics, t)
		return req
	}
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

func fetch(topic string, partition int32, offset int64, session, epoch int32) func(*world, int16) kmsg.Request {
	return func(w *world, v int16) kmsg.Request {
		req := kmsg.NewPtrFetchRequest()
		t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 1<<20
		t.Topic, t.TopicID, t.Partitions = topic, w.topics[topic], append(t.Partitions, p)
		req.ReplicaID, req.MaxBytes, req.SessionID, req.SessionEpoch = -1, 1<<20, session, epoch
		req.Topics = append(req.Topics, t)
		return req
	}
}

func produced(r kmsg.Response) bool {
	code := r.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode
	return code != 3 && code != 100
}

var recordCases = []testCase{
	{name: "create", from: 7, to: 7, request: func(*world, int16) kmsg.Request {
		return create(false, topic("log", 2, 1, "max.message.bytes", "2000"), topic("keys", 1, 1, "cleanup.policy", "compact"))
	}, keep: func(w *world, r kmsg.Response) {
		for _, t := range r.(*kmsg.CreateTopicsResponse).Topics {
			w.topics[t.Topic] = t.TopicID
		}
		w.topics["nowhere"] = [16]byte{1, 2, 3}
	}},
	{name: "produce", from: 3, to: 13, request: produce("log", 0, -1, plain), until: produced},
	{name: "produce, leader only", from: 3, to: 13, request: produce("log", 0, 1, plain)},
	{name: "produce, unknown topic", from: 3, to: 13, request: produce("nowhere", 0, -1, plain)},
	{name: "produce, unknown partition", from: 3, to: 13, request: produce("log", 9, -1, plain)},
	{name: "produce, invalid acks", from: 3, to: 13, request: produce("log", 0, 2, plain)},
	{name: "produce, broken CRC", from: 3, to: 13, request: produce("log", 0, -1, changed(18, 0xff))},
	{name: "produce, magic 3", from: 3, to: 13, request: produce("log", 0, -1, changed(16, 1))},
	{name: "produce, magic 0", from: 3, to: 13, request: produce("log", 0, -1, changed(16, 2))},
	{name: "produce, empty", from: 3, to: 13, request: produce("log", 0, -1, func() []byte { return []byte{} })},
	{name: "produce, two batches", from: 3, to: 13, request: produce("log", 0, -1, func() []byte { return append(plain(), plain()...) })},
	{name: "produce, too large", from: 3, to: 13, request: produce("log", 0, -1, func() []byte { return wire.Batch(when, make([]byte, 3000)) })},
	{name: "produce, base offset", from: 3, to: 13, request: produce("log", 0, -1, func() []byte {
		b := plain()
		binary.BigEndian.PutUint64(b, 7)
		return b
	})},
	{name: "produce, no key to compact by", from: 3, to: 13, request: produce("keys", 0, -1, plain), until: produced},
	{name: "producer id", from: 0, to: 5, request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionTimeoutMillis = 60000
		return req
	}, until: func(r kmsg.Response) bool { return r.(*kmsg.InitProducerIDResponse).ErrorCode == 0 },
		keep: func(w *world, r kmsg.Response) { w.pid = r.(*kmsg.InitProducerIDResponse).ProducerID }},
	{name: "sequence, first", from: 9, to: 9, request: sequence(3, 0), until: produced},
	{name: "sequence, duplicate", from: 3, to: 13, request: sequence(3, 0)},
	{name: "sequence, gap", from: 3, to: 13, request: sequence(3, 5)},
	{name: "sequence, old epoch", from: 3, to: 13, request: sequence(2, 1)},
	{name: "sequence, new epoch not from zero", from: 3, to: 13, request: sequence(4, 1)},
	{name: "offsets, latest", from: 1, to: 11, request: listOffsets("log", 0, -1, -1)},
	{name: "offsets, earliest", from: 1, to: 11, request: listOffsets("log", 0, -2, -1)},
	{name: "offsets, max timestamp", from: 1, to: 11, request: listOffsets("log", 0, -3, -1)},
	{name: "offsets, earliest local", from: 1, to: 11, request: listOffsets("log", 0, -4, -1)},
	{name: "offsets, latest tiered", from: 1, to: 11, request: listOffsets("log", 0, -5, -1)},
	{name: "offsets, time", from: 1, to: 11, request: listOffsets("log", 0, when, -1)},
	{name: "offsets, future", from: 1, to: 11, request: listOffsets("log", 0, when+1, -1)},
	{name: "offsets, bad timestamp", from: 1, to: 11, request: listOffsets("log", 0, -9, -1)},
	{name: "offsets, unknown topic", from: 1, to: 11, request: listOffsets("nowhere", 0, -1, -1)},
	{name: "offsets, unknown partition", from: 1, to: 11, request: listOffsets("log", 9, -1, -1)},
	{name: "offsets, unknown epoch", from: 4, to: 11, request: listOffsets("log", 0, -1, 99)},
	{name: "fetch", from: 4, to: 18, request: fetch("log", 0, 0, 0, -1)},
	{name: "fetch, at the end", from: 4, to: 18, request: fetch("log", 0, 22, 0, -1)},
	{name: "fetch, out of range", from: 4, to: 18, request: fetch("log", 0, 1000, 0, -1)},
	{name: "fetch, unknown topic", from: 4, to: 18, request: fetch("nowhere", 0, 0, 0, -1)},
	{name: "fetch, unknown partition", from: 4, to: 18, request: fetch("log", 9, 0, 0, -1)},
	{name: "fetch, unknown session", from: 7, to: 18, request: fetch("log", 0, 0, 77, 1)},
	{name: "delete records, past the end", from: 0, to: 2, request: deleteRecords("log", 0, 1000)},
	{name: "delete records, negative", from: 0, to: 2, request: deleteRecords("log", 0, -2)},
	{name: "delete records, compacted", from: 0, to: 2, request: deleteRecords("keys", 0, 0)},
	{name: "delete records, unknown topic", from: 0, to: 2, request: deleteRecords("nowhere", 0, 0)},
	{name: "delete records", from: 0, to: 2, request: deleteRecords("log", 0, 3)},
	{name: "fetch, deleted", from: 4, to: 18, request: fetch("log", 0, 0, 0, -1)},
}
