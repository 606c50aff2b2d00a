package admin

// DescribeAcls (key 29): versions 1-3.
//
//	v1     patterns of names (KIP-290)
//	v2     flexible
//	v3     users as resources (KIP-373)
//
// There is no authorizer, which is what a Kafka without one answers: clients and UIs then
// say that ACLs are not in use, where the absence of the API reads as a broker that is
// too old.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// DescribeACLs says that there is no authorizer.
func (c *Handlers) DescribeACLs(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DescribeACLsRequest)
	if err := checkACL(req.ResourceType, req.ResourcePatternType, req.Operation, req.PermissionType); err != nil {
		return nil, err
	}
	resp := kmsg.NewPtrDescribeACLsResponse()
	resp.Resources = []kmsg.DescribeACLsResponseResource{}
	c.refuse(&resp.ErrorCode, &resp.ErrorMessage,
		protocol.Errorf(protocol.SecurityDisabled, "No Authorizer is configured on the broker"))
	return resp, nil
}

// noAuthorizer answers each change of an ACL. Kafka's controller words it so, its broker
// as DescribeACLs does.
var noAuthorizer = protocol.Errorf(protocol.SecurityDisabled, "No Authorizer is configured.")

// checkACL refuses the zero values, which clients only have for what they do not know
// themselves. Kafka closes the connection on them, before it looks for an authorizer;
// any other number passes.
func checkACL(r kmsg.ACLResourceType, p kmsg.ACLResourcePatternType, o kmsg.ACLOperation, e kmsg.ACLPermissionType) error {
	if r == kmsg.ACLResourceTypeUnknown || p == kmsg.ACLResourcePatternTypeUnknown ||
		o == kmsg.ACLOperationUnknown || e == kmsg.ACLPermissionTypeUnknown {
		return protocol.Errorf(protocol.InvalidRequest, "an ACL of unknown type")
	}
	return nil
}
