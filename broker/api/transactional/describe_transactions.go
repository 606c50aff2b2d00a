package transactional

// DescribeTransactions (key 65): version 0 (KIP-664).

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// DescribeTransactions tells the states of transactional ids.
func (x *Handlers) DescribeTransactions(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DescribeTransactionsRequest)
	resp := kmsg.NewPtrDescribeTransactionsResponse()
	resp.TransactionStates = []kmsg.DescribeTransactionsResponseTransactionState{}
	var repeats api.Repeats[string]
	for _, id := range req.TransactionalIDs {
		if err := repeats.Name(id); err != nil {
			return nil, err
		}
		out := x.describe(r, id)
		if err := r.Bill.Add(r.Waits(ctx), stateMemory(&out)); err != nil {
			return nil, err
		}
		resp.TransactionStates = append(resp.TransactionStates, out)
	}
	return resp, nil
}

// stateMemory is about what a transactional id takes in an answer, decoded and encoded.
func stateMemory(s *kmsg.DescribeTransactionsResponseTransactionState) int {
	n := 256 + len(s.TransactionalID)
	for i := range s.Topics {
		n += 96 + len(s.Topics[i].Topic) + 12*len(s.Topics[i].Partitions)
	}
	return n
}

func (x *Handlers) describe(r *api.Request, id string) kmsg.DescribeTransactionsResponseTransactionState {
	out := kmsg.NewDescribeTransactionsResponseTransactionState()
	out.TransactionalID = id
	out.Topics = []kmsg.DescribeTransactionsResponseTransactionStateTopic{}
	if out.ErrorCode = int16(r.TransactionalID(id, kmsg.ACLOperationDescribe)); out.ErrorCode != 0 {
		return out
	}
	s, code := x.Coordinator.Describe(id)
	out.ErrorCode = int16(code)
	if code != protocol.None {
		return out
	}
	out.State, out.TimeoutMillis, out.StartTimestamp = s.Status.String(), s.TimeoutMs, s.StartMs
	out.ProducerID, out.ProducerEpoch = s.ProducerID, s.Epoch
	hidden := ""
	for _, tp := range s.Partitions { // sorted
		if tp.Topic == hidden {
			continue
		}
		if n := len(out.Topics); n == 0 || out.Topics[n-1].Topic != tp.Topic {
			if !r.Sees(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationDescribe, tp.Topic) {
				hidden = tp.Topic
				continue
			}
			out.Topics = append(out.Topics, kmsg.DescribeTransactionsResponseTransactionStateTopic{Topic: tp.Topic})
		}
		t := &out.Topics[len(out.Topics)-1]
		t.Partitions = append(t.Partitions, tp.Partition)
	}
	return out
}
