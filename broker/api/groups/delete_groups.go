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
	codes := g.Coordinator.DeleteGroups(ctx, ids)
	resp := kmsg.NewPtrDeleteGroupsResponse()
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, 0, len(ids))
	for i, id := range ids {
		e := kmsg.NewDeleteGroupsResponseGroup()
		e.Group, e.ErrorCode = id, int16(codes[i]) // Kafka has a message for GROUP_DELETION_FAILED only
		resp.Groups = append(resp.Groups, e)
	}
	return resp, nil
}
