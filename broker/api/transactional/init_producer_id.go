package transactional

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// InitProducerId (key 22), versions 0 to 5.
//
//	2  flexible
//	3  the producer's id and epoch, so that it can go on after an error (KIP-360)
//	4  PRODUCER_FENCED (KIP-588)
//	5  TRANSACTION_ABORTABLE (KIP-890)
//
// Version 6 (KIP-939) is not stable in Kafka 4.4 and not served.

// InitProducerID gives a producer its id and epoch: a new id with epoch 0 without a
// transactional id, else what the coordinator of transactions says.
func (x *Handlers) InitProducerID(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.InitProducerIDRequest)
	resp := kmsg.NewPtrInitProducerIDResponse()
	p, code := transactions.Producer{ID: txn.NoProducerID, Epoch: txn.NoEpoch}, mayInit(r, req.TransactionalID)
	if code == protocol.None {
		p, code = x.initProducerID(ctx, r.Version, req)
	}
	resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = int16(code), p.ID, p.Epoch
	return resp, nil
}

// mayInit says whether a client may have a producer id: for its transactional id, or
// without one to write to any topic at all.
func mayInit(r *api.Request, id *string) protocol.Code {
	switch {
	case id != nil:
		return r.TransactionalID(*id, kmsg.ACLOperationWrite)
	case r.SeesCluster(kmsg.ACLOperationIdempotentWrite), r.MayAny(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationWrite):
		return protocol.None
	}
	return r.Cluster(kmsg.ACLOperationIdempotentWrite)
}

func (x *Handlers) initProducerID(ctx context.Context, version int16, req *kmsg.InitProducerIDRequest) (transactions.Producer, protocol.Code) {
	had := transactions.Producer{ID: txn.NoProducerID, Epoch: txn.NoEpoch}
	none := had
	if version >= 3 {
		had = transactions.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}
	}
	if (had.ID == txn.NoProducerID) != (had.Epoch == txn.NoEpoch) {
		return none, protocol.InvalidRequest
	}
	if req.TransactionalID == nil {
		id, err := x.ProducerIDs.Next(ctx)
		if err != nil {
			return none, protocol.CoordinatorLoadInProgress // as Kafka's, which is retried
		}
		return transactions.Producer{ID: id}, protocol.None
	}
	p, code := x.Coordinator.InitProducerID(ctx, *req.TransactionalID, req.TransactionTimeoutMillis, had)
	return p, txn.InitCode(code, version)
}
