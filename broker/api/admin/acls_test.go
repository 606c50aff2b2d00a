package admin_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
)

// TestACLsWithoutAuthorizer: each of the three says that there is none, for each thing
// it was asked.
func TestACLsWithoutAuthorizer(t *testing.T) {
	c := apitest.Start(t, apitest.Options{}).Dial()
	check := func(t *testing.T, code int16, message *string, want string) {
		t.Helper()
		if protocol.Code(code) != protocol.SecurityDisabled || text(message) != want {
			t.Errorf("%v %q, want %q", protocol.Code(code), text(message), want)
		}
	}
	apitest.Versions(t, protocol.KeyDescribeAcls, func(t *testing.T, version int16) {
		req := kmsg.NewPtrDescribeACLsRequest()
		req.Version, req.ResourceType, req.ResourcePatternType = version, kmsg.ACLResourceTypeAny, kmsg.ACLResourcePatternTypeAny
		req.Operation, req.PermissionType = kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
		resp := c.Call(req).(*kmsg.DescribeACLsResponse)
		check(t, resp.ErrorCode, resp.ErrorMessage, "No Authorizer is configured on the broker")
	})
	apitest.Versions(t, protocol.KeyCreateAcls, func(t *testing.T, version int16) {
		req := kmsg.NewPtrCreateACLsRequest()
		req.Version = version
		one := kmsg.CreateACLsRequestCreation{ResourceType: kmsg.ACLResourceTypeTopic, ResourceName: "t", Principal: "User:a", Host: "*",
			ResourcePatternType: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationRead, PermissionType: kmsg.ACLPermissionTypeAllow}
		req.Creations = append(req.Creations, one, one)
		resp := c.Call(req).(*kmsg.CreateACLsResponse)
		if len(resp.Results) != 2 {
			t.Fatalf("%+v", resp)
		}
		for _, r := range resp.Results {
			check(t, r.ErrorCode, r.ErrorMessage, "No Authorizer is configured.")
		}
	})
	apitest.Versions(t, protocol.KeyDeleteAcls, func(t *testing.T, version int16) {
		req := kmsg.NewPtrDeleteACLsRequest()
		req.Version = version
		one := kmsg.DeleteACLsRequestFilter{ResourceType: kmsg.ACLResourceTypeAny, ResourcePatternType: kmsg.ACLResourcePatternTypeAny,
			Operation: kmsg.ACLOperationAny, PermissionType: kmsg.ACLPermissionTypeAny}
		req.Filters = append(req.Filters, one, one, one)
		resp := c.Call(req).(*kmsg.DeleteACLsResponse)
		if len(resp.Results) != 3 {
			t.Fatalf("%+v", resp)
		}
		for _, r := range resp.Results {
			check(t, r.ErrorCode, r.ErrorMessage, "No Authorizer is configured.")
		}
	})
}
