package compat

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Replicas: where they lie, who leads them, and moving them, asked for in every odd way.

// dirsOf asks for partitions of topics in the order given; a topic may come again.
func dirsOf(rows ...kmsg.DescribeLogDirsRequestTopic) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		req.Topics = append([]kmsg.DescribeLogDirsRequestTopic{}, rows...)
		return req
	}
}

func dirRow(topic string, partitions ...int32) kmsg.DescribeLogDirsRequestTopic {
	t := kmsg.NewDescribeLogDirsRequestTopic()
	t.Topic, t.Partitions = topic, partitions
	return t
}

// electing elects leaders of several topics.
func electing(kind int8, rows ...kmsg.ElectLeadersRequestTopic) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrElectLeadersRequest()
		req.ElectionType, req.TimeoutMillis = kind, 10_000
		req.Topics = append([]kmsg.ElectLeadersRequestTopic{}, rows...)
		return req
	}
}

func electRow(topic string, partitions ...int32) kmsg.ElectLeadersRequestTopic {
	t := kmsg.NewElectLeadersRequestTopic()
	t.Topic, t.Partitions = topic, partitions
	return t
}

// move is a partition with the replicas it shall have; nil cancels.
type move struct {
	partition int32
	replicas  []int32
}

// moving reassigns partitions of a topic.
func moving(mayChange bool, topic string, moves ...move) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
		req.TimeoutMillis, req.AllowReplicationFactorChange = 10_000, mayChange
		t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
		t.Topic = topic
		for _, m := range moves {
			p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
			p.Partition, p.Replicas = m.partition, m.replicas
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
		return req
	}
}

// movingBoth is one request of two.
func movingBoth(a, b func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		x, y := a(w, lane).(*kmsg.AlterPartitionAssignmentsRequest), b(w, lane).(*kmsg.AlterPartitionAssignmentsRequest)
		x.Topics = append(x.Topics, y.Topics...)
		return x
	}
}

func listingMoves(rows ...kmsg.ListPartitionReassignmentsRequestTopic) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrListPartitionReassignmentsRequest()
		req.TimeoutMillis = 10_000
		req.Topics = append([]kmsg.ListPartitionReassignmentsRequestTopic{}, rows...)
		return req
	}
}

func moveRow(topic string, partitions ...int32) kmsg.ListPartitionReassignmentsRequestTopic {
	t := kmsg.NewListPartitionReassignmentsRequestTopic()
	t.Topic, t.Partitions = topic, partitions
	return t
}

// whereItIs moves replicas to the folder that the broker has.
func whereItIs(topic string, partitions ...int32) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		dir := ""
		if w.broker != nil {
			dir = w.broker.Data()
		}
		return moveReplica(dir, topic, partitions...)(w, lane)
	}
}

// dirMoves moves replicas to several folders.
func dirMoves(parts ...func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrAlterReplicaLogDirsRequest()
		for _, p := range parts {
			req.Dirs = append(req.Dirs, p(w, lane).(*kmsg.AlterReplicaLogDirsRequest).Dirs...)
		}
		return req
	}
}

var long = strings.Repeat("x", 250)

var replicaCases = cases([]testCase{
	setup(topic("log", 3, 1), topic("other", 1, 1)),
	fill("fill", "log", 0, []byte("a"), []byte("b")),
	testCase{name: "log dirs, partition twice", request: dirsOf(dirRow("log", 0, 0))}.without(dirsOnly...),
	testCase{name: "log dirs, topic twice", request: dirsOf(dirRow("log", 0), dirRow("log", 1))}.without(dirsOnly...),
	testCase{name: "log dirs, topic and partition twice", request: dirsOf(dirRow("log", 0), dirRow("log", 0))}.without(dirsOnly...),
	testCase{name: "log dirs, known and unknown", request: dirsOf(dirRow("log", 0, 9, -1), dirRow("nowhere", 0), dirRow("other", 0))}.without(dirsOnly...),
	testCase{name: "log dirs, no partitions", request: dirsOf(dirRow("log"), dirRow("other", 0))}.without(dirsOnly...),
	testCase{name: "log dirs, illegal name", request: dirsOf(dirRow("bad name!", 0), dirRow("", 0))}.without(dirsOnly...),
	testCase{name: "log dirs, long name", request: dirsOf(dirRow(long, 0))}.without(dirsOnly...),
	testCase{name: "log dirs, all", request: logDirs(nil)}.without(dirsOnly...),
	testCase{name: "log dirs, null name", request: dirsOf(dirRow(null, 0))}.without(dirsOnly...),

	{name: "replica, several partitions", request: moveReplica("/nowhere", "log", 0, 1, 9, -1)},
	{name: "replica, partition twice", request: moveReplica("/nowhere", "log", 0, 0)},
	{name: "replica, to two folders", request: dirMoves(moveReplica("/nowhere", "log", 0), moveReplica("/elsewhere", "log", 0))},
	{name: "replica, to an empty folder", request: moveReplica("", "log", 0)},
	{name: "replica, to the root", request: moveReplica("/", "log", 0)},
	{name: "replica, illegal topic", request: moveReplica("/nowhere", "bad name!", 0)},
	{name: "replica, no partitions", request: moveReplica("/nowhere", "log")},
	{name: "replica, known and unknown topic", request: dirMoves(moveReplica("/nowhere", "log", 0), moveReplica("/nowhere", "nowhere", 0))},
	{name: "replica, null folder", request: moveReplica(null, "log", 0)},
	{name: "replica, where it is", request: whereItIs("log", 0)},
	{name: "replica, where it is, and unknown ones", request: whereItIs("log", 0, 9, -1)},
	{name: "replica, of an unknown topic where others are", request: whereItIs("nowhere", 0)},
	{name: "replica, of an illegal topic where others are", request: whereItIs("bad name!", 0)},
	{name: "replica, here and elsewhere", request: dirMoves(whereItIs("log", 0), moveReplica("/nowhere", "log", 0))},

	{name: "moved, partition twice", request: moving(true, "log", move{0, []int32{1}}, move{0, []int32{1}})},
	{name: "moved, topic twice", request: movingBoth(moving(true, "log", move{0, []int32{1}}), moving(true, "log", move{1, []int32{1}}))},
	{name: "moved, known and unknown topic", request: movingBoth(moving(true, "log", move{0, []int32{1}}), moving(true, "nowhere", move{0, []int32{1}}))},
	{name: "moved, to one more", request: moving(true, "log", move{0, []int32{1, 2}})},
	{name: "moved, to two others", request: moving(true, "log", move{0, []int32{3, 2}})},
	{name: "moved, to another twice", request: moving(true, "log", move{0, []int32{2, 2}})},
	{name: "moved, to two negative ones", request: moving(true, "log", move{0, []int32{-1, -2}})},
	{name: "moved, good and bad", request: moving(true, "log", move{0, []int32{1}}, move{9, []int32{1}}, move{-1, []int32{1}}, move{1, []int32{5}}, move{2, nil})},
	{name: "moved, no partitions", request: moving(true, "log")},
	{name: "moved, no topics", request: func(*world, int16) kmsg.Request { return kmsg.NewPtrAlterPartitionAssignmentsRequest() }},
	{name: "moved, illegal topic", request: moving(true, "bad name!", move{0, []int32{1}})},
	{name: "moved, empty topic", request: moving(true, "", move{0, []int32{1}})},
	{name: "moved, null topic", request: moving(true, null, move{0, []int32{1}})},
	{name: "moved, unknown topic, cancelled", request: moving(true, "nowhere", move{0, nil})},
	{name: "moved, several cancelled", request: moving(true, "log", move{0, nil}, move{9, nil}, move{0, nil})},
	{name: "moved, metadata topic", request: moving(true, "__cluster_metadata", move{0, []int32{1}})},
	testCase{name: "moved, the same, as many", request: moving(false, "log", move{0, []int32{1}})}.in(1, 1),
	testCase{name: "moved, to one more, as many", request: moving(false, "log", move{0, []int32{1, 2}})}.in(1, 1),
	testCase{name: "moved, to none, as many", request: moving(false, "log", move{0, []int32{}})}.in(1, 1),
	testCase{name: "moved, cancelled, as many", request: moving(false, "log", move{0, nil})}.in(1, 1),
	{name: "moves, empty list", request: listingMoves()},
	{name: "moves, several", request: listingMoves(moveRow("log", 0, 1, 9, -1), moveRow("nowhere", 0), moveRow("other"))},
	{name: "moves, twice", request: listingMoves(moveRow("log", 0, 0), moveRow("log", 0))},
	{name: "moves, illegal topic", request: listingMoves(moveRow("bad name!", 0), moveRow("", 0))},
}, elections())

// elections are the cases of both kinds of election, and of one that is not.
func elections() (all []testCase) {
	for kind, called := range []string{"preferred", "unclean", "kind 2"} {
		rows := []testCase{
			{name: called + " leaders of all", request: elect(int8(kind), "all")},
			{name: called + " leaders of an empty list", request: electing(int8(kind))},
			{name: called + " leaders, known and unknown", request: electing(int8(kind), electRow("log", 0, 1, 9, -1), electRow("nowhere", 0), electRow("other"))},
			{name: called + " leaders, partition twice", request: electing(int8(kind), electRow("log", 0, 0))},
			{name: called + " leaders, topic twice", request: electing(int8(kind), electRow("log", 0), electRow("log", 1), electRow("log", 0))},
			{name: called + " leaders, illegal topic", request: electing(int8(kind), electRow("bad name!", 0), electRow("", 0))},
			{name: called + " leaders, null topic", request: electing(int8(kind), electRow(null, 0))},
		}
		for _, c := range rows {
			if kind > 0 { // version 0 knows no kinds
				c = c.since(1)
			}
			all = append(all, c)
		}
	}
	return append(all, testCase{name: "kind -1 leaders", request: electing(-1, electRow("log", 0))}.since(1))
}
