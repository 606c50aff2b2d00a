package compat

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// in is a partition of the lane's topic. Each row of cases has its own.
func in(partition int32) part { return part{"log", partition} }

// adds is the request by which clients of the first protocol add a partition; those of
// the second let Produce do it.
func adds(id string, to ...part) testCase {
	return client(id+" adds", txnAdd(me(id), to...)).one()
}

// shown are what readers and administrators see of a partition.
func shown(moment string, of part) []testCase {
	return []testCase{
		client(moment+": read", txnFetch(of, 0)),
		client(moment+": read committed", txnFetch(of, 0, committed)),
		client(moment+": read committed inside", txnFetch(of, 1, committed)),
		client(moment+": end", txnEndOf(of, -1, 0)),
		client(moment+": stable end", txnEndOf(of, -1, 1)),
		client(moment+": begin, committed", txnEndOf(of, -2, 1)),
		client(moment+": by time, committed", txnEndOf(of, when, 1)),
		client(moment+": past all times, committed", txnEndOf(of, when+1, 1)),
		client(moment+": producers", txnProducers(of)),
	}
}

// lowered lets the cases behind run where transaction.version has another level than the
// broker's best. Clients learn it from ApiVersions and go by it; these do not, so that
// requests of the second protocol come all the same.
func lowered(to int16) []testCase {
	return []testCase{
		testCase{name: "level lowered", request: features(false, level{"transaction.version", to, 2})}.in(2, 2),
		testCase{name: "level shown", request: apiVersions("compat", "1")}.in(4, 4).asking(func(r kmsg.Response) bool {
			for _, f := range r.(*kmsg.ApiVersionsResponse).FinalizedFeatures {
				if f.Name == "transaction.version" && f.MaxVersionLevel != to {
					return false
				}
			}
			return true
		}),
	}
}

// ofTheFirst leaves out the clients of the second protocol: at level 0 Kafka's own
// coordinator cannot write what they ask for.
func ofTheFirst(list []testCase) (out []testCase) {
	for _, c := range list {
		c.to = min(c.to, max(c.from, firstVersionTwo-1))
		out = append(out, c)
	}
	return out
}

// One producer commits, aborts, ends nothing and ends twice.
var txnEndCases = cases(txnReady, []testCase{
	starts("e"),
	complete("described before it began", "e"),
	client("nothing committed", txnEnd(me("e"), true)).as("e"),
	client("nothing aborted", txnEnd(me("e"), false)).as("e"),
	starts("e2"),
	adds("e2", in(0)),
	client("e2 sends", txnSend(me("e2"), in(0), 0)),
	complete("described while open", "e2"),
}, shown("open", in(0)), []testCase{
	client("commit", txnEnd(me("e2"), true)).as("e2"),
	complete("described when committed", "e2"),
}, shown("committed", in(0)), []testCase{
	client("commit again", txnEnd(me("e2"), true)).as("e2"),
	client("abort what was committed", txnEnd(me("e2"), false)).as("e2"),
	client("commit by the epoch before", txnEnd(me("e2").epoch(-1), true)),
	client("abort by the epoch before", txnEnd(me("e2").epoch(-1), false)),
	complete("described after that", "e2"),

	starts("e3"),
	adds("e3", in(1), in(2)),
	client("e3 sends", txnSend(me("e3"), in(1), 0)),
	client("abort", txnEnd(me("e3"), false)).as("e3"),
	complete("described when aborted", "e3"),
}, shown("aborted", in(1)), []testCase{
	client("nothing in it: end", txnEndOf(in(2), -1, 0)),
	client("abort again", txnEnd(me("e3"), false)).as("e3"),
	client("commit what was aborted", txnEnd(me("e3"), true)).as("e3"),
	client("abort by the epoch before that", txnEnd(me("e3").epoch(-1), false)),

	// One behind the other, in one partition: the aborted ones are listed.
	starts("e4"),
	starts("e5"),
	client("e4 adds", txnAdd(me("e4"), in(3))).one(),
	client("e5 adds", txnAdd(me("e5"), in(3))).one(),
	client("e4 sends", txnSend(me("e4"), in(3), 0)),
	client("e5 sends", txnSend(me("e5"), in(3), 0)),
	client("e4 sends more", txnSend(me("e4"), in(3), 2)),
	client("e4 aborts", txnEnd(me("e4"), false)).as("e4"),
	complete("e4 aborted", "e4"),
}, shown("one of two aborted", in(3)), []testCase{
	client("e5 commits", txnEnd(me("e5"), true)).as("e5"),
	complete("e5 committed", "e5"),
}, shown("both ended", in(3)), []testCase{
	client("read committed from the second", txnFetch(in(3), 2, committed)),
	client("read committed from the markers", txnFetch(in(3), 6, committed)),
	client("read committed at the end", txnFetch(in(3), 8, committed)),
	client("described together", txnDescribe("e4", "e5", "e", "none")).asking(ended),

	// Faults.
	client("end of an unknown id", txnEnd(me("nobody"), true)),
	client("end of an empty id", txnEnd(claim{id: "", producer: "e"}, true)),
	client("end of a null id", txnEnd(claim{id: null, producer: "e"}, true)),
	starts("f"),
	client("f adds", txnAdd(me("f"), in(4))).one(),
	client("f sends", txnSend(me("f"), in(4), 0)),
	client("end by an epoch to come", txnEnd(me("f").epoch(1), true)),
	client("end by an epoch far ahead", txnEnd(me("f").epoch(100), true)),
	client("end by an epoch far ahead, aborting", txnEnd(me("f").epoch(100), false)),
	client("end by a stranger", txnEnd(me("f").unknown(), true)),
	client("end by another's producer", txnEnd(me("f").from("e"), true)),
	client("end by the epoch before", txnEnd(me("f").epoch(-1), true)),
	client("f commits all the same", txnEnd(me("f"), true)).as("f"),
	complete("f committed", "f"),

	// Fenced by another who has the same id.
	starts("g"),
	client("g adds", txnAdd(me("g"), in(5))).one(),
	client("g sends", txnSend(me("g"), in(5), 0)),
	client("g starts once more", txnInit("g", 60_000)).as("g"),
	complete("g, aborted by its successor", "g"),
	client("the old g adds", txnAdd(me("g").epoch(-1), in(5))),
	client("the old g sends", txnSend(me("g").epoch(-1), in(5), 2)),
	client("the old g commits", txnEnd(me("g").epoch(-1), true)),
	client("the old g aborts", txnEnd(me("g").epoch(-1), false)),
	client("the old g adds offsets", txnAddOffsets(me("g").epoch(-1), "g")),
	client("the old g commits offsets", txnOffsets(me("g").epoch(-1), "g", in(5), 1)),
	client("the old g resumes", txnResume(me("g").epoch(-1))),
	client("the oldest g commits", txnEnd(me("g").epoch(-2), true)),
}, shown("fenced", in(5)))

// What is added to a transaction, and what is not.
var txnAddCases = cases(txnReady, []testCase{
	client("an unknown id", txnAdd(me("nobody"), in(0))),
	client("an empty id", txnAdd(claim{id: "", producer: "a"}, in(0))),
	starts("a"),
	starts("other"),
	client("an unknown topic", txnAdd(me("a"), part{"nowhere", 0})),
	client("a known and an unknown topic", txnAdd(me("a"), in(0), part{"nowhere", 0})),
	client("an unknown partition", txnAdd(me("a"), in(99))),
	client("a negative partition", txnAdd(me("a"), in(-1))),
	client("a topic without a name", txnAdd(me("a"), part{"", 0})),
	client("a topic of null", txnAdd(me("a"), part{null, 0})),
	client("an internal topic", txnAdd(me("a"), part{"__consumer_offsets", 0})),
	client("the transactions' own topic", txnAdd(me("a"), part{"__transaction_state", 0})),
	client("nothing", txnAdd(me("a"))),
	client("a topic without partitions", func(w *world, lane int16) kmsg.Request {
		req := txnAdd(me("a"), in(0))(w, lane).(*kmsg.AddPartitionsToTxnRequest)
		req.Topics[0].Partitions = nil
		return req
	}),
	complete("described before", "a"),
	client("an epoch to come", txnAdd(me("a").epoch(1), in(0))),
	client("an epoch before", txnAdd(me("a").epoch(-1), in(0))),
	client("a stranger", txnAdd(me("a").unknown(), in(0))),
	client("another's producer", txnAdd(me("a").from("other"), in(0))),
	client("one", txnAdd(me("a"), in(0))),
	client("the same again", txnAdd(me("a"), in(0))),
	client("two more", txnAdd(me("a"), in(1), in(2))),
	client("a partition twice", txnAdd(me("a"), in(3), in(3))),
	complete("described with all", "a"),

	// As brokers ask, several transactions at once.
	batched("batch of none").unanswered(),
	batched("batch: verify what is in", verifying(me("a"), in(0))),
	batched("batch: verify what is not", verifying(me("a"), in(4))),
	batched("batch: verify both", verifying(me("a"), in(0), in(4))),
	batched("batch: verify an unknown id", verifying(me("nobody"), in(0))),
	batched("batch: verify an empty id", verifying(claim{id: "", producer: "a"}, in(0))),
	batched("batch: verify a stranger", verifying(me("a").unknown(), in(0))),
	batched("batch: verify the epoch before", verifying(me("a").epoch(-1), in(0))),
	batched("batch: verify an epoch to come", verifying(me("a").epoch(1), in(0))),
	batched("batch: verify an unknown topic", verifying(me("a"), part{"nowhere", 0})),
	batched("batch: verify one that has not begun", verifying(me("other"), in(0))),
	batched("batch: add one", adding(me("a"), in(5))),
	batched("batch: add to two", adding(me("a"), in(6)), adding(me("other"), in(7))),
	batched("batch: good and bad", adding(me("a"), in(8)), adding(me("nobody"), in(8)), verifying(me("other"), in(9))),
	batched("batch: one twice", adding(me("a"), in(8)), adding(me("a"), in(10))),
	batched("batch: unknown topic beside a known", adding(me("a"), in(8), part{"nowhere", 0})),
	batched("batch: internal topic", adding(me("a"), part{"__consumer_offsets", 0})),
	batched("batch: no partitions", adding(me("a"))),
	testCase{name: "described after the batches", request: txnDescribe("a", "other")}.in(4, 5).asking(ended),
})

func adding(c claim, parts ...part) func(*world, int16) kmsg.AddPartitionsToTxnRequestTransaction {
	return func(w *world, lane int16) kmsg.AddPartitionsToTxnRequestTransaction {
		t := kmsg.NewAddPartitionsToTxnRequestTransaction()
		t.TransactionalID = c.name(lane)
		t.ProducerID, t.ProducerEpoch = c.of(w, lane)
		for _, p := range parts {
			if n := len(t.Topics); n > 0 && t.Topics[n-1].Topic == p.name(lane) {
				t.Topics[n-1].Partitions = append(t.Topics[n-1].Partitions, p.partition)
				continue
			}
			topic := kmsg.NewAddPartitionsToTxnRequestTransactionTopic()
			topic.Topic, topic.Partitions = p.name(lane), []int32{p.partition}
			t.Topics = append(t.Topics, topic)
		}
		return t
	}
}

func verifying(c claim, parts ...part) func(*world, int16) kmsg.AddPartitionsToTxnRequestTransaction {
	return func(w *world, lane int16) kmsg.AddPartitionsToTxnRequestTransaction {
		t := adding(c, parts...)(w, lane)
		t.VerifyOnly = true
		return t
	}
}

// batched is an AddPartitionsToTxn of the versions that brokers send. The lanes of that
// number have transactions, too.
func batched(name string, transactions ...func(*world, int16) kmsg.AddPartitionsToTxnRequestTransaction) testCase {
	return testCase{name: name, request: func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrAddPartitionsToTxnRequest()
		for _, t := range transactions {
			req.Transactions = append(req.Transactions, t(w, lane))
		}
		return req
	}, until: settled}.in(4, 5)
}

// ofProducer is a batch of a producer that belongs to no transaction.
func ofProducer(c claim, sequence int32) func(*world, int16) []byte {
	return func(w *world, lane int16) []byte {
		id, epoch := c.of(w, lane)
		return wire.IdempotentBatch(when, id, epoch, sequence, []byte("a"))
	}
}

// markerBatch is a control batch, which no client may send.
func markerBatch(c claim) func(*world, int16) []byte {
	return func(w *world, lane int16) []byte {
		b := txnBatch(c, w, lane, 0, "a")
		binary.BigEndian.PutUint16(b[21:], binary.BigEndian.Uint16(b[21:])|0x20)
		return fixed(func(*world) []byte { return b })(nil)
	}
}

// Records in, beside and after transactions.
var txnProduceCases = cases(txnReady, []testCase{
	starts("p"),
	starts("q"),
	starts("i"),
	// Clients of the second protocol add by this; the others are told that they have not.
	client("not added", txnSend(me("p"), in(0), 0)),
	complete("described then", "p"),
	adds("p", in(0)),
	client("added", txnSend(me("p"), in(0), 0)),
	client("sent again", txnSend(me("p"), in(0), 0)),
	client("gap", txnSend(me("p"), in(0), 9)),
	client("next", txnSend(me("p"), in(0), 2)),
	client("epoch before", txnSend(me("p").epoch(-1), in(0), 4)),
	client("epoch to come", txnSend(me("p").epoch(1), in(0), 4)),
	client("stranger", txnSend(me("p").unknown(), in(0), 0)),
	client("another's producer", txnSend(me("p").from("q"), in(0), 0)),
	client("unknown id", txnSend(me("nobody").from("p"), in(0), 4)),
	client("another's id", txnSend(me("q").from("p"), in(0), 4)),
	client("empty id", txnSend(claim{id: "", producer: "p"}, in(0), 4)),
	client("no id", txnSend(claim{id: null, producer: "p"}, in(0), 4)),
	client("first sequence not 0", txnSend(me("p"), in(1), 5)),
	client("not transactional, of the producer", txnSendAs(me("p"), in(0), ofProducer(me("p"), 4))),
	client("not transactional, no id", txnSendAs(claim{id: null}, in(0), ofProducer(me("p"), 4))),
	client("not transactional, elsewhere", txnSendAs(claim{id: null}, in(2), ofProducer(me("p"), 0))),
	client("marker", txnSendAs(me("p"), in(0), markerBatch(me("p")))),
	client("no producer", txnSendAs(me("p"), in(0), func(*world, int16) []byte { return wire.Batch(when, []byte("a")) })),
	client("transactional, no producer", txnSendAs(me("p"), in(7), func(*world, int16) []byte {
		return transactional(wire.Batch(when, []byte("a")))
	})),
	client("negative epoch", txnSendAs(me("p"), in(0), func(w *world, lane int16) []byte {
		id, _ := me("p").of(w, lane)
		return transactional(wire.IdempotentBatch(when, id, -1, 0, []byte("a")))
	})),
	client("negative sequence", txnSend(me("p"), in(0), -1)),
	client("unknown topic", txnSend(me("p"), part{"nowhere", 0}, 0)),
	client("unknown partition", txnSend(me("p"), in(99), 0)),
	client("into the groups' topic", txnSend(me("i"), part{"__consumer_offsets", 0}, 0)).in(firstClient, lastClient-1), // by name
	client("acks 1", func(w *world, lane int16) kmsg.Request {
		req := txnSend(me("p"), in(0), 4)(w, lane).(*kmsg.ProduceRequest)
		req.Acks = 1
		return req
	}),
	client("two partitions", func(w *world, lane int16) kmsg.Request {
		req := txnSend(me("p"), in(3), 0)(w, lane).(*kmsg.ProduceRequest)
		more := txnSend(me("p"), in(4), 0)(w, lane).(*kmsg.ProduceRequest)
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, more.Topics[0].Partitions...)
		return req
	}),
	client("transactional beside not", func(w *world, lane int16) kmsg.Request {
		req := txnSend(me("p"), in(0), 6)(w, lane).(*kmsg.ProduceRequest)
		more := txnSendAs(claim{id: null}, in(5), func(*world, int16) []byte { return wire.Batch(when, []byte("a")) })(w, lane).(*kmsg.ProduceRequest)
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, more.Topics[0].Partitions...)
		return req
	}),
	complete("described while open", "p", "q"),
}, shown("open", in(0)), []testCase{
	client("commit", txnEnd(me("p"), true)).as("p"),
	complete("described when committed", "p"),
	client("outside of a transaction", txnSend(me("p"), in(0), 8)),
	client("outside, sequence from 0", txnSend(me("p"), in(6), 0)),
	client("abort of that", txnEnd(me("p"), false)).as("p"),
	complete("described at last", "p"),
}, shown("last", in(0)))
