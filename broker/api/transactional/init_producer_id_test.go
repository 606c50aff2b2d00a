package transactional_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/coordinator/transactions"
	"github.com/streamhouse/streamhouse/protocol"
)

func TestInitProducerID(t *testing.T) {
	x := &apitest.Coordinator{}
	b := apitest.Start(t, apitest.Options{Coordinator: x})
	seen := map[int64]bool{}
	apitest.Versions(t, protocol.KeyInitProducerId, func(t *testing.T, version int16) {
		c := b.Dial()
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version = version
		for range 3 {
			r := c.Call(req).(*kmsg.InitProducerIDResponse)
			if r.ErrorCode != 0 || r.ProducerEpoch != 0 || seen[r.ProducerID] {
				t.Errorf("%+v", r)
			}
			seen[r.ProducerID] = true
		}
		id, had := "tx", "{-1 -1}"
		req.TransactionalID, req.TransactionTimeoutMillis = &id, 77
		req.ProducerID, req.ProducerEpoch = 5, 6
		if version >= 3 {
			had = "{5 6}"
		}
		x.Code, x.Next = protocol.None, transactions.Producer{ID: 8, Epoch: 9}
		if r := c.Call(req).(*kmsg.InitProducerIDResponse); r.ErrorCode != 0 || r.ProducerID != 8 || r.ProducerEpoch != 9 {
			t.Errorf("%+v", r)
		}
		if got, want := x.Last(), "init tx 77 "+had; got != want {
			t.Errorf("asked %q, want %q", got, want)
		}
		x.Code, x.Next = protocol.ProducerFenced, transactions.Producer{ID: -1, Epoch: -1}
		want := protocol.ProducerFenced
		if version < 4 {
			want = protocol.InvalidProducerEpoch
		}
		r := c.Call(req).(*kmsg.InitProducerIDResponse)
		apitest.Is(t, "fenced", r.ErrorCode, want)
		if r.ProducerID != -1 || r.ProducerEpoch != -1 {
			t.Errorf("%+v", r)
		}
		if version >= 3 {
			req.ProducerEpoch = -1
			apitest.Is(t, "id without epoch", c.Call(req).(*kmsg.InitProducerIDResponse).ErrorCode, protocol.InvalidRequest)
			req.TransactionalID = nil
			apitest.Is(t, "id without epoch", c.Call(req).(*kmsg.InitProducerIDResponse).ErrorCode, protocol.InvalidRequest)
		}
	})
}
