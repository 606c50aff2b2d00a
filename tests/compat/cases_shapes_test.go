package compat

import "github.com/twmb/franz-go/pkg/kmsg"

// Why a field of a base stays as it is.
const (
	dies      = "Kafka's only controller dies of it"
	sessionID = "Kafka fails inside (UNKNOWN_SERVER_ERROR); here there is no such session, which a request that ends it may say"
	tooEarly  = "a field of later versions, for which a base of its own asks; Kafka closes the connection, and clients do not send it"
	noReply   = "with acks=0 no answer comes"
	ofCases   = "cases of its own have it"
	itself    = "it would be this broker, which Kafka then shuts out"
	goesOn    = "what is behind needs the transaction as it is"
	newMember = "a member would join and stay"
)

// fetchTags are the fields of Fetch that only some versions have room for, since they are
// tagged, and ids of sessions that Kafka has no place for.
var fetchTags = map[string]string{
	"ReplicaState.ID": tooEarly, "ReplicaState.Epoch": tooEarly, "Topics[0].Partitions[0].ReplicaDirectoryID": tooEarly,
	"Topics[0].Partitions[0].HighWatermark": tooEarly, "SessionID -2147483648": sessionID, "SessionID 2147483647": sessionID,
}

// unknownNames are settings of a broker that Kafka would keep, in cases of their own.
var unknownNames = map[string]string{
	"Resources[0].Configs[0].Op":         ofCases,
	"Resources[0].Configs[0].Name empty": ofCases, "Resources[0].Configs[0].Name long": ofCases, "Resources[0].Configs[0].Name illegal": ofCases,
}

// shapes are the suites of shapes, by area.
var (
	topicShapes = cases([]testCase{setup(lasting("log"), lasting("cut"))}, []testCase{
		fill("fill", "cut", 0, []byte("a"), []byte("b"), []byte("c")),
	}, shapes(
		base{name: "versions", request: apiVersions("compat", "1.0")},
		base{name: "metadata", request: metadata(false, "log"), keep: map[string]string{"Topics[0].Topic null": ofCases}},
		base{name: "metadata, all", request: func(*world, int16) kmsg.Request { return kmsg.NewPtrMetadataRequest() }},
		base{name: "describe topics", request: describeTopics(10, cursor("log", 0), "log")},
		base{name: "cluster", request: describeCluster(1, false, false)},
		base{name: "create", request: func(_ *world, lane int16) kmsg.Request {
			return create(true, topic(each("made", lane), 1, 1, "retention.ms", "1000"))
		}},
		base{name: "create, assigned", request: func(_ *world, lane int16) kmsg.Request {
			return create(true, assigned(each("assigned", lane), []int32{1}))
		}},
		base{name: "delete", request: func(w *world, lane int16) kmsg.Request {
			req := deletes("nowhere")(w, lane).(*kmsg.DeleteTopicsRequest)
			req.Topics[0].TopicID = [16]byte{1, 2, 3}
			return req
		}},
		base{name: "grow", request: grow(10000, true, to("log", 3, []int32{1}))},
		base{name: "delete records", request: deleteRecords("cut", 0, 0)},
	))

	configShapes = cases([]testCase{setup(lasting("log"))}, shapes(
		base{name: "describe topic", request: richly(true, false, describe(ofTopic, "log", "retention.ms"))},
		base{name: "describe broker", request: describe(ofBroker, "1", "log.retention.ms"),
			keep: map[string]string{"Resources[0].ConfigNames null": ofCases, "Resources[0].ConfigNames empty": ofCases}},
		base{name: "alter", request: alter(ofTopic, "log", true, "retention.ms", "1000"), keep: map[string]string{"Resources twice": ofCases}},
		base{name: "alter broker", request: alter(ofBroker, "1", true, "log.retention.ms", "1000"),
			keep: map[string]string{"Resources twice": ofCases, "Resources[0].Configs[0].Name empty": ofCases,
				"Resources[0].Configs[0].Name long": ofCases, "Resources[0].Configs[0].Name illegal": ofCases}},
		base{name: "increment", request: increment(ofTopic, "log", true, change{"retention.ms", set, "1000"}),
			keep: map[string]string{"Resources[0].Configs[0].Op": ofCases}},
		base{name: "increment broker", request: increment(ofBroker, "1", true, change{"log.retention.ms", set, "1000"}), keep: unknownNames},
		base{name: "increment group", request: increment(ofGroup, "g", true, change{"consumer.session.timeout.ms", set, "50000"}),
			keep: map[string]string{"Resources[0].Configs[0].Op": ofCases}},
		base{name: "increment metrics", request: increment(ofMetrics, "m", true, change{"interval.ms", set, "50000"}),
			keep: map[string]string{"Resources[0].Configs[0].Op": ofCases}},
		base{name: "list", request: resources(int8(ofTopic), int8(ofBroker))},
	))

	dataShapes = cases([]testCase{setup(lasting("log")), fill("fill", "log", 0, []byte("a"), []byte("b"))}, shapes(
		base{name: "fetch", request: fetch("log", 0, 0), keep: fetchTags},
		base{name: "fetch as a replica", request: fetch("log", 0, 0), only: "ReplicaState", since: 15},
		base{name: "fetch with an id of a folder", request: fetch("log", 0, 0), only: "Topics[0].Partitions[0].ReplicaDirectoryID", since: 17},
		base{name: "fetch with a watermark", request: fetch("log", 0, 0), only: "Topics[0].Partitions[0].HighWatermark", since: 18},
		base{name: "fetch, forgetting", only: "ForgottenTopics", request: func(w *world, lane int16) kmsg.Request {
			req := fetch("log", 0, 0)(w, lane).(*kmsg.FetchRequest)
			f := kmsg.NewFetchRequestForgottenTopic()
			f.Topic, f.TopicID, f.Partitions = "log", w.topics["log"], []int32{1}
			req.ForgottenTopics = append(req.ForgottenTopics, f)
			return req
		}},
		base{name: "offsets", request: listOffsets("log", 0, -1)},
		base{name: "offsets by time", request: listOffsets("log", 0, when), keep: map[string]string{
			"IsolationLevel -1": ofCases, "IsolationLevel -2": ofCases, "IsolationLevel -128": ofCases, "IsolationLevel 127": ofCases}},
		base{name: "epochs", request: epochEnd("log", 0, -1, 0)},
		base{name: "producers", request: producers("log", 0)},
		base{name: "produce", request: produce("log", 1, -1, plain), keep: map[string]string{"Acks 0": noReply}},
	))

	groupShapes = cases(ready, []testCase{
		setup(lasting("log")),
		testCase{name: "joins", request: join("g", "", session10(1_000_000))}.in(3, 3).keeping("a"),
		testCase{name: "syncs", request: seated(sync("g", "a", 1, assigning("a")))}.in(3, 3),
	}, shapes(
		base{name: "find", request: findCoordinator(0, "g")},
		base{name: "join", request: join("g", "nobody"), keep: map[string]string{"MemberID empty": newMember}},
		base{name: "sync", request: seated(sync("g", "a", 1))},
		base{name: "sync, assigning", request: seated(sync("g", "a", 1, assigning("a")))},
		base{name: "heartbeat", request: seated(heartbeat("g", "a", 1))},
		base{name: "leave", request: leave("g", "nobody")},
		base{name: "describe", request: describeGroup("g")},
		base{name: "list", request: listGroups([]string{"Stable"}, []string{"classic"})},
		base{name: "commit as a member", request: seated(commit("g", "a", 1, committing("log", 0, 5, "note")))},
		base{name: "commit", request: func(w *world, lane int16) kmsg.Request {
			return plainGroup("simple", commit("", "", -1, committing("log", 0, 5, "note"))(w, lane))
		}},
		base{name: "fetch", request: func(w *world, lane int16) kmsg.Request {
			return plainGroup("simple", fetchOffsets("", false, map[string][]int32{"log": {0}})(w, lane))
		}},
		base{name: "delete offsets", request: deleteOffsets("g", map[string][]int32{"other": {0}})},
		base{name: "delete", request: deleteGroups("g")},
	))

	txnShapes = cases(ready, []testCase{
		testCase{name: "transactions' coordinator", request: findCoordinator(1, "t")}.since(1).asking(found),
		setup(lasting("log")),
		testCase{name: "producer", request: initProducer(ptr("t"), 900_000, -1, -1)}.in(4, 4).as("t"),
		testCase{name: "ended producer", request: initProducer(ptr("e"), 900_000, -1, -1)}.in(4, 4).as("e"),
	}, shapes(
		base{name: "init", request: initProducer(nil, 60_000, -1, -1)},
		base{name: "init with an id", request: initProducer(ptr("again"), 60_000, -1, -1)},
		base{name: "end", request: asProducer("e", txnEnd(me("e"), true)), keep: map[string]string{"Commit other": goesOn}},
		base{name: "add", keep: map[string]string{"Transactions null": ofCases}, request: asProducer("t", func(*world, int16) kmsg.Request {
			req := kmsg.NewPtrAddPartitionsToTxnRequest()
			t, in := kmsg.NewAddPartitionsToTxnRequestTopic(), kmsg.NewAddPartitionsToTxnRequestTransaction()
			t.Topic, t.Partitions = "log", []int32{0}
			u := kmsg.NewAddPartitionsToTxnRequestTransactionTopic()
			u.Topic, u.Partitions = "log", []int32{0}
			in.Topics, in.VerifyOnly = append(in.Topics, u), true
			req.Topics, req.Transactions = append(req.Topics, t), append(req.Transactions, in)
			return req
		})},
		base{name: "add offsets", request: asProducer("t", txnAddOffsets(me("t"), "g"))},
		base{name: "commit offsets", request: asProducer("t", func(w *world, _ int16) kmsg.Request {
			req := txnOffsets(me("t"), "g", part{"log", 0}, 5)(w, 4).(*kmsg.TxnOffsetCommitRequest)
			req.Topics[0].Topic, req.Topics[0].TopicID = "log", w.topics["log"]
			return req
		})},
		base{name: "markers", request: func(w *world, _ int16) kmsg.Request {
			req := txnMark(marker{who: me("nobody")})(w, 4).(*kmsg.WriteTxnMarkersRequest)
			t := kmsg.NewWriteTxnMarkersRequestMarkerTopic()
			t.Topic, t.Partitions = "log", []int32{1}
			req.Markers[0].Topics = append(req.Markers[0].Topics, t)
			return req
		}},
		base{name: "describe", request: txnDescribeOf("t")},
		base{name: "list", request: func(w *world, lane int16) kmsg.Request {
			req := txnList([]string{"Ongoing"}, -1, ptr("t.*"))(w, lane).(*kmsg.ListTransactionsRequest)
			req.ProducerIDFilters = []int64{w.values[each("ProducerID t", 4)]}
			return req
		}},
	))

	adminShapes = cases([]testCase{setup(lasting("log"))}, shapes(
		base{name: "log dirs", request: logDirs(map[string][]int32{"log": {0}}), ignore: []string{"Dir", "Size", "TotalBytes", "UsableBytes"}},
		base{name: "move to a folder", request: moveReplica("/nowhere", "log", 0)},
		base{name: "elect", request: elect(0, "log", 0)},
		base{name: "reassign", request: reassign("log", 0, []int32{1})},
		base{name: "moves", request: reassignments("log", 0)},
		base{name: "quorum", request: quorum("__cluster_metadata", 0), ignore: []string{
			"LogEndOffset", "HighWatermark", "LeaderEpoch", "LastCaughtUpTimestamp", "LastFetchTimestamp", "Nodes"}},
		base{name: "feature", request: feature("metadata.version", 33, 1, true)},
		base{name: "unregister", request: unregister(7), keep: map[string]string{"BrokerID 1": itself}},
		base{name: "add voter", request: addVoter(own, 7, 5, "CONTROLLER"),
			keep: map[string]string{"Listeners[0].Name null": dies, "Listeners[0].Name empty": dies, "Listeners null": ofCases}},
		base{name: "remove voter", request: removeVoter(own, 7, 5)},
		base{name: "unregister controller", request: unregisterController(7)},
		base{name: "acls", request: describeACLs(reader)},
		base{name: "create acl", request: createACLs(reader)},
		base{name: "delete acl", request: deleteACLs(reader)},
	))
)

// lasting is a topic of two partitions whose records stay, old as they are.
func lasting(name string) kmsg.CreateTopicsRequestTopic {
	return topic(name, 2, 1, "retention.ms", "-1")
}

func shapes(list ...base) (all []testCase) {
	for _, b := range list {
		all = append(all, shapesOf(b)...)
	}
	return all
}

// seated is the request of a member that joined in lane 3, in any lane.
func seated(request func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request { return request(w, 3) }
}

// plainGroup is a request about a group that has no lane.
func plainGroup(name string, req kmsg.Request) kmsg.Request {
	switch r := req.(type) {
	case *kmsg.OffsetCommitRequest:
		r.Group = name
	case *kmsg.OffsetFetchRequest:
		r.Group, r.Groups[0].Group = name, name
	}
	return req
}

// asProducer is the request of the producer of lane 4, under its id without a lane.
func asProducer(id string, request func(*world, int16) kmsg.Request) func(*world, int16) kmsg.Request {
	return func(w *world, _ int16) kmsg.Request {
		req := request(w, 4)
		producer, epoch := me(id).of(w, 4)
		switch r := req.(type) {
		case *kmsg.EndTxnRequest:
			r.TransactionalID = id
		case *kmsg.AddOffsetsToTxnRequest:
			r.TransactionalID = id
		case *kmsg.TxnOffsetCommitRequest:
			r.TransactionalID = id
		case *kmsg.AddPartitionsToTxnRequest:
			r.TransactionalID, r.ProducerID, r.ProducerEpoch = id, producer, epoch
			in := &r.Transactions[0]
			in.TransactionalID, in.ProducerID, in.ProducerEpoch = id, producer, epoch
		}
		return req
	}
}
