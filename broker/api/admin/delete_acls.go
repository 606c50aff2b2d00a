package admin

// DeleteAcls (key 31): versions 1-3, as DescribeAcls.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/broker/api"
)

// DeleteACLs removes what the filters choose, all together, and names what each of them
// chose. More than 10,000 are not removed at once.
func (c *Handlers) DeleteACLs(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DeleteACLsRequest)
	resp := kmsg.NewPtrDeleteACLsResponse()
	resp.Results = make([]kmsg.DeleteACLsResponseResult, len(req.Filters))
	whole := c.mayChangeACLs(r)
	errs := make([]error, len(req.Filters))
	var filters []auth.Filter
	for i := range req.Filters {
		in := &req.Filters[i]
		if err := checkACL(in.ResourceType, in.ResourcePatternType, in.Operation, in.PermissionType); err != nil {
			return nil, err
		}
		resp.Results[i].MatchingACLs = []kmsg.DeleteACLsResponseResultMatchingACL{}
		if errs[i] = whole; whole != nil {
			continue
		}
		f, err := aclFilter(in.ResourceType, in.ResourcePatternType, in.ResourceName, in.Principal, in.Host, in.Operation, in.PermissionType)
		if errs[i] = err; err == nil {
			filters = append(filters, f)
		}
	}
	var chosen [][]auth.ACL
	if len(filters) > 0 {
		var err error
		if chosen, err = c.ACLs.Delete(ctx, filters); err != nil {
			whole = aclError(err)
		}
	}
	for i, err := range errs {
		out := &resp.Results[i]
		if err == nil {
			err = whole
		}
		c.refuse(&out.ErrorCode, &out.ErrorMessage, err)
		if err != nil {
			continue
		}
		for j := range chosen[0] {
			out.MatchingACLs = append(out.MatchingACLs, matched(&chosen[0][j]))
		}
		chosen = chosen[1:]
	}
	return resp, nil
}

func matched(a *auth.ACL) kmsg.DeleteACLsResponseResultMatchingACL {
	m := kmsg.NewDeleteACLsResponseResultMatchingACL()
	m.ResourceType, m.ResourcePatternType, m.ResourceName = kmsg.ACLResourceType(a.Type), kmsg.ACLResourcePatternType(a.Pattern), a.Name
	m.Principal, m.Host, m.Operation, m.PermissionType = a.Principal, a.Host, kmsg.ACLOperation(a.Operation), kmsg.ACLPermissionType(a.Permission)
	return m
}
