package compat

import (
	"math"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// txnSettings keep the coordinators' topics small.
var txnSettings = map[string]string{
	"offsets.topic.num.partitions":         "3",
	"transaction.state.log.num.partitions": "2",
	"transaction.state.log.min.isr":        "1",
}

// txnReady makes the coordinators and, in each lane, a topic. Records are old and markers
// are new, which Kafka else keeps in two segments.
var txnReady = cases(ready, []testCase{
	testCase{name: "transactions' coordinator", request: findCoordinator(1, "a")}.since(1).asking(found),
	client("setup", func(_ *world, lane int16) kmsg.Request {
		return create(false, topic(each("log", lane), 20, 1, "segment.ms", "1000000000000"))
	}),
})

// starts is an InitProducerId whose producer is remembered by its transactional id.
func starts(id string) testCase { return client(id+" starts", txnInit(id, 60_000)).as(id) }

// initialising asks for a producer id with any fields; ahead of -1 and 0 is "none yet".
func initialising(id *string, timeout int32, producer int64, epoch int16) func(*world, int16) kmsg.Request {
	return initProducer(id, timeout, producer, epoch)
}

var txnInitCases = cases(txnReady, []testCase{
	// By transactional id.
	starts("a"),
	client("a once more", txnInit("a", 60_000)).as("a"),
	client("another timeout", txnInit("a", 120_000)).as("a"),
	complete("a, described", "a"),
	client("no time", txnInit("b", 0)),
	client("negative time", txnInit("b", -1)),
	client("least time", txnInit("b", math.MinInt32)),
	client("a millisecond", txnInit("b", 1)),
	client("as much time as there may be", txnInit("b", 900_000)),
	client("more time than there may be", txnInit("b", 900_001)),
	client("most time", txnInit("b", math.MaxInt32)),
	client("no time, a known id", txnInit("a", 0)),
	client("empty id", txnInit("", 60_000)),
	client("empty id, no time", txnInit("", 0)),
	client("long id", txnInit(strings.Repeat("i", 3000), 60_000)),
	client("id of odd letters", txnInit("ä/b\nc", 60_000)),

	// Without one.
	client("idempotent", initialising(nil, 60_000, -1, -1)),
	client("idempotent, no time", initialising(nil, 0, -1, -1)),
	client("idempotent, negative time", initialising(nil, -1, -1, -1)),
	client("idempotent, most time", initialising(nil, math.MaxInt32, -1, -1)),
	client("idempotent, with a producer", initialising(nil, 60_000, 4, 0)),
	client("idempotent, with a producer and no epoch", initialising(nil, 60_000, 4, -1)),
	client("idempotent, with an epoch", initialising(nil, 60_000, -1, 2)),

	// Resuming, from version 3 on.
	starts("r"),
	client("resumed", txnResume(me("r"))).as("r"),
	client("resumed again by the one before", txnResume(me("r").epoch(-1))).as("r"),
	client("resumed by an older one", txnResume(me("r").epoch(-2))),
	client("resumed by one to come", txnResume(me("r").epoch(1))),
	client("resumed by one far ahead", txnResume(me("r").epoch(1000))),
	client("resumed by a stranger", txnResume(me("r").unknown())),
	client("resumed, negative epoch", txnResumeAs("r", 0, -1)),
	client("resumed, lowest epoch", txnResumeAs("r", 0, math.MinInt16)),
	client("resumed, last epoch", txnResumeAs("r", 0, math.MaxInt16)),
	client("resumed, epoch without a producer", txnResumeAs("r", -1, 0)),
	client("resumed, producer -2", txnResumeAs("r", -2, 0)),
	client("resumed by another's producer", txnResume(me("r").from("a"))),
	client("resumed, but never begun", txnResume(me("n").from("a"))),
	client("resumed, but never begun, by a stranger", txnResume(me("n2"))),
	client("resumed, no time", func(w *world, lane int16) kmsg.Request {
		req := txnResume(me("r"))(w, lane).(*kmsg.InitProducerIDRequest)
		req.TransactionTimeoutMillis = 0
		return req
	}),
	client("resumed, empty id", txnResume(claim{id: "", producer: "r"})),
	complete("r, described", "r"),

	// The version that can prepare (KIP-939) is not stable, and refused.
	unlistedCase("keep prepared", txnInit("k", 60_000)).in(6, 6),
})

// txnResumeAs is InitProducerId with the producer of an id, its number changed by less
// than zero, and any epoch.
func txnResumeAs(id string, producer int64, epoch int16) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		name := me(id).name(lane)
		if producer >= 0 {
			producer, _ = me(id).of(w, lane)
		}
		return initProducer(&name, 60_000, producer, epoch)(w, lane)
	}
}
