package compat

import "github.com/twmb/franz-go/pkg/kmsg"

var groupCases = []testCase{
	{name: "coordinator", from: 0, to: 3, request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKey = "g"
		return req
	}, until: func(r kmsg.Response) bool { return r.(*kmsg.FindCoordinatorResponse).ErrorCode == 0 }},
	{name: "heartbeat, unknown group", from: 0, to: 4, request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.Generation = "g", "nobody", 1
		return req
		// While it loads the group, Kafka's coordinator finds every heartbeat good.
	}, until: func(r kmsg.Response) bool { return r.(*kmsg.HeartbeatResponse).ErrorCode == 25 }},
	{name: "heartbeat, empty group", from: 0, to: 4, request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrHeartbeatRequest()
		req.MemberID = "nobody"
		return req
	}},
	{name: "join, unknown member", from: 0, to: 9, request: func(*world, int16) kmsg.Request { return join("g", "nobody", 10000) }},
	{name: "join, empty group", from: 0, to: 9, request: func(*world, int16) kmsg.Request { return join("", "", 10000) }},
	{name: "join, session too short", from: 0, to: 9, request: func(*world, int16) kmsg.Request { return join("g", "", 10) }},
	{name: "join, session too long", from: 0, to: 9, request: func(*world, int16) kmsg.Request { return join("g", "", 1<<30) }},
	{name: "sync, unknown group", from: 0, to: 4, request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrSyncGroupRequest()
		req.Group, req.MemberID, req.Generation = "g", "nobody", 1
		return req
	}},
	{name: "leave, unknown group", from: 0, to: 2, request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group, req.MemberID = "g", "nobody"
		return req
	}},
	{name: "describe, unknown group", from: 0, to: 6, request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Groups = []string{"g", ""}
		return req
	}},
	{name: "delete, unknown group", from: 0, to: 2, request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = []string{"g", ""}
		return req
	}},
	{name: "list", from: 0, to: 5, request: func(*world, int16) kmsg.Request { return kmsg.NewPtrListGroupsRequest() }},
	{name: "offsets of an unknown group", from: 2, to: 7, request: func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Group = "g"
		return req
	}},
}

func join(group, member string, session int32) kmsg.Request {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = group, member, session, 10000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name = "range"
	req.ProtocolType, req.Protocols = "consumer", append(req.Protocols, p)
	return req
}
