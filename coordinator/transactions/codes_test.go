package transactions

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// requests are all that clients ask of a coordinator about one transactional id, with
// what each is answered.
func (h *house) requests(t *testing.T) map[string]protocol.Code {
	ctx, p, one := t.Context(), Producer{1, 1}, []txn.TopicPartition{at("a", 0)}
	_, initialised := h.InitProducerID(ctx, "x", 60_000, noProducer)
	_, ended := h.End(ctx, "x", p, true, txn.Version2)
	_, described := h.Describe("x")
	_, listed := h.List(&Filter{DurationMs: -1})
	return map[string]protocol.Code{
		"InitProducerId":             initialised,
		"AddPartitionsToTxn":         h.AddPartitions(ctx, "x", p, txn.Version0, one),
		"AddPartitionsToTxn, verify": h.Verify(ctx, "x", p, one)[0],
		"AddOffsetsToTxn":            h.AddOffsets(ctx, "x", p, "g"),
		"EndTxn":                     ended,
		"Produce":                    h.Join(ctx, "x", 1, 1, true, one)[0],
		"Produce, verified":          h.Join(ctx, "x", 1, 1, false, one)[0],
		"DescribeTransactions":       described,
		"ListTransactions":           listed,
	}
}

// allAre checks what every request was answered.
func allAre(t *testing.T, got map[string]protocol.Code, want protocol.Code) {
	t.Helper()
	for what, code := range got {
		if code != want {
			t.Errorf("%s: %v, want %v", what, code, want)
		}
	}
}

// Before its topic is made there is no coordinator of any transaction, and none to list.
func TestEveryRequestBeforeThereIsACoordinator(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := run(t, newFakeLog(), newFakeTopics("a"), &fakeIDs{}, nil)
		defer h.stop()
		synctest.Wait()
		got := h.requests(t)
		if code := got["ListTransactions"]; code != protocol.None {
			t.Error("ListTransactions:", code)
		}
		delete(got, "ListTransactions")
		allAre(t, got, protocol.NotCoordinator)
	})
}

// While ids are loaded, clients are to come again.
func TestEveryRequestWhileLoading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		h.init("x")
		time.Sleep(time.Second)
		h.stop()
		l := h.log.after(h.log.packs())
		l.openErr = func(pack.PartitionID) error { return errDisk }
		next := run(t, l, h.topics, h.producer, nil)
		defer next.stop()
		synctest.Wait()
		allAre(t, next.requests(t), protocol.CoordinatorLoadInProgress)
	})
}

// A broker that stops coordinates nothing.
func TestEveryRequestAfterTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, nil)
		h.init("x")
		h.stop()
		allAre(t, h.requests(t), protocol.CoordinatorNotAvailable)
	})
}
