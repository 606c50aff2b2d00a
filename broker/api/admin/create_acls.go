package admin

// CreateAcls (key 30): versions 1-3, as DescribeAcls.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
)

// CreateACLs refuses each, since there is no authorizer.
func (c *Handlers) CreateACLs(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.CreateACLsRequest)
	resp := kmsg.NewPtrCreateACLsResponse()
	resp.Results = make([]kmsg.CreateACLsResponseResult, len(req.Creations))
	for i := range req.Creations {
		in, out := &req.Creations[i], &resp.Results[i]
		if err := checkACL(in.ResourceType, in.ResourcePatternType, in.Operation, in.PermissionType); err != nil {
			return nil, err
		}
		c.refuse(&out.ErrorCode, &out.ErrorMessage, noAuthorizer)
	}
	return resp, nil
}
