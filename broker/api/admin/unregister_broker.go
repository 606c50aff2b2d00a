package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// UnregisterBroker (key 64), version 0 (KIP-500). Kafka obeys even for a live broker,
// which is then shut out until it restarts. Here the only broker is the one that
// answers, and it is refused: the cluster would be without a broker.

// UnregisterBroker refuses every broker.
func (c *Handlers) UnregisterBroker(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.UnregisterBrokerRequest)
	resp := kmsg.NewPtrUnregisterBrokerResponse()
	err := protocol.Errorf(protocol.BrokerIDNotRegistered, "Broker ID %d is not currently registered", req.BrokerID)
	if req.BrokerID == c.Node.ID {
		err = protocol.Errorf(protocol.InvalidRequest, "Broker ID %d is alive, and the only broker: it cannot be unregistered", req.BrokerID)
	}
	if denied := needs(r, kmsg.ACLOperationAlter); denied != nil {
		c.refuse(&resp.ErrorCode, &resp.ErrorMessage, denied)
		return resp, nil
	}
	c.refuse(&resp.ErrorCode, &resp.ErrorMessage, err)
	return resp, nil
}
