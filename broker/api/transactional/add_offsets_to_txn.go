package transactional

// AddOffsetsToTxn (key 25): versions 0-4.
//
//	v1     throttling after the answer (KIP-219)
//	v2     PRODUCER_FENCED (KIP-588)
//	v3     flexible
//	v4     error code TRANSACTION_ABORTABLE (KIP-890)
//
// Producers of version 2 of the protocol do not send it: TxnOffsetCommit adds the
// partition itself.

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// AddOffsetsToTxn makes the partition of a group's offsets part of a transaction.
func (x *Handlers) AddOffsetsToTxn(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.AddOffsetsToTxnRequest)
	p := transactions.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}
	resp := kmsg.NewPtrAddOffsetsToTxnResponse()
	code := r.TransactionalID(req.TransactionalID, kmsg.ACLOperationWrite)
	if code == protocol.None {
		code = r.Group(req.Group, kmsg.ACLOperationRead)
	}
	if code != protocol.None {
		resp.ErrorCode = int16(code)
		return resp, nil
	}
	resp.ErrorCode = int16(txn.RequestCode(x.Coordinator.AddOffsets(ctx, req.TransactionalID, p, req.Group), r.Version))
	return resp, nil
}
