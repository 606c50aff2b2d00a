package admin

// DescribeAcls (key 29): versions 1-3.
//
//	v1     patterns of names (KIP-290)
//	v2     flexible
//	v3     users as resources (KIP-373)
//
// Without an authorizer it answers as a Kafka without one: clients and UIs then say that
// ACLs are not in use, where the absence of the API reads as a broker that is too old.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// DescribeACLs shows the ACLs that a filter chooses, by what they are about.
func (c *Handlers) DescribeACLs(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DescribeACLsRequest)
	if err := checkACL(req.ResourceType, req.ResourcePatternType, req.Operation, req.PermissionType); err != nil {
		return nil, err
	}
	resp := kmsg.NewPtrDescribeACLsResponse()
	resp.Resources = []kmsg.DescribeACLsResponseResource{}
	f, err := aclFilter(req.ResourceType, req.ResourcePatternType, req.ResourceName, req.Principal, req.Host, req.Operation, req.PermissionType)
	if c.ACLs == nil {
		err = protocol.Errorf(protocol.SecurityDisabled, "No Authorizer is configured on the broker")
	} else if denied := needs(r, kmsg.ACLOperationDescribe); denied != nil {
		err = denied
	}
	if err != nil {
		c.refuse(&resp.ErrorCode, &resp.ErrorMessage, err)
		return resp, nil
	}
	list, err := c.matching(ctx, r, &f)
	if err != nil {
		return nil, err
	}
	for i, a := range list {
		if i == 0 || !sameResource(a, list[i-1]) {
			out := kmsg.NewDescribeACLsResponseResource()
			out.ResourceType, out.ResourcePatternType, out.ResourceName = kmsg.ACLResourceType(a.Type), kmsg.ACLResourcePatternType(a.Pattern), a.Name
			resp.Resources = append(resp.Resources, out)
		}
		out := kmsg.NewDescribeACLsResponseResourceACL()
		out.Principal, out.Host, out.Operation, out.PermissionType = a.Principal, a.Host, kmsg.ACLOperation(a.Operation), kmsg.ACLPermissionType(a.Permission)
		last := &resp.Resources[len(resp.Resources)-1]
		last.ACLs = append(last.ACLs, out)
	}
	return resp, nil
}

func sameResource(a, b *auth.ACL) bool {
	return a.Type == b.Type && a.Pattern == b.Pattern && a.Name == b.Name
}
