package admin

// CreateAcls (key 30): versions 1-3, as DescribeAcls.

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// CreateACLs makes ACLs: each is judged by itself, and those that can be are made together.
// What is there already is made with success. They are in force when they are answered.
func (c *Handlers) CreateACLs(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.CreateACLsRequest)
	resp := kmsg.NewPtrCreateACLsResponse()
	resp.Results = make([]kmsg.CreateACLsResponseResult, len(req.Creations))
	whole := c.mayChangeACLs(r)
	errs := make([]error, len(req.Creations))
	var list []auth.ACL
	for i := range req.Creations {
		in := &req.Creations[i]
		if err := checkACL(in.ResourceType, in.ResourcePatternType, in.Operation, in.PermissionType); err != nil {
			return nil, err
		}
		a := auth.ACL{
			Type: auth.ResourceType(in.ResourceType), Pattern: auth.Pattern(in.ResourcePatternType), Name: in.ResourceName,
			Principal: in.Principal, Host: in.Host, Operation: auth.Operation(in.Operation), Permission: auth.Permission(in.PermissionType),
		}
		if errs[i] = whole; whole != nil {
			continue
		}
		if err := a.Check(); err != nil {
			errs[i] = protocol.Errorf(protocol.InvalidRequest, "%s", invalid(err))
			continue
		}
		list = append(list, a)
	}
	if len(list) > 0 {
		if err := c.ACLs.Create(ctx, list); err != nil {
			whole = aclError(err)
		}
	}
	for i, err := range errs {
		if err == nil {
			err = whole
		}
		c.refuse(&resp.Results[i].ErrorCode, &resp.Results[i].ErrorMessage, err)
	}
	return resp, nil
}

// mayChangeACLs says why a client may not, or nil.
func (c *Handlers) mayChangeACLs(r *api.Request) error {
	if c.ACLs == nil {
		return errNoAuthorizer
	}
	return needs(r, kmsg.ACLOperationAlter)
}

// invalid is what is wrong with an ACL, as a client is told.
func invalid(err error) string {
	var fault *auth.Fault
	if errors.As(err, &fault) {
		return fault.What
	}
	return err.Error()
}
