package groups

// LeaveGroup (key 13): versions 0-5.
//
//	v0     one member, its error at the top
//	v1     throttle time
//	v2     throttling after the answer (KIP-219)
//	v3     several members, an error for each; static ones by instance id (KIP-345)
//	v4     flexible
//	v5     reason (KIP-800)
//
// Deliberately not done: the reason is not kept.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

// LeaveGroup removes members from a group.
func (g *Handlers) LeaveGroup(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.LeaveGroupRequest)
	if code := r.Group(req.Group, kmsg.ACLOperationRead); code != protocol.None {
		resp := kmsg.NewPtrLeaveGroupResponse()
		resp.ErrorCode, resp.Members = int16(code), []kmsg.LeaveGroupResponseMember{}
		return resp, nil
	}
	leavers := []group.Leaver{{MemberID: req.MemberID}}
	if r.Version >= 3 {
		leavers = make([]group.Leaver, 0, len(req.Members))
		for i := range req.Members {
			leavers = append(leavers, group.Leaver{MemberID: req.Members[i].MemberID, InstanceID: req.Members[i].InstanceID})
		}
	}
	codes, all := g.Coordinator.LeaveGroup(ctx, req.Group, leavers)

	resp := kmsg.NewPtrLeaveGroupResponse()
	resp.ErrorCode = int16(all)
	resp.Members = []kmsg.LeaveGroupResponseMember{}
	if all != protocol.None {
		return resp, nil
	}
	if r.Version < 3 {
		resp.ErrorCode = int16(codes[0])
		return resp, nil
	}
	for i := range codes {
		m := kmsg.NewLeaveGroupResponseMember()
		m.MemberID, m.InstanceID, m.ErrorCode = leavers[i].MemberID, leavers[i].InstanceID, int16(codes[i])
		resp.Members = append(resp.Members, m)
	}
	return resp, nil
}
