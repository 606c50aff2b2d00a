package groups

// SyncGroup (key 14): versions 0-5.
//
//	v1     throttle time
//	v2     throttling after the answer (KIP-219)
//	v3     static members (KIP-345)
//	v4     flexible
//	v5     protocol type and name, mandatory (KIP-559)

import (
	"bytes"
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

// SyncGroup answers with the member's assignment once the leader has sent it and it
// is stored.
func (g *Handlers) SyncGroup(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.SyncGroupRequest)
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.MemberAssignment = []byte{}
	if r.Version >= 5 && (req.ProtocolType == nil || req.Protocol == nil) {
		resp.ErrorCode = int16(protocol.InconsistentGroupProtocol)
		return resp, nil
	}
	if code := r.Group(req.Group, kmsg.ACLOperationRead); code != protocol.None {
		resp.ErrorCode = int16(code)
		return resp, nil
	}
	s := &group.SyncRequest{
		MemberID: req.MemberID, InstanceID: req.InstanceID, Generation: req.Generation,
		ProtocolType: req.ProtocolType, Protocol: req.Protocol,
		Assignments: make(map[string][]byte, len(req.GroupAssignment)),
	}
	for i := range req.GroupAssignment {
		s.Assignments[req.GroupAssignment[i].MemberID] = bytes.Clone(req.GroupAssignment[i].MemberAssignment)
	}
	r.Free() // the coordinator counts what it keeps
	reply := g.Coordinator.SyncGroup(r.Waits(ctx), req.Group, s)
	resp.ErrorCode = int16(reply.Code)
	if reply.Code == protocol.None {
		resp.ProtocolType, resp.Protocol = &reply.ProtocolType, reply.Protocol
		resp.MemberAssignment = reply.Assignment
	}
	return resp, nil
}
