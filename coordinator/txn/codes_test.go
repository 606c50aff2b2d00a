package txn

import (
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
)

// joins are all the codes that joining a partition to a transaction can come to.
var joins = []protocol.Code{
	protocol.None, protocol.InvalidProducerIDMapping, protocol.ProducerFenced, protocol.ConcurrentTransactions,
	protocol.TransactionAbortable, protocol.CoordinatorLoadInProgress, protocol.CoordinatorNotAvailable,
	protocol.NotCoordinator, protocol.UnknownServerError, protocol.InvalidRequest,
}

func TestCodes(t *testing.T) {
	for _, c := range []struct {
		name    string
		code    func(protocol.Code, int16) protocol.Code
		version int16
		want    []int16 // as in joins
	}{
		{"Produce", ProduceCode, 3, []int16{0, 49, 47, 19, 48, 19, 19, 19, -1, 42}},
		{"Produce", ProduceCode, 10, []int16{0, 49, 47, 19, 48, 19, 19, 19, -1, 42}},
		{"Produce", ProduceCode, 11, []int16{0, 49, 47, 19, 120, 19, 19, 19, -1, 42}},
		{"Produce", ProduceCode, 12, []int16{0, 49, 47, 51, 120, 19, 19, 19, -1, 42}},
		{"TxnOffsetCommit", OffsetCommitCode, 0, []int16{0, 49, 47, 51, 48, 15, 15, 16, -1, 42}},
		{"TxnOffsetCommit", OffsetCommitCode, 3, []int16{0, 49, 47, 51, 48, 14, 15, 16, -1, 42}},
		{"TxnOffsetCommit", OffsetCommitCode, 4, []int16{0, 49, 47, 51, 120, 14, 15, 16, -1, 42}},
		{"TxnOffsetCommit", OffsetCommitCode, 5, []int16{0, 49, 47, 51, 120, 14, 15, 16, -1, 42}},
		{"InitProducerId", InitCode, 3, []int16{0, 49, 47, 51, 120, 14, 15, 16, -1, 42}},
		{"InitProducerId", InitCode, 4, []int16{0, 49, 90, 51, 120, 14, 15, 16, -1, 42}},
		{"EndTxn", RequestCode, 1, []int16{0, 49, 47, 51, 120, 14, 15, 16, -1, 42}},
		{"EndTxn", RequestCode, 2, []int16{0, 49, 90, 51, 120, 14, 15, 16, -1, 42}},
	} {
		for i, code := range joins {
			if got := c.code(code, c.version); int16(got) != c.want[i] {
				t.Errorf("%s v%d: %v becomes %v, want %d", c.name, c.version, code, got, c.want[i])
			}
		}
	}
	for v := ProduceAdds; v < 14; v++ {
		if ProduceCode(protocol.InvalidTxnState, int16(v)) != protocol.InvalidTxnState {
			t.Error("INVALID_TXN_STATE is what it is")
		}
	}
}
