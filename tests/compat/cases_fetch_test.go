package compat

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// fetching is a Fetch of one partition without a session, which the options change.
func fetch(topic string, partition int32, offset int64, options ...func(*kmsg.FetchRequest, *kmsg.FetchRequestTopicPartition)) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrFetchRequest()
		t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 1<<20
		req.ReplicaID, req.MaxBytes, req.SessionEpoch = -1, 1<<20, -1
		for _, o := range options {
			o(req, &p)
		}
		t.Topic, t.TopicID, t.Partitions = topic, w.topics[topic], append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		return req
	}
}

type fetchOption = func(*kmsg.FetchRequest, *kmsg.FetchRequestTopicPartition)

func maxBytes(all, one int32) fetchOption {
	return func(r *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
		r.MaxBytes, p.PartitionMaxBytes = all, one
	}
}

func leaderEpoch(current, last int32) fetchOption {
	return func(_ *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
		p.CurrentLeaderEpoch, p.LastFetchedEpoch = current, last
	}
}

func committed(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) { r.IsolationLevel = 1 }

func waiting(ms, bytes int32) fetchOption {
	return func(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) {
		r.MaxWaitMillis, r.MinBytes = ms, bytes
	}
}

// fetches asks for partitions of topics; an entry is a topic, and the partitions behind
// it.
func fetches(entries ...[]string) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request {
		req := kmsg.NewPtrFetchRequest()
		req.ReplicaID, req.MaxBytes, req.SessionEpoch = -1, 1<<20, -1
		for _, e := range entries {
			t := kmsg.NewFetchRequestTopic()
			t.Topic, t.TopicID = e[0], w.topics[e[0]]
			for _, number := range e[1:] {
				p := kmsg.NewFetchRequestTopicPartition()
				p.Partition, p.PartitionMaxBytes = int32(number[0]-'0'), 1<<20
				t.Partitions = append(t.Partitions, p)
			}
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

// fill appends batches to a partition, in one lane.
func fill(name, topic string, partition int32, values ...[]byte) testCase {
	return testCase{name: name, request: produce(topic, partition, -1, constant(wire.Batch(when, values...)))}.in(9, 9).asking(produced)
}

var fetchCases = []testCase{
	setup(topic("log", 4, 1), topic("other", 1, 1), topic("squeezed", 1, 1, "compression.type", "zstd"), topic("gzip", 1, 1, "compression.type", "gzip")),
	{name: "zstd", request: fetch("squeezed", 0, 0)},
	{name: "gzip", request: fetch("gzip", 0, 0)},
	fill("fill", "log", 0, []byte("a"), []byte("b"), []byte("c")),
	fill("fill more", "log", 0, []byte("d"), []byte("e")),
	fill("fill a large one", "log", 1, make([]byte, 5000)),
	fill("fill another large one", "log", 1, make([]byte, 5000)),
	fill("fill other", "other", 0, []byte("x")),
	{name: "all", request: fetch("log", 0, 0)},
	{name: "read committed", request: fetch("log", 0, 0, committed)},
	{name: "inside a batch", request: fetch("log", 0, 1)},
	{name: "second batch", request: fetch("log", 0, 3)},
	{name: "at the end", request: fetch("log", 0, 5)},
	{name: "past the end", request: fetch("log", 0, 6)},
	{name: "far past the end", request: fetch("log", 0, math.MaxInt64)},
	{name: "negative offset", request: fetch("log", 0, -1)},
	{name: "lowest offset", request: fetch("log", 0, math.MinInt64)},
	{name: "empty partition", request: fetch("log", 2, 0)},
	{name: "past the end of an empty partition", request: fetch("log", 2, 1)},
	{name: "unknown topic", request: fetch("nowhere", 0, 0)},
	{name: "unknown partition", request: fetch("log", 9, 0)},
	{name: "negative partition", request: fetch("log", -1, 0)},
	testCase{name: "empty name", request: fetch("", 0, 0)}.upTo(12),
	testCase{name: "zero id", request: fetch("", 0, 0)}.since(13),
	{name: "no topics", request: fetches()},
	{name: "no partitions", request: fetches([]string{"log"})},
	{name: "two partitions", request: fetches([]string{"log", "1", "0"})},
	{name: "two topics", request: fetches([]string{"other", "0"}, []string{"log", "0"})},
	{name: "topic twice", request: fetches([]string{"log", "0"}, []string{"log", "1"})},
	{name: "partition twice", request: fetches([]string{"log", "0", "0"})},
	{name: "good and unknown", request: fetches([]string{"log", "0", "9"}, []string{"nowhere", "0"})},
	{name: "largest first batch, one byte of room", request: fetch("log", 1, 0, maxBytes(1, 1))},
	{name: "room for one batch", request: fetch("log", 1, 0, maxBytes(1<<20, 5100))},
	{name: "no room", request: fetch("log", 1, 0, maxBytes(0, 0))},
	{name: "negative room", request: fetch("log", 1, 0, maxBytes(-1, -1))},
	{name: "no room in the partition", request: fetch("log", 1, 0, maxBytes(1<<20, 0))},
	testCase{name: "current epoch", request: fetch("log", 0, 0, leaderEpoch(0, -1))}.since(9),
	testCase{name: "epoch to come", request: fetch("log", 0, 0, leaderEpoch(9, -1))}.since(9),
	testCase{name: "epoch -2", request: fetch("log", 0, 0, leaderEpoch(-2, -1))}.since(9),
	testCase{name: "last fetched epoch", request: fetch("log", 0, 3, leaderEpoch(0, 0))}.since(12),
	testCase{name: "last fetched epoch to come", request: fetch("log", 0, 3, leaderEpoch(0, 9))}.since(12),
	testCase{name: "last fetched epoch, past the end", request: fetch("log", 0, 9, leaderEpoch(0, 0))}.since(12),
	{name: "isolation 2", request: fetch("log", 0, 0, func(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) { r.IsolationLevel = 2 })},
	{name: "isolation -1", request: fetch("log", 0, 0, func(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) { r.IsolationLevel = -1 })},
	{name: "waited for", request: fetch("log", 0, 5, waiting(50, 1))},
	{name: "waited for more than there is", request: fetch("log", 0, 0, waiting(50, 1<<20))},
	{name: "negative wait", request: fetch("log", 0, 5, waiting(-1, 1))},
	{name: "nothing to wait for", request: fetch("nowhere", 0, 0, waiting(5000, 1))},
	{name: "out of range ends the wait", request: fetch("log", 0, 99, waiting(5000, 1))},
	testCase{name: "a rack", request: fetch("log", 0, 0, func(r *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) { r.Rack = "here" })}.since(11),
}

// session is a Fetch in the session that a case opened; entries are offsets of
// partitions of topic log, forgotten the partitions to forget.
func session(epoch int32, parts map[int32]int64, forgotten ...int32) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrFetchRequest()
		req.ReplicaID, req.MaxBytes = -1, 1<<20
		req.SessionID, req.SessionEpoch = int32(w.values[each("SessionID", lane)]), epoch
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.TopicID = "log", w.topics["log"]
		for number := range int32(10) {
			if offset, ok := parts[number]; ok {
				p := kmsg.NewFetchRequestTopicPartition()
				p.Partition, p.FetchOffset, p.PartitionMaxBytes = number, offset, 1<<20
				t.Partitions = append(t.Partitions, p)
			}
		}
		if len(t.Partitions) > 0 {
			req.Topics = append(req.Topics, t)
		}
		if len(forgotten) > 0 {
			f := kmsg.NewFetchRequestForgottenTopic()
			f.Topic, f.TopicID, f.Partitions = "log", w.topics["log"], forgotten
			req.ForgottenTopics = append(req.ForgottenTopics, f)
		}
		return req
	}
}

func keepSession(w *world, lane int16, r kmsg.Response) {
	w.values[each("SessionID", lane)] = int64(r.(*kmsg.FetchResponse).SessionID)
}

// otherKind is a request that names topics if those of its lane have ids, and the other
// way round.
func otherKind(request func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req, version := request(w, lane), int16(12)
		if lane <= version {
			version++
		}
		req.SetVersion(version)
		return pinned{req}
	}
}

func inSession(id int32, inner func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := inner(w, lane).(*kmsg.FetchRequest)
		req.SessionID = id
		return req
	}
}

var sessionCases = []testCase{
	setup(topic("log", 4, 1), topic("other", 1, 1)),
	fill("fill", "log", 0, []byte("a"), []byte("b"), []byte("c")),
	testCase{name: "opened", request: session(0, map[int32]int64{0: 0, 1: 0}), keep: keepSession}.since(7),
	testCase{name: "nothing new but what was not read", request: session(1, nil)}.since(7),
	testCase{name: "read on", request: session(2, map[int32]int64{0: 3})}.since(7),
	testCase{name: "nothing new", request: session(3, nil)}.since(7),
	testCase{name: "wrong epoch, again", request: session(3, nil)}.since(7),
	testCase{name: "wrong epoch, ahead", request: session(9, nil)}.since(7),
	testCase{name: "right epoch after wrong ones", request: session(4, map[int32]int64{2: 0})}.since(7),
	testCase{name: "unknown partition joins", request: session(5, map[int32]int64{9: 0})}.since(7),
	testCase{name: "its error again", request: session(6, nil)}.since(7),
	testCase{name: "forgotten", request: session(7, nil, 9, 1)}.since(7),
	testCase{name: "forgotten what is not there", request: session(8, nil, 8)}.since(7),
	testCase{name: "out of range", request: session(9, map[int32]int64{0: 100})}.since(7),
	testCase{name: "back in range", request: session(10, map[int32]int64{0: 0})}.since(7),
	testCase{name: "added and forgotten", request: session(11, map[int32]int64{0: 0}, 0)}.since(7),
	testCase{name: "from another connection", request: session(12, map[int32]int64{0: 0}), on: "another"}.since(7),
	testCase{name: "closed", request: session(-1, map[int32]int64{0: 0})}.since(7),
	testCase{name: "after its end", request: session(1, nil)}.since(7),
	testCase{name: "opened anew", request: session(0, map[int32]int64{0: 0}), keep: keepSession}.since(7),
	testCase{name: "all forgotten", request: session(1, nil, 0)}.since(7),
	testCase{name: "after all was forgotten", request: session(2, nil)}.since(7),
	testCase{name: "unknown session", request: inSession(77, session(1, map[int32]int64{0: 0}))}.since(7),
	testCase{name: "negative session", request: inSession(-77, session(1, map[int32]int64{0: 0}))}.since(7),
	testCase{name: "no session with an epoch", request: inSession(0, session(5, map[int32]int64{0: 0}))}.since(7),
	testCase{name: "unknown session, opening", request: inSession(77, session(0, map[int32]int64{0: 0}))}.since(7),
	testCase{name: "unknown session, closing", request: inSession(77, session(-1, map[int32]int64{0: 0}))}.since(7),
	testCase{name: "epoch -2", request: inSession(0, session(-2, map[int32]int64{0: 0}))}.since(7),
	testCase{name: "without a session", request: inSession(0, session(-1, map[int32]int64{0: 0}))}.since(7),
	testCase{name: "opened with nothing", request: inSession(0, session(0, nil))}.since(7),
	testCase{name: "opened with an unknown partition", request: session(0, map[int32]int64{9: 0})}.since(7),
	// Up to version 12 topics have names, then ids: a session keeps to one of them.
	testCase{name: "opened with the other", request: otherKind(session(0, map[int32]int64{0: 0})), keep: keepSession}.since(7),
	testCase{name: "session of the other kind", request: session(1, map[int32]int64{1: 0})}.since(7),
	testCase{name: "session of the other kind, nothing new", request: session(1, nil)}.since(7),
	testCase{name: "session of the other kind, closed", request: session(-1, nil)}.since(7),
}
