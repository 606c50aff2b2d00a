package compat

import "github.com/twmb/franz-go/pkg/kmsg"

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

// staticCommit is an OffsetCommit of a static member.
func staticCommit(member, id string) func(*world, int16) kmsg.Request {
	return func(w *world, lane int16) kmsg.Request {
		req := commit("static", member, 1, committing("log", 0, 5))(w, lane).(*kmsg.OffsetCommitRequest)
		req.InstanceID = &id
		return req
	}
}

var staticCases = append(ready[:len(ready):len(ready)],
	setup(topic("log", 1, 1)),
	static("joins", join("static", "", instance("i"))).keeping("a"),
	static("syncs", sync("static", "a", 1, assigning("a"))),
	static("heartbeat", staticBeat("a", "i", 1)),
	static("heartbeat with another id", staticBeat("someone", "i", 1)),
	static("heartbeat with another instance", staticBeat("a", "j", 1)),
	static("described", describeGroup("static")),
	static("comes back", join("static", "", instance("i"))).keeping("b"),
	static("heartbeat of the one before", staticBeat("a", "i", 1)),
	static("heartbeat of the new one", staticBeat("b", "i", 1)),
	static("commit by the one before", staticCommit("a", "i")),
	static("commit by another instance", staticCommit("b", "j")),
	static("commit by the new one", staticCommit("b", "i")),
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
