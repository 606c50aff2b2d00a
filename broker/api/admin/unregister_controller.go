package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// UnregisterController (key 94), version 0: the broker is the only controller.

// UnregisterController refuses this broker and knows no other.
func (c *Handlers) UnregisterController(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.UnregisterControllerRequest)
	resp := kmsg.NewPtrUnregisterControllerResponse()
	err := protocol.Errorf(protocol.ControllerIDNotRegistered, "Controller ID %d is not currently registered.", req.ControllerID)
	if req.ControllerID == c.Node.ID {
		err = protocol.Errorf(protocol.InvalidRequest, "Controller cannot unregister itself while it is active.")
	}
	if denied := needs(r, kmsg.ACLOperationAlter); denied != nil {
		c.refuse(&resp.ErrorCode, &resp.ErrorMessage, denied)
		return resp, nil
	}
	c.refuse(&resp.ErrorCode, &resp.ErrorMessage, err)
	return resp, nil
}
