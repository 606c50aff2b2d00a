package api

// FindCoordinator (key 10): versions 0-6.
//
//	v0     one group
//	v1     type of the key: 0 group, 1 transaction; error message; throttle time
//	v2     throttling after the answer (KIP-219)
//	v3     flexible
//	v4     several keys, an error for each (KIP-699)
//	v5     error code TRANSACTION_ABORTABLE (KIP-890)
//	v6     type 2, share group state (KIP-932)
//
// Deliberately not done: types 1 and 2 get INVALID_REQUEST with a message until this
// broker has transactions and share groups; a code that clients retry would make
// them hang. Unlike Kafka the internal topic exists when the first answer leaves, so
// that it is not COORDINATOR_NOT_AVAILABLE.

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

const (
	coordinatorGroup       = 0
	coordinatorTransaction = 1
	coordinatorShare       = 2
)

// FindCoordinator answers which broker coordinates groups.
func (g *Groups) FindCoordinator(ctx context.Context, r *Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.FindCoordinatorRequest)
	resp := kmsg.NewPtrFindCoordinatorResponse()
	resp.Coordinators = []kmsg.FindCoordinatorResponseCoordinator{}
	if r.Version < 4 {
		c := g.coordinatorOf(ctx, r, req.CoordinatorType, req.CoordinatorKey)
		resp.ErrorCode, resp.ErrorMessage = c.ErrorCode, c.ErrorMessage
		resp.NodeID, resp.Host, resp.Port = c.NodeID, c.Host, c.Port
		if c.ErrorCode == 0 {
			none := protocol.None.String() // as Kafka says here, and only here
			resp.ErrorMessage = &none
		}
		return resp, nil
	}
	for _, key := range req.CoordinatorKeys {
		resp.Coordinators = append(resp.Coordinators, g.coordinatorOf(ctx, r, req.CoordinatorType, key))
	}
	return resp, nil
}

func (g *Groups) coordinatorOf(ctx context.Context, r *Request, kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	c := kmsg.NewFindCoordinatorResponseCoordinator()
	c.Key, c.NodeID, c.Port = key, -1, -1
	code, message := g.findCoordinator(ctx, kind, key)
	c.ErrorCode, c.ErrorMessage = int16(code), &message
	if code == protocol.None {
		e := g.Node.Endpoint(r.Conn.Listener)
		c.NodeID, c.Host, c.Port = g.Node.ID, e.Host, e.Port
	}
	return c
}

func (g *Groups) findCoordinator(ctx context.Context, kind int8, key string) (protocol.Code, string) {
	switch kind {
	case coordinatorGroup:
		code := g.Coordinator.Find(ctx, key)
		if code == protocol.None {
			return code, ""
		}
		return code, "The group coordinator is not available."
	case coordinatorTransaction:
		return protocol.InvalidRequest, "This broker does not support transactions."
	case coordinatorShare:
		return protocol.InvalidRequest, "This broker does not support share groups."
	default:
		return protocol.InvalidRequest, fmt.Sprintf("Unknown coordinator type %d.", kind)
	}
}
