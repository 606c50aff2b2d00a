package transactional

// EndTxn (key 26): versions 0-5.
//
//	v1     throttling after the answer (KIP-219)
//	v2     PRODUCER_FENCED (KIP-588)
//	v3     flexible
//	v4     error code TRANSACTION_ABORTABLE (KIP-890)
//	v5     the epoch rises; the answer has the producer's id and epoch (KIP-890)
//
// Unlike Kafka the markers are durable when the answer leaves, so the next transaction
// does not meet CONCURRENT_TRANSACTIONS.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// endRaisesEpoch is the first version by the rules of KIP-890.
const endRaisesEpoch = 5

// EndTxn commits or aborts a transaction.
func (x *Handlers) EndTxn(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.EndTxnRequest)
	version := txn.Version0
	if r.Version >= endRaisesEpoch {
		version = txn.Version2
	}
	p := transactions.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}
	resp := kmsg.NewPtrEndTxnResponse()
	if denied := r.TransactionalID(req.TransactionalID, kmsg.ACLOperationWrite); denied != protocol.None {
		resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = int16(denied), -1, -1
		return resp, nil
	}
	next, code := x.Coordinator.End(ctx, req.TransactionalID, p, req.Commit, version)
	resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = int16(txn.RequestCode(code, r.Version)), -1, -1
	if code == protocol.None && version == txn.Version2 {
		resp.ProducerID, resp.ProducerEpoch = next.ID, next.Epoch
	}
	return resp, nil
}
