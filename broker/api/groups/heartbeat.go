package groups

// Heartbeat (key 12): versions 0-4.
//
//	v1     throttle time
//	v2     throttling after the answer (KIP-219)
//	v3     static members (KIP-345)
//	v4     flexible

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// Heartbeat keeps a member's session and tells it of rebalances.
func (g *Handlers) Heartbeat(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.HeartbeatRequest)
	resp := kmsg.NewPtrHeartbeatResponse()
	if code := r.Group(req.Group, kmsg.ACLOperationRead); code != protocol.None {
		resp.ErrorCode = int16(code)
		return resp, nil
	}
	resp.ErrorCode = int16(g.Coordinator.Heartbeat(req.Group, req.MemberID, req.InstanceID, req.Generation))
	return resp, nil
}
