package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// InitProducerId (key 22), versions 0 to 5.
//
//	2  flexible
//	3  the producer's id and epoch, of which an idempotent one has no use (KIP-360)
//	4  PRODUCER_FENCED, 5 TRANSACTION_ABORTABLE: transactions only
//
// Not done: transactional ids. They get INVALID_REQUEST, which clients do not retry;
// the answer has no field for a message.

// InitProducerID gives a new id with epoch 0 to each producer that asks.
func (c *Core) InitProducerID(ctx context.Context, r *Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.InitProducerIDRequest)
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	halfKnown := r.Version >= 3 && (req.ProducerID == -1) != (req.ProducerEpoch == -1)
	if req.TransactionalID != nil || halfKnown {
		resp.ErrorCode = int16(protocol.InvalidRequest)
		return resp, nil
	}
	id, err := c.ProducerIDs.Next(ctx)
	if err != nil {
		resp.ErrorCode = int16(protocol.CoordinatorLoadInProgress) // as Kafka's, which is retried
		return resp, nil
	}
	resp.ProducerID, resp.ProducerEpoch = id, 0
	return resp, nil
}
