package compat

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// when is the time of every record.
const when = 1_700_000_000_000

// produce sends one batch to a partition of a topic.
func produce(topic string, partition int32, acks int16, batch func(*world) []byte) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := wire.ProduceRequest(topic, 10000, map[int32][]byte{partition: batch(w)})
		req.Acks, req.Topics[0].TopicID = acks, w.topics[topic]
		return req
	}
}

func plain(*world) []byte { return wire.Batch(when, []byte("value")) }

// changed flips bits of a batch; its checksum is broken then, unless fixed is next.
func changed(at int, bits byte) func(*world) []byte {
	return func(w *world) []byte {
		batch := plain(w)
		batch[at] ^= bits
		return batch
	}
}

// fixed makes the checksum right again.
func fixed(inner func(*world) []byte) func(*world) []byte {
	return func(w *world) []byte {
		b := inner(w)
		binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
		return b
	}
}

// with changes a batch and makes its checksum right.
func with(change func(b []byte)) func(*world) []byte {
	return fixed(func(w *world) []byte {
		b := plain(w)
		change(b)
		return b
	})
}

func constant(b []byte) func(*world) []byte { return func(*world) []byte { return b } }

func sized(bytes int) func(*world) []byte { return constant(wire.Batch(when, make([]byte, bytes))) }

func idempotent(epoch int16, first int32, values ...string) func(*world) []byte {
	return func(w *world) []byte {
		var list [][]byte
		for _, v := range values {
			list = append(list, []byte(v))
		}
		return wire.IdempotentBatch(when, w.values["ProducerID"], epoch, first, list...)
	}
}

// produced says that a batch was taken.
func produced(r kmsg.Response) bool {
	return r.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode == 0
}

// several sends batches to partitions of topics; an entry is a topic, and the partitions
// behind it.
func several(entries ...[]string) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, 10000
		for _, e := range entries {
			t := kmsg.NewProduceRequestTopic()
			t.Topic, t.TopicID = e[0], w.topics[e[0]]
			for _, number := range e[1:] {
				p := kmsg.NewProduceRequestTopicPartition()
				p.Partition, p.Records = int32(number[0]-'0'), plain(w)
				t.Partitions = append(t.Partitions, p)
			}
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

func timed(timeout int32, inner func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := inner(w, lane).(*kmsg.ProduceRequest)
		req.TimeoutMillis = timeout
		return req
	}
}

var produceCases = []testCase{
	setup(topic("log", 4, 1, "max.message.bytes", "2000"), topic("keys", 1, 1, "cleanup.policy", "compact"),
		topic("stamped", 1, 1, "message.timestamp.type", "LogAppendTime"), topic("small", 1, 1, "segment.bytes", "1048576", "max.message.bytes", "4000000"),
		topic("recent", 1, 1, "message.timestamp.before.max.ms", "1000"), topic("zipped", 1, 1, "compression.type", "gzip"),
		topic("copies", 1, 1, "min.insync.replicas", "2")),
	testCase{name: "plain", request: produce("log", 0, -1, plain)}.asking(produced),
	{name: "leader only", request: produce("log", 0, 1, plain)},
	{name: "acks 2", request: produce("log", 0, 2, plain)},
	{name: "acks -2", request: produce("log", 0, -2, plain)},
	{name: "acks 32767", request: produce("log", 0, 32767, plain)},
	{name: "acks 2 and an unknown topic", request: produce("nowhere", 0, 2, plain)},
	{name: "unknown topic", request: produce("nowhere", 0, -1, plain)},
	testCase{name: "empty name", request: produce("", 0, -1, plain)}.upTo(12),
	testCase{name: "illegal name", request: produce("bad/name", 0, -1, plain)}.upTo(12),
	testCase{name: "zero id", request: produce("", 0, -1, plain)}.in(13, 13),
	{name: "unknown partition", request: produce("log", 9, -1, plain)},
	{name: "negative partition", request: produce("log", -1, -1, plain)},
	{name: "no time", request: timed(0, produce("log", 0, -1, plain))},
	{name: "negative time", request: timed(-1, produce("log", 0, -1, plain))},
	{name: "no topics", request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrProduceRequest()
		req.Acks = -1
		return req
	}},
	{name: "no partitions", request: several([]string{"log"})},
	{name: "two partitions", request: several([]string{"log", "0", "1"})},
	{name: "two topics", request: several([]string{"log", "0"}, []string{"stamped", "0"})},
	{name: "good and unknown", request: several([]string{"log", "0", "9"}, []string{"nowhere", "0"})},
	{name: "topic twice", request: several([]string{"log", "0"}, []string{"log", "1"})},
	{name: "partition twice", request: several([]string{"log", "2", "2"})},
	{name: "broken CRC", request: produce("log", 0, -1, changed(18, 0xff))},
	{name: "broken value", request: produce("log", 0, -1, changed(66, 0xff))},
	{name: "magic 0", request: produce("log", 0, -1, changed(16, 2))},
	{name: "magic 1", request: produce("log", 0, -1, changed(16, 3))},
	{name: "magic 3", request: produce("log", 0, -1, changed(16, 1))},
	{name: "magic -1", request: produce("log", 0, -1, changed(16, 0xfd))},
	{name: "empty", request: produce("log", 0, -1, constant([]byte{}))},
	{name: "one byte", request: produce("log", 0, -1, constant([]byte{0}))},
	{name: "half a header", request: produce("log", 0, -1, func(w *world) []byte { return plain(w)[:30] })},
	{name: "cut short", request: produce("log", 0, -1, func(w *world) []byte { b := plain(w); return b[:len(b)-1] })},
	{name: "two batches", request: produce("log", 0, -1, func(w *world) []byte { return append(plain(w), plain(w)...) })},
	{name: "three bytes behind", request: produce("log", 3, -1, func(w *world) []byte { return append(plain(w), 1, 2, 3) })},
	{name: "length too small", request: produce("log", 0, -1, with(func(b []byte) { b[11] = 3 }))},
	{name: "negative length", request: produce("log", 0, -1, with(func(b []byte) { b[8] = 0xff }))},
	{name: "too large", request: produce("log", 0, -1, sized(3000))},
	{name: "larger than a segment", request: produce("small", 0, -1, sized(1<<20))},
	{name: "base offset", request: produce("log", 0, -1, with(func(b []byte) { b[7] = 7 }))},
	{name: "leader epoch", request: produce("log", 3, -1, with(func(b []byte) { b[15] = 7 }))},
	{name: "count too low", request: produce("log", 0, -1, with(func(b []byte) { b[60] = 0 }))},
	{name: "count too high", request: produce("log", 0, -1, with(func(b []byte) { b[60] = 2 }))},
	{name: "last offset delta too high", request: produce("log", 0, -1, with(func(b []byte) { b[26] = 1 }))},
	{name: "negative count", request: produce("log", 0, -1, with(func(b []byte) { b[57] = 0xff }))},
	{name: "codec 5", request: produce("log", 0, -1, with(func(b []byte) { b[22] = 5 }))},
	{name: "codec gzip without data", request: produce("log", 0, -1, with(func(b []byte) { b[22] = 1 }))},
	{name: "codec snappy without data", request: produce("log", 0, -1, with(func(b []byte) { b[22] = 2 }))},
	{name: "codec lz4 without data", request: produce("log", 0, -1, with(func(b []byte) { b[22] = 3 }))},
	{name: "codec zstd without data", request: produce("log", 0, -1, with(func(b []byte) { b[22] = 4 }))},
	{name: "control batch", request: produce("log", 0, -1, with(func(b []byte) { b[22] = 0x20 }))},
	{name: "transactional batch without producer", request: produce("log", 0, -1, with(func(b []byte) { b[22] = 0x10 }))},
	{name: "LogAppendTime", request: produce("log", 3, -1, with(func(b []byte) { b[22] = 8 }))},
	{name: "delete horizon", request: produce("log", 1, -1, with(func(b []byte) { b[22] = 0x40 }))},
	{name: "lying largest timestamp", request: produce("log", 3, -1, with(func(b []byte) { b[42] ^= 0xff }))},
	{name: "negative timestamp", request: produce("log", 3, -1, constant(wire.Batch(-1, []byte("value"))))},
	{name: "timestamp far ahead", request: produce("log", 0, -1, constant(wire.Batch(1<<50, []byte("value"))))},
	{name: "timestamp too old", request: produce("recent", 0, -1, plain)},
	{name: "timestamp too old, three records", request: produce("recent", 0, -1, constant(wire.Batch(when, []byte("a"), []byte("b"), []byte("c"))))},
	{name: "stamped by the broker", request: produce("stamped", 0, -1, plain)},
	{name: "compressed by the broker", request: produce("zipped", 0, -1, plain)},
	{name: "more copies wanted than there are", request: produce("copies", 0, -1, plain)},
	{name: "no key to compact by", request: produce("keys", 0, -1, plain)},
	{name: "no keys to compact by", request: produce("keys", 0, -1, constant(wire.Batch(when, []byte("a"), []byte("b"))))},
	{name: "to the offsets topic", request: func(w *world, lane int16) kmsg.Request {
		return produce("__consumer_offsets", 0, -1, plain)(w, lane)
	}},
	{name: "silent", request: produce("log", 0, 0, plain), silent: true, from: 9, to: 9},
	{name: "silent, unknown topic", request: produce("nowhere", 0, 0, plain), silent: true, from: 9, to: 9},
	testCase{name: "fetched", request: fetch("log", 3, 0)}.in(18, 18),
	testCase{name: "fetched, compressed", request: fetch("zipped", 0, 0), ignore: []string{"RecordBatches"}}.in(18, 18),
	testCase{name: "fetched, stamped", request: fetch("stamped", 0, 0)}.in(18, 18),
}

func initProducer(id *string, timeout int32, pid int64, epoch int16) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionalID, req.TransactionTimeoutMillis, req.ProducerID, req.ProducerEpoch = id, timeout, pid, epoch
		return req
	}
}

var idempotenceCases = []testCase{
	setup(topic("log", 9, 1)),
	{name: "producer id", request: initProducer(nil, 60000, -1, -1),
		until: func(r kmsg.Response) bool { return r.(*kmsg.InitProducerIDResponse).ErrorCode == 0 },
		keep: func(w *world, _ int16, r kmsg.Response) {
			w.values["ProducerID"] = r.(*kmsg.InitProducerIDResponse).ProducerID
		}},
	{name: "producer id, no timeout", request: initProducer(nil, 0, -1, -1)},
	{name: "producer id, negative timeout", request: initProducer(nil, -1, -1, -1)},
	testCase{name: "producer id for one that has one", request: initProducer(nil, 60000, 5, 3)}.since(3),
	testCase{name: "producer id with an id only", request: initProducer(nil, 60000, 5, -1)}.since(3),
	testCase{name: "producer id with an epoch only", request: initProducer(nil, 60000, -1, 5)}.since(3),
	testCase{name: "producer id, empty transactional id", request: initProducer(ptr(""), 60000, -1, -1)},
	testCase{name: "first", request: produce("log", 1, -1, idempotent(3, 0, "a"))}.in(9, 9).asking(produced),
	{name: "duplicate", request: produce("log", 1, -1, idempotent(3, 0, "a"))},
	{name: "gap", request: produce("log", 1, -1, idempotent(3, 5, "a"))},
	{name: "old epoch", request: produce("log", 1, -1, idempotent(2, 1, "a"))},
	{name: "new epoch not from zero", request: produce("log", 1, -1, idempotent(4, 1, "a"))},
	testCase{name: "new epoch", request: produce("log", 1, -1, idempotent(4, 0, "a"))}.in(9, 9),
	{name: "the epoch before", request: produce("log", 1, -1, idempotent(3, 1, "a"))},
	testCase{name: "unknown producer not from zero", request: produce("log", 2, -1, idempotent(0, 7, "a", "b"))}.in(9, 9),
	{name: "part of a duplicate", request: produce("log", 2, -1, idempotent(0, 8, "b"))},
	{name: "duplicate and more", request: produce("log", 2, -1, idempotent(0, 7, "a", "b", "c"))},
	testCase{name: "last sequence", request: produce("log", 3, -1, idempotent(0, 1<<31-2, "a", "b"))}.in(9, 9),
	testCase{name: "around the end", request: produce("log", 3, -1, idempotent(0, 0, "c"))}.in(9, 9),
	testCase{name: "around the end inside a batch", request: produce("log", 4, -1, idempotent(0, 1<<31-1, "a", "b"))}.in(9, 9),
	testCase{name: "after it", request: produce("log", 4, -1, idempotent(0, 1, "c"))}.in(9, 9),
	testCase{name: "six batches", from: 9, to: 9, request: produce("log", 5, -1, idempotent(0, 0, "0"))},
	testCase{name: "six batches, second", from: 9, to: 9, request: produce("log", 5, -1, idempotent(0, 1, "1"))},
	testCase{name: "six batches, third", from: 9, to: 9, request: produce("log", 5, -1, idempotent(0, 2, "2"))},
	testCase{name: "six batches, fourth", from: 9, to: 9, request: produce("log", 5, -1, idempotent(0, 3, "3"))},
	testCase{name: "six batches, fifth", from: 9, to: 9, request: produce("log", 5, -1, idempotent(0, 4, "4"))},
	testCase{name: "six batches, sixth", from: 9, to: 9, request: produce("log", 5, -1, idempotent(0, 5, "5"))},
	{name: "duplicate of the second", request: produce("log", 5, -1, idempotent(0, 1, "1"))},
	{name: "duplicate too old", request: produce("log", 5, -1, idempotent(0, 0, "0"))},
	testCase{name: "negative sequence", request: produce("log", 6, -1, idempotent(0, -1, "a"))},
	testCase{name: "negative epoch", request: produce("log", 6, -1, idempotent(-1, 0, "a"))},
	testCase{name: "two batches of a producer", request: produce("log", 6, -1, func(w *world) []byte {
		return append(idempotent(0, 0, "a")(w), idempotent(0, 1, "b")(w)...)
	})},
	testCase{name: "fetched", request: fetch("log", 5, 0)}.in(18, 18),
}
