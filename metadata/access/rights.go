package access

import (
	"net/netip"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/auth"
	"github.com/streamhouse/streamhouse/protocol"
)

// Rights is what one client may do. One goroutine asks.
type Rights struct {
	access *Access
	denied *Denials
	who    auth.Who
	view   *auth.View
}

// Of returns what a principal at an address may do, as the ACLs are now. Denials are told
// to denied.
func (a *Access) Of(principal auth.Principal, host netip.Addr, denied *Denials) *Rights {
	return &Rights{access: a, denied: denied, who: a.policy.Who(principal, host), view: a.View()}
}

// Renew takes the ACLs as they are now. Until then all questions are answered by the same
// view, however often ACLs change.
func (r *Rights) Renew() { r.view = r.access.View() }

// Version names the view by which questions are answered.
func (r *Rights) Version() int64 { return r.view.Version }

// Principal is whose rights they are.
func (r *Rights) Principal() auth.Principal { return r.who.Principal }

// May says whether the client may do op with the resource called name.
func (r *Rights) May(on kmsg.ACLResourceType, op kmsg.ACLOperation, name string) bool {
	return r.access.policy.Decide(r.view, &r.who, auth.Operation(op), auth.ResourceType(on), name).Allowed
}

// MayAny says whether the client may do op with any resource of a type.
func (r *Rights) MayAny(on kmsg.ACLResourceType, op kmsg.ACLOperation) bool {
	return r.access.policy.DecideAny(r.view, &r.who, auth.Operation(op), auth.ResourceType(on)).Allowed
}

// Denied writes down that a request was denied something.
func (r *Rights) Denied(key int16, on kmsg.ACLResourceType, op kmsg.ACLOperation, name string) {
	d := r.access.policy.Decide(r.view, &r.who, auth.Operation(op), auth.ResourceType(on), name)
	r.denied.log(
		zap.String("principal", r.who.Principal.String()), zap.Stringer("host", r.who.Host), zap.String("request", protocol.Name(key)),
		zap.Stringer("operation", auth.Operation(op)), zap.Stringer("resource", auth.ResourceType(on)), zap.String("name", name),
		zap.String("reason", d.Reason()),
	)
}
