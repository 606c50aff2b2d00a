package groups

// ListGroups (key 16): versions 0-5.
//
//	v1     throttle time
//	v2     throttling after the answer (KIP-219)
//	v3     flexible
//	v4     filter by state, state of each group (KIP-518)
//	v5     filter by type, type of each group (KIP-848); all are "classic" here

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator"
)

// ListGroups lists the groups of this broker.
func (g *Handlers) ListGroups(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.ListGroupsRequest)
	list, code := g.Coordinator.ListGroups(&coordinator.Filter{States: req.StatesFilter, Types: req.TypesFilter})
	resp := kmsg.NewPtrListGroupsResponse()
	resp.ErrorCode = int16(code)
	resp.Groups = make([]kmsg.ListGroupsResponseGroup, 0, len(list))
	all := r.SeesCluster(kmsg.ACLOperationDescribe)
	for i := range list {
		if !all && !r.Sees(kmsg.ACLResourceTypeGroup, kmsg.ACLOperationDescribe, list[i].ID) {
			continue
		}
		e := kmsg.NewListGroupsResponseGroup()
		e.Group, e.ProtocolType = list[i].ID, list[i].ProtocolType
		e.GroupState, e.GroupType = list[i].State.String(), list[i].Type
		resp.Groups = append(resp.Groups, e)
	}
	return resp, nil
}
