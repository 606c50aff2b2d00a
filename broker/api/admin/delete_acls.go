package admin

// DeleteAcls (key 31): versions 1-3, as DescribeAcls.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
)

// DeleteACLs refuses each filter, since there is no authorizer.
func (c *Handlers) DeleteACLs(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DeleteACLsRequest)
	resp := kmsg.NewPtrDeleteACLsResponse()
	resp.Results = make([]kmsg.DeleteACLsResponseResult, len(req.Filters))
	for i := range req.Filters {
		in, out := &req.Filters[i], &resp.Results[i]
		if err := checkACL(in.ResourceType, in.ResourcePatternType, in.Operation, in.PermissionType); err != nil {
			return nil, err
		}
		out.MatchingACLs = []kmsg.DeleteACLsResponseResultMatchingACL{}
		c.refuse(&out.ErrorCode, &out.ErrorMessage, noAuthorizer)
	}
	return resp, nil
}
