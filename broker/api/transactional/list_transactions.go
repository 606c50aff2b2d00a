package transactional

// ListTransactions (key 66): versions 0-2.
//
//	v0     filters: states, producer ids (KIP-664)
//	v1     filter: open for longer than that (KIP-994)
//	v2     filter: pattern of the transactional id (KIP-1152)

import (
	"context"
	"regexp"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
)

// ListTransactions lists the transactional ids that this broker coordinates.
func (x *Handlers) ListTransactions(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.ListTransactionsRequest)
	resp := kmsg.NewPtrListTransactionsResponse()
	resp.UnknownStateFilters = []string{}
	resp.TransactionStates = []kmsg.ListTransactionsResponseTransactionState{}
	f := &transactions.Filter{ProducerIDs: req.ProducerIDFilters, DurationMs: -1}
	if r.Version >= 1 {
		f.DurationMs = req.DurationFilterMillis
	}
	if r.Version >= 2 && req.TransactionalIDPattern != nil && *req.TransactionalIDPattern != "" {
		var err error
		if f.Pattern, err = regexp.Compile(`\A(?:` + *req.TransactionalIDPattern + `)\z`); err != nil {
			resp.ErrorCode = int16(protocol.InvalidRegularExpression)
			return resp, nil
		}
	}
	for _, name := range req.StateFilters {
		if s, ok := txn.ParseStatus(name); ok {
			f.Statuses = append(f.Statuses, s)
		} else {
			resp.UnknownStateFilters = append(resp.UnknownStateFilters, name)
		}
	}
	f.None = len(req.StateFilters) > 0 && len(f.Statuses) == 0
	list, code := x.Coordinator.List(f)
	resp.ErrorCode = int16(code)
	for _, l := range list {
		if !r.Sees(kmsg.ACLResourceTypeTransactionalId, kmsg.ACLOperationDescribe, l.ID) {
			continue
		}
		s := kmsg.NewListTransactionsResponseTransactionState()
		s.TransactionalID, s.ProducerID, s.TransactionState = l.ID, l.ProducerID, l.Status.String()
		resp.TransactionStates = append(resp.TransactionStates, s)
	}
	return resp, nil
}
