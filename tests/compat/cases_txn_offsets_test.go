package compat

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// addsOffsets is how clients of the first protocol announce a group; those of the
// second let TxnOffsetCommit do it.
func addsOffsets(id, group string) testCase {
	return client(id+" adds offsets of "+group, txnAddOffsets(me(id), group)).one()
}

// Offsets that are committed with a transaction.
var txnOffsetCases = cases(txnReady, []testCase{
	client("offsets of an unknown id", txnAddOffsets(me("nobody"), "s")),
	client("offsets of an empty id", txnAddOffsets(claim{id: "", producer: "a"}, "s")),
	starts("a"),
	starts("other"),
	client("offsets by the epoch before", txnAddOffsets(me("a").epoch(-1), "s")),
	client("offsets by an epoch to come", txnAddOffsets(me("a").epoch(1), "s")),
	client("offsets by a stranger", txnAddOffsets(me("a").unknown(), "s")),
	client("offsets by another's producer", txnAddOffsets(me("a").from("other"), "s")),
	client("offsets of an empty group", txnAddOffsets(me("a"), "")),
	client("offsets of a null group", txnAddOffsets(me("a"), null)),
	client("committed before they are announced", txnOffsets(me("a"), "s", in(0), 5)),
	client("announced", txnAddOffsets(me("a"), "s")),
	client("announced again", txnAddOffsets(me("a"), "s")),
	complete("described", "a"),
	client("committed", txnOffsets(me("a"), "s", in(0), 5)),
	client("committed again, another", txnOffsets(me("a"), "s", in(0), 6)),
	client("fetched while open", txnFetchOffsets("s", false)),
	client("fetched while open, stable", txnFetchOffsets("s", true)).in(9, lastClient).once(),
	client("all fetched while open, stable", func(w *world, lane int16) kmsg.Request {
		req := txnFetchOffsets("s", true)(w, lane).(*kmsg.OffsetFetchRequest)
		req.Topics, req.Groups[0].Topics = nil, nil
		return req
	}).in(9, lastClient).once(),
	client("group described while open", inLane("s", func(string) func(*world, int16) kmsg.Request { return describeGroup("s") })).once(),
	client("deleted while open", func(_ *world, lane int16) kmsg.Request {
		return deleteOffsets(named("s", lane), map[string][]int32{"other": {0}})(nil, lane)
	}).once(),
	client("group deleted while open", deleteGroups("s")).once(),
	client("end", txnEnd(me("a"), true)).as("a"),
	complete("described when committed", "a"),
	client("fetched after the end", txnFetchOffsets("s", false)),
	client("fetched after the end, stable", txnFetchOffsets("s", true)),

	starts("b"),
	addsOffsets("b", "s"),
	client("b commits", txnOffsets(me("b"), "s", in(0), 99)),
	client("b aborts", txnEnd(me("b"), false)).as("b"),
	complete("described when aborted", "b"),
	client("fetched after the abort", txnFetchOffsets("s", true)),

	// Two open transactions of one group, and a commit beside them.
	starts("c"),
	starts("d"),
	addsOffsets("c", "t"),
	addsOffsets("d", "t"),
	client("c commits", txnOffsets(me("c"), "t", in(0), 10)),
	client("d commits", txnOffsets(me("d"), "t", in(0), 20)),
	client("beside them, without a transaction", func(w *world, lane int16) kmsg.Request {
		return commit("t", "", -1, committing(each("log", lane), 1, 30))(w, lane)
	}),
	client("d ends first", txnEnd(me("d"), true)).as("d"),
	complete("d described", "d"),
	client("fetched with c open", txnFetchOffsets("t", false)),
	client("c ends last", txnEnd(me("c"), true)).as("c"),
	complete("c described", "c"),
	client("fetched with all ended", txnFetchOffsets("t", true)),

	// What is committed, and by whom.
	starts("e"),
	addsOffsets("e", "u"),
	client("long note", txnOffsets(me("e"), "u", in(0), 1, noting(strings.Repeat("n", 4097)))),
	client("longest note", txnOffsets(me("e"), "u", in(0), 1, noting(strings.Repeat("n", 4096)))),
	client("negative offset", txnOffsets(me("e"), "u", in(0), -1)),
	client("unknown topic", txnOffsets(me("e"), "u", part{"nowhere", 0}, 1)),
	client("unknown partition", txnOffsets(me("e"), "u", in(99), 1)),
	client("negative partition", txnOffsets(me("e"), "u", in(-1), 1)),
	client("no topics", func(w *world, lane int16) kmsg.Request {
		req := txnOffsets(me("e"), "u", in(0), 1)(w, lane).(*kmsg.TxnOffsetCommitRequest)
		req.Topics = nil
		return req
	}),
	client("empty group", txnOffsets(me("e"), "", in(0), 1)),
	client("another group", txnOffsets(me("e"), "v", in(0), 1)),
	client("epoch before", txnOffsets(me("e").epoch(-1), "u", in(0), 1)),
	client("epoch to come", txnOffsets(me("e").epoch(1), "u", in(0), 1)),
	client("a stranger", txnOffsets(me("e").unknown(), "u", in(0), 1)),
	client("another's producer", txnOffsets(me("e").from("a"), "u", in(0), 1)),
	client("unknown id", txnOffsets(me("nobody").from("e"), "u", in(0), 1)),
	client("empty id", txnOffsets(claim{id: "", producer: "e"}, "u", in(0), 1)),
	client("generation of a simple group", txnOffsets(me("e"), "u", in(0), 1, byMember("nobody", 3))),
	client("member of a simple group", txnOffsets(me("e"), "u", in(0), 1, byMember("nobody", -1))),

	// A group with members; its cases speak of the group of their lane.
	client("member joins", joinAt3).keeping("m"),
	starts("l"),
	addsOffsets("l", "live"),
	client("before its assignment", txnOffsets(me("l"), "live", in(0), 1, byMember("m", 1))),
	client("member syncs", syncAt3),
	client("of a member", txnOffsets(me("l"), "live", in(0), 1, byMember("m", 1))),
	client("of the generation before", txnOffsets(me("l"), "live", in(0), 1, byMember("m", 0))),
	client("of the next generation", txnOffsets(me("l"), "live", in(0), 1, byMember("m", 2))),
	client("of nobody", txnOffsets(me("l"), "live", in(0), 1, byMember("nobody", 1))),
	client("of a member without a generation", txnOffsets(me("l"), "live", in(0), 1, byMember("m", -1))),
	client("of an instance", txnOffsets(me("l"), "live", in(0), 1, byMember("m", 1), byInstance("i"))),
	client("beside the members", txnOffsets(me("l"), "live", in(0), 2)),
	client("l ends", txnEnd(me("l"), true)).as("l"),
	complete("l described", "l"),
	client("fetched at last", txnFetchOffsets("live", true)),
})

// joinAt3 and syncAt3 are of versions that need no second round.
func joinAt3(w *world, lane int16) kmsg.Request { return join("live", "")(w, lane) }

func syncAt3(w *world, lane int16) kmsg.Request {
	return sync("live", "m", 1, assigning("m"))(w, lane)
}
