package groups

// DeleteGroups (key 42): versions 0-3.
//
//	v1     throttling after the answer (KIP-219)
//	v2     flexible
//	v3     error message (KIP-1331)
//
// A group that is named twice is deleted and answered once.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// DeleteGroups removes groups without members, with their offsets.
func (g *Handlers) DeleteGroups(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DeleteGroupsRequest)
	ids := make([]string, 0, len(req.Groups))
	seen := make(map[string]bool, len(req.Groups))
	for _, id := range req.Groups {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	allowed := make([]string, 0, len(ids))
	for _, id := range ids {
		if r.Group(id, kmsg.ACLOperationDelete) == protocol.None {
			allowed = append(allowed, id)
		}
	}
	codes := g.Coordinator.DeleteGroups(ctx, allowed)
	resp := kmsg.NewPtrDeleteGroupsResponse()
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, 0, len(ids))
	for _, id := range ids {
		e := kmsg.NewDeleteGroupsResponseGroup()
		e.Group, e.ErrorCode = id, int16(protocol.GroupAuthorizationFailed)
		if len(allowed) > 0 && allowed[0] == id {
			e.ErrorCode = int16(codes[0]) // Kafka has a message for GROUP_DELETION_FAILED only
			allowed, codes = allowed[1:], codes[1:]
		}
		resp.Groups = append(resp.Groups, e)
	}
	return resp, nil
}
