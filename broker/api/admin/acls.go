package admin

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/access"
	"github.com/streamhouse/streamhouse/protocol"
)

// ACLs keeps who may do what. An access.Access is one.
type ACLs interface {
	View() *auth.View
	Create(ctx context.Context, list []auth.ACL) error
	Delete(ctx context.Context, filters []auth.Filter) ([][]auth.ACL, error)
}

// errNoAuthorizer answers each change of an ACL where there is no authorizer. Kafka's
// controller words it so, its broker as DescribeACLs does.
var errNoAuthorizer = protocol.Errorf(protocol.SecurityDisabled, "No Authorizer is configured.")

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

// aclFilter is a filter as a request has it. The error is INVALID_REQUEST for what no ACL
// can be.
func aclFilter(r kmsg.ACLResourceType, p kmsg.ACLResourcePatternType, name, principal, host *string, o kmsg.ACLOperation, e kmsg.ACLPermissionType) (auth.Filter, error) {
	f := auth.Filter{
		Type: auth.ResourceType(r), Pattern: auth.Pattern(p), Name: name, Principal: principal, Host: host,
		Operation: auth.Operation(o), Permission: auth.Permission(e),
	}
	switch {
	case f.Type != auth.AnyResource && !auth.KnownResource(f.Type), f.Pattern < auth.AnyPattern || f.Pattern > auth.Prefixed:
		return f, protocol.Errorf(protocol.InvalidRequest, "Unknown patternFilter.")
	case f.Operation != auth.AnyOperation && !auth.KnownOperation(f.Operation), f.Permission < auth.AnyPermission || f.Permission > auth.Allow:
		return f, protocol.Errorf(protocol.InvalidRequest, "Unknown entryFilter.")
	}
	return f, nil
}

// aclError is how a change that failed is answered.
func aclError(err error) error {
	switch {
	case errors.Is(err, access.ErrTooMany):
		return protocol.Errorf(protocol.InvalidRequest, "Excessively large number of records generated.")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return protocol.RequestTimedOut
	}
	return err
}

// kafkas says whether Kafka's APIs show an ACL: those about types of our own they never do.
func kafkas(a *auth.ACL) bool { return auth.KnownResource(a.Type) }

// aclMemory is about what an ACL takes in an answer, decoded and encoded.
func aclMemory(a *auth.ACL) int { return 128 + 2*(len(a.Name)+len(a.Principal)+len(a.Host)) }

// matching lists what of the view a filter chooses, as far as the request's answer has
// room.
func (c *Handlers) matching(ctx context.Context, r *api.Request, f *auth.Filter) (list []*auth.ACL, err error) {
	c.ACLs.View().Each(f, func(a *auth.ACL) bool {
		if !kafkas(a) {
			return true
		}
		list = append(list, a)
		err = r.Bill.Add(r.Waits(ctx), aclMemory(a))
		return err == nil
	})
	return list, err
}
