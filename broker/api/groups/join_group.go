package groups

// JoinGroup (key 11): versions 0-9.
//
//	v0     session timeout only, which is the rebalance timeout too
//	v1     rebalance timeout (KIP-62)
//	v2     throttle time
//	v3     throttling after the answer (KIP-219)
//	v4     a new member is given an id first and comes back with it (KIP-394)
//	v5     static members (KIP-345)
//	v6     flexible
//	v7     protocol type in the answer, protocol nullable (KIP-559)
//	v8     reason (KIP-800)
//	v9     skip assignment (KIP-814)
//
// Deliberately not done: the reason is not kept.

import (
	"bytes"
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

// JoinGroup answers once the group has formed a generation, or with an error.
func (g *Handlers) JoinGroup(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.JoinGroupRequest)
	reply := group.JoinReply{Code: r.Group(req.Group, kmsg.ACLOperationRead), MemberID: req.MemberID, Generation: -1}
	if reply.Code == protocol.None {
		join := g.joinRequest(r, req)
		r.Free() // the coordinator counts what it keeps
		reply = g.Coordinator.JoinGroup(r.Waits(ctx), req.Group, join)
	}

	resp := kmsg.NewPtrJoinGroupResponse()
	resp.ErrorCode, resp.Generation = int16(reply.Code), reply.Generation
	resp.Protocol, resp.LeaderID, resp.MemberID = reply.Protocol, reply.Leader, reply.MemberID
	resp.SkipAssignment = reply.SkipAssignment
	if reply.Code == protocol.None {
		resp.ProtocolType = &reply.ProtocolType
	}
	resp.Members = make([]kmsg.JoinGroupResponseMember, 0, len(reply.Members))
	for i := range reply.Members {
		m := kmsg.NewJoinGroupResponseMember()
		m.MemberID, m.InstanceID = reply.Members[i].MemberID, reply.Members[i].InstanceID
		m.ProtocolMetadata = reply.Members[i].Metadata
		resp.Members = append(resp.Members, m)
	}
	return resp, nil
}

func (g *Handlers) joinRequest(r *api.Request, req *kmsg.JoinGroupRequest) *group.JoinRequest {
	j := &group.JoinRequest{
		MemberID: req.MemberID, InstanceID: req.InstanceID,
		ClientID: r.ClientID, ClientHost: r.Conn.ClientHost,
		SessionTimeout: millis(req.SessionTimeoutMillis), RebalanceTimeout: millis(req.RebalanceTimeoutMillis),
		ProtocolType:       req.ProtocolType,
		RequireKnownMember: r.Version >= 4, SkipAssignment: r.Version >= 9,
	}
	if r.Version < 1 {
		j.RebalanceTimeout = j.SessionTimeout
	}
	if req.MemberID == "" {
		prefix := r.ClientID
		if req.InstanceID != nil {
			prefix = *req.InstanceID
		}
		j.NewMemberID = prefix + "-" + g.NewUUID()
	}
	j.Protocols = make([]group.Protocol, 0, len(req.Protocols))
	for i := range req.Protocols { // copied: a view would keep the whole body for the life of the member
		j.Protocols = append(j.Protocols, group.Protocol{Name: req.Protocols[i].Name, Metadata: bytes.Clone(req.Protocols[i].Metadata)})
	}
	return j
}
