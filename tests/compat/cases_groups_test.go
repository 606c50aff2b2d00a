package compat

import "github.com/twmb/franz-go/pkg/kmsg"

func findCoordinator(kind int8, keys ...string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorType, req.CoordinatorKeys = kind, keys
		if len(keys) > 0 {
			req.CoordinatorKey = keys[0]
		}
		return req
	}
}

// found says that the coordinator is there, which Kafka makes on the first request.
func found(r kmsg.Response) bool {
	resp := r.(*kmsg.FindCoordinatorResponse)
	for _, c := range resp.Coordinators {
		if c.ErrorCode == 15 {
			return false
		}
	}
	return resp.ErrorCode != 15
}

// ready makes the coordinator and waits until it has loaded what the group of the
// suite needs: until then Kafka finds every heartbeat good.
var ready = []testCase{
	testCase{name: "coordinator", request: findCoordinator(0, "g")}.asking(found),
	testCase{name: "loaded", request: heartbeat("g", "nobody", 1)}.in(4, 4).asking(func(r kmsg.Response) bool {
		return r.(*kmsg.HeartbeatResponse).ErrorCode == 25
	}),
}

var coordinatorCases = append(ready[:len(ready):len(ready)],
	testCase{name: "empty group", request: findCoordinator(0, "")}.asking(found),
	testCase{name: "two groups", request: findCoordinator(0, "g", "h")}.since(4),
	testCase{name: "group twice", request: findCoordinator(0, "g", "g")}.since(4),
	testCase{name: "no keys", request: findCoordinator(0)}.since(4),
	testCase{name: "null key", request: findCoordinator(0, null)},
	testCase{name: "type 3", request: findCoordinator(3, "g")}.since(1),
	testCase{name: "type -1", request: findCoordinator(-1, "g")}.since(1),
	testCase{name: "long group", request: findCoordinator(0, string(make([]byte, 1000)))}.asking(found),
)

func heartbeat(group, member string, generation int32) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.Generation = named(group, lane), w.id(member, lane), generation
		return req
	}
}

// named is a group of a lane; "g", "" and what is marked are the same in all.
func named(group string, lane int16) string {
	switch group {
	case "g", "", null:
		return group
	}
	return each(group, lane)
}

// id is the id of a member that a case kept, or the text itself.
func (w *world) id(member string, lane int16) string {
	for id, name := range w.members {
		if name == each(member, lane) {
			return id
		}
	}
	return member
}

// keepMember remembers the id that a JoinGroup gave.
func keepMember(name string) func(*world, int16, kmsg.Response) {
	return func(w *world, lane int16, r kmsg.Response) {
		if id := r.(*kmsg.JoinGroupResponse).MemberID; id != "" {
			w.members[id] = each(name, lane)
		}
	}
}

type joinOption func(*kmsg.JoinGroupRequest)

func session10(ms int32) joinOption {
	return func(r *kmsg.JoinGroupRequest) { r.SessionTimeoutMillis = ms }
}

func instance(id string) joinOption { return func(r *kmsg.JoinGroupRequest) { r.InstanceID = &id } }

func protocols(kind string, names ...string) joinOption {
	return func(r *kmsg.JoinGroupRequest) {
		r.ProtocolType, r.Protocols = kind, nil
		for _, n := range names {
			p := kmsg.NewJoinGroupRequestProtocol()
			p.Name, p.Metadata = n, []byte("metadata of "+n)
			r.Protocols = append(r.Protocols, p)
		}
	}
}

func join(group, member string, options ...joinOption) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.MemberID = named(group, lane), w.id(member, lane)
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 120000, 120000
		protocols("consumer", "range")(req)
		for _, o := range options {
			o(req)
		}
		return req
	}
}

func sync(group, member string, generation int32, options ...func(*world, int16, *kmsg.SyncGroupRequest)) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrSyncGroupRequest()
		req.Group, req.MemberID, req.Generation = named(group, lane), w.id(member, lane), generation
		req.ProtocolType, req.Protocol = ptr("consumer"), ptr("range")
		for _, o := range options {
			o(w, lane, req)
		}
		return req
	}
}

func assigning(members ...string) func(*world, int16, *kmsg.SyncGroupRequest) {
	return func(w *world, lane int16, r *kmsg.SyncGroupRequest) {
		for _, m := range members {
			a := kmsg.NewSyncGroupRequestGroupAssignment()
			a.MemberID, a.MemberAssignment = w.id(m, lane), []byte("assignment of "+m)
			r.GroupAssignment = append(r.GroupAssignment, a)
		}
	}
}

func leave(group string, members ...string) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group = named(group, lane)
		for _, name := range members {
			m := kmsg.NewLeaveGroupRequestMember()
			m.MemberID = w.id(name, lane)
			req.MemberID, req.Members = m.MemberID, append(req.Members, m)
		}
		return req
	}
}

// lanes10 is a case in the ten lanes that JoinGroup has versions for.
func lanes10(name string, request func(*world, int16) kmsg.Request) testCase {
	return testCase{name: name, from: 0, to: 9, request: request}
}

func (c testCase) keeping(member string) testCase {
	c.keep = keepMember(member)
	return c
}

func (c testCase) over(connection string) testCase {
	c.on = connection
	return c
}

func (c testCase) started() testCase {
	c.start = true
	return c
}

func awaited(name, started string) testCase {
	return testCase{name: name, from: 0, to: 9, await: started, request: func(*world, int16) kmsg.Request { return kmsg.NewPtrJoinGroupRequest() }}
}

var membershipCases = append(ready[:len(ready):len(ready)],
	// What needs no group.
	testCase{name: "heartbeat, unknown group", request: heartbeat("g", "nobody", 1)},
	testCase{name: "heartbeat, empty group", request: heartbeat("", "nobody", 1)},
	testCase{name: "heartbeat, null group", request: heartbeat(null, "nobody", 1)},
	testCase{name: "join, unknown member", request: join("g", "nobody")},
	testCase{name: "join, empty group", request: join("", "")},
	testCase{name: "join, session too short", request: join("g", "", session10(10))},
	testCase{name: "join, session too long", request: join("g", "", session10(1<<30))},
	testCase{name: "join, negative session", request: join("g", "", session10(-1))},
	testCase{name: "join, no protocols", request: join("g", "", protocols("consumer"))},
	testCase{name: "join, no protocol type", request: join("g", "", protocols("", "range"))},
	testCase{name: "join, unknown static member", request: join("g", "nobody", instance("i"))}.since(5),
	testCase{name: "sync, unknown group", request: sync("g", "nobody", 1)},
	testCase{name: "sync, empty group", request: sync("", "nobody", 1)},
	testCase{name: "sync, empty member", request: sync("g", "", 1)},
	testCase{name: "sync, no protocol", request: sync("g", "nobody", 1, func(_ *world, _ int16, r *kmsg.SyncGroupRequest) { r.Protocol = nil })},
	testCase{name: "leave, unknown group", request: leave("g", "nobody")},
	testCase{name: "leave, empty group", request: leave("", "nobody")},
	testCase{name: "leave, nobody", request: leave("g")}.since(3),
	testCase{name: "leave, two unknown", request: leave("g", "nobody", "noone")}.since(3),

	// One member, then two, at every version of JoinGroup.
	lanes10("a asks", join("live", "")).keeping("a"),
	lanes10("a joins", join("live", "a")).keeping("a"),
	lanes10("heartbeat before sync", heartbeat("live", "a", 1)),
	lanes10("sync of another generation", sync("live", "a", 7)),
	lanes10("sync of nobody", sync("live", "nobody", 1)),
	lanes10("sync with another protocol", sync("live", "a", 1, func(_ *world, _ int16, r *kmsg.SyncGroupRequest) { r.Protocol = ptr("other") })),
	lanes10("sync with another type", sync("live", "a", 1, func(_ *world, _ int16, r *kmsg.SyncGroupRequest) { r.ProtocolType = ptr("connect") })),
	lanes10("described before sync", describeGroup("live")),
	lanes10("a syncs", sync("live", "a", 1, assigning("a"))),
	lanes10("a syncs again", sync("live", "a", 1)),
	lanes10("heartbeat", heartbeat("live", "a", 1)),
	lanes10("heartbeat of the generation before", heartbeat("live", "a", 0)),
	lanes10("heartbeat of the next generation", heartbeat("live", "a", 2)),
	lanes10("heartbeat of nobody", heartbeat("live", "nobody", 1)),
	lanes10("described", describeGroup("live")),
	lanes10("another protocol", join("live", "", protocols("consumer", "other"))),
	lanes10("another protocol type", join("live", "", protocols("connect", "range"))),
	lanes10("deleted while it lives", deleteGroups("live")),
	lanes10("b asks", join("live", "")).keeping("b").in(4, 9),
	lanes10("b joins", join("live", "b")).keeping("b").over("b").started().in(4, 9),
	testCase{name: "heartbeat in a rebalance", request: heartbeat("live", "a", 1), from: 4, to: 9, until: func(r kmsg.Response) bool {
		return r.(*kmsg.HeartbeatResponse).ErrorCode == 27
	}},
	lanes10("sync in a rebalance", sync("live", "a", 1)).in(4, 9),
	lanes10("described in a rebalance", describeGroup("live")).in(4, 9),
	lanes10("a joins again", join("live", "a")).in(4, 9),
	awaited("b has joined", "b joins").in(4, 9),
	lanes10("b waits for its assignment", sync("live", "b", 2)).over("b").started().in(4, 9),
	lanes10("a assigns", sync("live", "a", 2, assigning("a", "b"))).in(4, 9),
	awaited("b has its assignment", "b waits for its assignment").in(4, 9),
	lanes10("described with two", describeGroup("live")).in(4, 9),
	lanes10("follower joins again", join("live", "b")).in(4, 9),
	lanes10("one leaves", leave("live", "b")),
	lanes10("heartbeat after one left", heartbeat("live", "a", 2)).in(4, 9),
	lanes10("leaves twice", leave("live", "a", "a")),
	lanes10("heartbeat after all left", heartbeat("live", "a", 2)),
	lanes10("described when all left", describeGroup("live")),
	lanes10("deleted", deleteGroups("live")),
	lanes10("deleted again", deleteGroups("live")),
)

// static makes a static member's request.
func staticLeave(group string, instances ...string) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group = named(group, lane)
		for _, i := range instances {
			m := kmsg.NewLeaveGroupRequestMember()
			m.InstanceID = ptr(i)
			req.Members = append(req.Members, m)
		}
		return req
	}
}

func staticBeat(member, id string, generation int32) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := heartbeat("static", member, generation)(w, lane).(*kmsg.HeartbeatRequest)
		req.InstanceID = &id
		return req
	}
}

func static(name string, request func(*world, int16) kmsg.Request) testCase {
	return lanes10(name, request).in(5, 9)
}

var staticCases = append(ready[:len(ready):len(ready)],
	static("joins", join("static", "", instance("i"))).keeping("a"),
	static("syncs", sync("static", "a", 1, assigning("a"))),
	static("heartbeat", staticBeat("a", "i", 1)),
	static("heartbeat with another id", staticBeat("someone", "i", 1)),
	static("heartbeat with another instance", staticBeat("a", "j", 1)),
	static("described", describeGroup("static")),
	static("comes back", join("static", "", instance("i"))).keeping("b"),
	static("heartbeat of the one before", staticBeat("a", "i", 1)),
	static("heartbeat of the new one", staticBeat("b", "i", 1)),
	static("join with the id of before", join("static", "a", instance("i"))),
	static("sync with the id of before", sync("static", "a", 1, func(_ *world, _ int16, r *kmsg.SyncGroupRequest) { r.InstanceID = ptr("i") })),
	static("syncs anew", sync("static", "b", 1, func(_ *world, _ int16, r *kmsg.SyncGroupRequest) { r.InstanceID = ptr("i") })),
	static("empty instance", join("another", "", instance(""))),
	static("illegal instance", join("illegal", "", instance("bad/instance"))),
	static("leaves by another instance", staticLeave("static", "j")),
	static("leaves by id and instance", func(w *world, lane int16) kmsg.Request {
		req := staticLeave("static", "i")(w, lane).(*kmsg.LeaveGroupRequest)
		req.Members[0].MemberID = "someone"
		return req
	}),
	static("leaves", staticLeave("static", "i", "j")),
	static("heartbeat after that", staticBeat("b", "i", 1)),
)

func describeGroup(groups ...string) func(*world, int16) kmsg.Request {
	return func(_ *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrDescribeGroupsRequest()
		for _, g := range groups {
			req.Groups = append(req.Groups, named(g, lane))
		}
		return req
	}
}

func deleteGroups(groups ...string) func(*world, int16) kmsg.Request {
	return func(_ *world, lane int16) kmsg.Request {
		req := kmsg.NewPtrDeleteGroupsRequest()
		for _, g := range groups {
			req.Groups = append(req.Groups, named(g, lane))
		}
		return req
	}
}

func listGroups(states, types []string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrListGroupsRequest()
		req.StatesFilter, req.TypesFilter = states, types
		return req
	}
}

var groupCases = append(ready[:len(ready):len(ready)],
	setup(topic("log", 1, 1)),
	testCase{name: "nobody lists", request: listGroups(nil, nil)},
	testCase{name: "joins", request: join("joined.", "", protocols("consumer", "range", "roundrobin"))}.in(3, 3).keeping("a"),
	testCase{name: "commits", request: commit("simple", "", -1, committing("log", 0, 5))}.in(3, 3),
	testCase{name: "list", request: listGroups(nil, nil)},
	testCase{name: "list empty ones", request: listGroups([]string{"Empty"}, nil)}.since(4),
	testCase{name: "list in another case", request: listGroups([]string{"empty", "COMPLETINGREBALANCE"}, nil)}.since(4),
	testCase{name: "list stable ones", request: listGroups([]string{"Stable"}, nil)}.since(4),
	testCase{name: "list by an unknown state", request: listGroups([]string{"Odd"}, nil)}.since(4),
	testCase{name: "list by an empty state", request: listGroups([]string{""}, nil)}.since(4),
	testCase{name: "list classic ones", request: listGroups(nil, []string{"classic"})}.since(5),
	testCase{name: "list by type in capitals", request: listGroups(nil, []string{"CLASSIC"})}.since(5),
	testCase{name: "list consumer ones", request: listGroups(nil, []string{"consumer"})}.since(5),
	testCase{name: "list by an unknown type", request: listGroups(nil, []string{"odd"})}.since(5),
	testCase{name: "list by state and type", request: listGroups([]string{"Empty"}, []string{"classic", "share"})}.since(5),
	testCase{name: "describe unknown", request: describeGroup("g", "")},
	testCase{name: "describe none", request: describeGroup()},
	testCase{name: "describe null", request: describeGroup(null)},
	testCase{name: "describe twice", request: describeGroup("g", "g")},
	testCase{name: "describe with operations", request: func(w *world, lane int16) kmsg.Request {
		req := describeGroup("g")(w, lane).(*kmsg.DescribeGroupsRequest)
		req.Groups = append(req.Groups, each("simple", 3))
		req.IncludeAuthorizedOperations = true
		return req
	}}.since(3),
	testCase{name: "delete unknown", request: deleteGroups("g", "")},
	testCase{name: "delete none", request: deleteGroups()},
	testCase{name: "delete null", request: deleteGroups(null)},
	testCase{name: "delete twice", request: deleteGroups("g", "g")},
	testCase{name: "delete one with a member", request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = []string{each("joined.", 3)}
		return req
	}},
	testCase{name: "delete one with offsets", request: deleteGroups("simple")}.in(3, 3),
	testCase{name: "delete it again", request: deleteGroups("simple")}.in(3, 3),
)

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
	testCase{name: "delete, unknown group", request: deleteOffsets("g", map[string][]int32{"log": {0}})},
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
)

// commitLive commits in the group that joined in lane 3.
func commitLive(member string, generation int32) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		return commit("live", member, generation, committing("log", 0, 9))(w, 3)
	}
}
