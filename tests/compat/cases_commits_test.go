package compat

import "github.com/twmb/franz-go/pkg/kmsg"

func commit(group, member string, generation int32, topics ...func(*world) kmsg.OffsetCommitRequestTopic) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.MemberID, req.Generation = named(group, lane), w.id(member, lane), generation
		req.RetentionTimeMillis = -1
		for _, t := range topics {
			req.Topics = append(req.Topics, t(w))
		}
		return req
	}
}

func committing(name string, partition int32, offset int64, metadata ...string) func(*world) kmsg.OffsetCommitRequestTopic {
	return func(w *world) kmsg.OffsetCommitRequestTopic {
		t, p := kmsg.NewOffsetCommitRequestTopic(), kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = partition, offset
		if len(metadata) > 0 {
			p.Metadata = &metadata[0]
		}
		t.Topic, t.TopicID, t.Partitions = name, w.topics[name], append(t.Partitions, p)
		return t
	}
}

// fetchOffsets asks for partitions of topics by a group; nil are all.
func fetchOffsets(group string, stable bool, parts map[string][]int32) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.RequireStable = stable
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = named(group, lane)
		for _, name := range []string{"log", "other", "nowhere", ""} {
			list, ok := parts[name]
			if !ok {
				continue
			}
			t, u := kmsg.NewOffsetFetchRequestTopic(), kmsg.NewOffsetFetchRequestGroupTopic()
			t.Topic, t.Partitions = name, list
			u.Topic, u.TopicID, u.Partitions = name, w.topics[name], list
			req.Topics, g.Topics = append(req.Topics, t), append(g.Topics, u)
		}
		if parts != nil && len(parts) == 0 {
			req.Topics, g.Topics = []kmsg.OffsetFetchRequestTopic{}, []kmsg.OffsetFetchRequestGroupTopic{}
		}
		req.Group, req.Groups = g.Group, append(req.Groups, g)
		return req
	}
}

// fetchingAs fetches as a member of the newer protocol would.
func fetchingAs(group, member string, epoch int32) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := fetchOffsets(group, false, map[string][]int32{"log": {0}})(w, lane).(*kmsg.OffsetFetchRequest)
		req.Groups[0].MemberEpoch = epoch
		if member != "" {
			req.Groups[0].MemberID = &member
		}
		return req
	}
}

func deleteOffsets(group string, parts map[string][]int32) func(*world, int16) kmsg.Request {
	return func(_ *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = group
		for _, name := range []string{"log", "other", "nowhere"} {
			list, ok := parts[name]
			if !ok {
				continue
			}
			t := kmsg.NewOffsetDeleteRequestTopic()
			t.Topic = name
			for _, number := range list {
				p := kmsg.NewOffsetDeleteRequestTopicPartition()
				p.Partition = number
				t.Partitions = append(t.Partitions, p)
			}
			req.Topics = append(req.Topics, t)
		}
		return req
	}
}

var offsetStoreCases = append(ready[:len(ready):len(ready)],
	setup(topic("log", 3, 1), topic("other", 1, 1)),
	testCase{name: "commit", request: commit("simple", "", -1, committing("log", 0, 5, "note"))},
	testCase{name: "commit without metadata", request: commit("simple", "", -1, committing("log", 1, 6))},
	testCase{name: "commit negative offset", request: commit("simple", "", -1, committing("log", 1, -1))},
	testCase{name: "commit lowest offset", request: commit("simple", "", -1, committing("log", 1, -1<<63))},
	testCase{name: "commit highest offset", request: commit("simple", "", -1, committing("log", 1, 1<<63-1))},
	testCase{name: "commit long metadata", request: commit("simple", "", -1, committing("log", 0, 5, string(make([]byte, 4097))))},
	testCase{name: "commit as much metadata as there may be", request: commit("simple", "", -1, committing("log", 2, 5, string(make([]byte, 4096))))},
	testCase{name: "commit unknown topic", request: commit("simple", "", -1, committing("nowhere", 0, 5))},
	testCase{name: "commit unknown partition", request: commit("simple", "", -1, committing("log", 9, 5))},
	testCase{name: "commit negative partition", request: commit("simple", "", -1, committing("log", -1, 5))},
	testCase{name: "commit known and unknown", request: commit("simple", "", -1, committing("log", 0, 7, "note"), committing("nowhere", 0, 5))},
	testCase{name: "commit nothing", request: commit("simple", "", -1)},
	testCase{name: "commit, empty group", request: commit("", "", -1, committing("log", 0, 5))},
	testCase{name: "commit, null group", request: commit(null, "", -1, committing("log", 0, 5))},
	testCase{name: "commit, unknown group and a generation", request: commit("g", "nobody", 1, committing("log", 0, 5))},
	testCase{name: "commit, unknown group and member", request: commit("g", "nobody", -1, committing("log", 0, 5))},
	testCase{name: "commit, member of a simple group", request: commit("simple", "nobody", 1, committing("log", 0, 5))},
	testCase{name: "commit, generation of a simple group", request: commit("simple", "", 3, committing("log", 0, 5))},
	testCase{name: "commit twice", request: commit("twice", "", -1, committing("log", 0, 5), committing("log", 0, 6))},
	testCase{name: "commit with an epoch", request: func(w *world, lane int16) kmsg.Request {
		req := commit("simple", "", -1, committing("log", 0, 5, "note"))(w, lane).(*kmsg.OffsetCommitRequest)
		req.Topics[0].Partitions[0].LeaderEpoch = 4
		return req
	}},
	testCase{name: "fetch one", request: fetchOffsets("simple", false, map[string][]int32{"log": {0}})}.since(2),
	testCase{name: "fetch several", request: fetchOffsets("simple", false, map[string][]int32{"log": {0, 1, 2}, "other": {0}})}.since(2),
	testCase{name: "fetch stable", request: fetchOffsets("simple", true, map[string][]int32{"log": {0}})}.since(7),
	testCase{name: "fetch all", request: fetchOffsets("simple", false, nil), ignore: []string{"Metadata"}}.since(2),
	testCase{name: "fetch none", request: fetchOffsets("simple", false, map[string][]int32{})},
	testCase{name: "fetch unknown topic", request: fetchOffsets("simple", false, map[string][]int32{"nowhere": {0}})},
	testCase{name: "fetch unknown partition", request: fetchOffsets("simple", false, map[string][]int32{"log": {9}})},
	testCase{name: "fetch negative partition", request: fetchOffsets("simple", false, map[string][]int32{"log": {-1}})},
	testCase{name: "fetch partition twice", request: fetchOffsets("simple", false, map[string][]int32{"log": {0, 0}})}.since(2),
	testCase{name: "fetch, unknown group", request: fetchOffsets("g", false, map[string][]int32{"log": {0}})},
	testCase{name: "fetch all, unknown group", request: fetchOffsets("g", false, nil)}.since(2),
	testCase{name: "fetch, empty group", request: fetchOffsets("", false, map[string][]int32{"other": {0}})},
	testCase{name: "fetch, two groups", request: func(w *world, lane int16) kmsg.Request {
		req := fetchOffsets("simple", false, map[string][]int32{"log": {0}})(w, lane).(*kmsg.OffsetFetchRequest)
		req.Groups = append(req.Groups, fetchOffsets("g", false, map[string][]int32{"log": {0}})(w, lane).(*kmsg.OffsetFetchRequest).Groups...)
		return req
	}}.since(8),
	testCase{name: "fetch, group twice", request: func(w *world, lane int16) kmsg.Request {
		req := fetchOffsets("simple", false, map[string][]int32{"log": {0}})(w, lane).(*kmsg.OffsetFetchRequest)
		req.Groups = append(req.Groups, req.Groups...)
		return req
	}}.since(8),
	testCase{name: "fetch, no groups", request: func(w *world, lane int16) kmsg.Request { return kmsg.NewPtrOffsetFetchRequest() }}.since(8),
	testCase{name: "fetch, as a member of nothing", request: fetchingAs("never", "m", 1)}.since(9),
	testCase{name: "fetch, as a member of a simple group", request: fetchingAs("simple", "m", 1)}.since(9),
	testCase{name: "fetch, as nobody at an epoch", request: fetchingAs("simple", "", 5)}.since(9),
	testCase{name: "delete what is not there", request: deleteOffsets("g", map[string][]int32{"log": {0}})},
	testCase{name: "delete, unknown group", request: deleteOffsets("never", map[string][]int32{"log": {0}})},
	testCase{name: "delete, empty group", request: deleteOffsets("", map[string][]int32{"log": {0}})},
	testCase{name: "delete", request: deleteOffsets(each("simple", 2), map[string][]int32{"log": {0, 9}, "nowhere": {0}, "other": {0}})},
	testCase{name: "delete again", request: deleteOffsets(each("simple", 2), map[string][]int32{"log": {0}})},
	testCase{name: "delete nothing", request: deleteOffsets(each("simple", 2), nil)},
	testCase{name: "delete twice", request: deleteOffsets(each("simple", 3), map[string][]int32{"log": {1, 1}})},

	// A group with a member.
	testCase{name: "member joins", request: join("live", "")}.in(3, 3).keeping("a"),
	testCase{name: "commit before its assignment", request: commitLive("a", 1)},
	testCase{name: "member syncs", request: sync("live", "a", 1, assigning("a"))}.in(3, 3),
	testCase{name: "commit of a member", request: commitLive("a", 1)},
	testCase{name: "commit of the generation before", request: commitLive("a", 0)},
	testCase{name: "commit of the next generation", request: commitLive("a", 2)},
	testCase{name: "commit of somebody else", request: commitLive("nobody", 1)},
	testCase{name: "commit beside the members", request: commitLive("", -1)},
	testCase{name: "commit of an unknown instance", request: func(w *world, lane int16) kmsg.Request {
		req := commitLive("a", 1)(w, lane).(*kmsg.OffsetCommitRequest)
		req.InstanceID = ptr("i")
		return req
	}}.since(7),
	testCase{name: "delete beside a member", request: deleteOffsets(each("live", 3), map[string][]int32{"log": {0}})},
	seat{group: "workers", name: "w", kind: "connect"}.joins("log"),
	seat{group: "workers", name: "w", kind: "connect"}.syncs("log", 0),
	seat{group: "workers", name: "w", kind: "connect"}.commits("log", map[int32]int64{0: 1}, ""),
	testCase{name: "delete beside a member of another kind", request: deleteOffsets("workers", map[string][]int32{"log": {0}})},
)

// commitLive commits in the group that joined in lane 3.
func commitLive(member string, generation int32) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		return commit("live", member, generation, committing("log", 0, 9))(w, 3)
	}
}
