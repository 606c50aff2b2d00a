package groups

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
// Deliberately not done: type 2 gets INVALID_REQUEST with a message until this broker has
// share groups; a code that clients retry would make them hang. Unlike Kafka the internal topic exists when the first answer leaves, so
// that it is not COORDINATOR_NOT_AVAILABLE.

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
)

const (
	coordinatorGroup       = 0
	coordinatorTransaction = 1
	coordinatorShare       = 2
)

// findWait is how long a request waits for what it names to be loaded, all keys together.
const findWait = 3 * time.Second

// kindOf are the kinds of keys that have a coordinator.
var kindOf = map[int8]leaders.Kind{coordinatorGroup: leaders.Group, coordinatorTransaction: leaders.Transaction}

// FindCoordinator answers which broker coordinates groups and transactions.
func (g *Handlers) FindCoordinator(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.FindCoordinatorRequest)
	ctx, cancel := context.WithTimeout(ctx, findWait)
	defer cancel()
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
	var repeats api.Repeats[string]
	for _, key := range req.CoordinatorKeys {
		if err := repeats.Name(key); err != nil {
			return nil, err
		}
		c := g.coordinatorOf(ctx, r, req.CoordinatorType, key)
		if err := r.Bill.Add(r.Waits(ctx), 256+len(key)+len(c.Host)); err != nil {
			return nil, err
		}
		resp.Coordinators = append(resp.Coordinators, c)
	}
	return resp, nil
}

func (g *Handlers) coordinatorOf(ctx context.Context, r *api.Request, kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	c := kmsg.NewFindCoordinatorResponseCoordinator()
	c.Key, c.NodeID, c.Port = key, -1, -1
	code, message := g.findCoordinator(ctx, r, kind, key)
	c.ErrorCode, c.ErrorMessage = int16(code), &message
	if code == protocol.None {
		view := g.Leaders.View()
		n := view.Node(view.Coordinator(kindOf[kind], key))
		e := n.Endpoint(r.Conn.Listener)
		c.NodeID, c.Host, c.Port = n.ID, e.Host, e.Port
	}
	return c
}

// malformedRequest is what Kafka says where it has nothing of its own to say about an
// invalid request.
const malformedRequest = "This most likely occurs because of a request being malformed by the client library or " +
	"the message was sent to an incompatible broker. See the broker logs for more details."

func (g *Handlers) findCoordinator(ctx context.Context, r *api.Request, kind int8, key string) (protocol.Code, string) {
	switch kind {
	case coordinatorGroup:
		if code := r.Group(key, kmsg.ACLOperationDescribe); code != protocol.None {
			return code, ""
		}
		code := g.Coordinator.Find(ctx, key)
		if code == protocol.None {
			return code, ""
		}
		return code, "The group coordinator is not available."
	case coordinatorTransaction:
		if code := r.TransactionalID(key, kmsg.ACLOperationDescribe); code != protocol.None {
			return code, ""
		}
		code := g.TransactionIDs.Find(ctx, key)
		if code == protocol.None {
			return code, ""
		}
		return code, "The transaction coordinator is not available."
	case coordinatorShare:
		if code := r.Cluster(kmsg.ACLOperationClusterAction); code != protocol.None {
			return code, ""
		}
		// Share groups are not served, and no key is one of theirs: Kafka says that
		// without a text of its own.
		if r.Version < 4 {
			return protocol.InvalidRequest, malformedRequest
		}
		return protocol.InvalidRequest, ""
	default:
		return protocol.InvalidRequest, malformedRequest
	}
}
