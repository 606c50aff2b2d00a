package coordinator

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

// requests are all that clients ask of a coordinator about one group, with what each is
// answered.
func (h *house) requests(t *testing.T) map[string]protocol.Code {
	ctx := t.Context()
	_, leave := h.LeaveGroup(ctx, "g", []group.Leaver{{MemberID: "a"}})
	_, fetch := h.FetchOffsets("g", nil, true)
	_, deleteOffsets := h.DeleteOffsets(ctx, "g", []group.TopicPartition{{Topic: "t", Partition: 0}})
	_, describe := h.DescribeGroup("g")
	_, list := h.ListGroups(&Filter{})
	return map[string]protocol.Code{
		"JoinGroup":       h.JoinGroup(ctx, "g", joinRequest("b")).Code,
		"SyncGroup":       h.SyncGroup(ctx, "g", &group.SyncRequest{MemberID: "a", Generation: 1}).Code,
		"Heartbeat":       h.Heartbeat("g", "a", nil, 1),
		"LeaveGroup":      leave,
		"OffsetCommit":    h.CommitOffsets(ctx, simple("g", at("t", 0, 1))),
		"TxnOffsetCommit": h.CommitOffsets(ctx, inTxn(simple("g", at("t", 0, 1)), 7, protocol.None)),
		"OffsetFetch":     fetch,
		"OffsetDelete":    deleteOffsets,
		"DescribeGroups":  describe,
		"ListGroups":      list,
		"DeleteGroups":    h.DeleteGroups(ctx, []string{"g"})[0],
	}
}

// allAre checks what every request was answered, but for the exceptions.
func allAre(t *testing.T, got map[string]protocol.Code, want protocol.Code, but map[string]protocol.Code) {
	t.Helper()
	for what, code := range got {
		expected, differs := but[what]
		if !differs {
			expected = want
		}
		if code != expected {
			t.Errorf("%s: %v, want %v", what, code, expected)
		}
	}
}

// Before its topic is made there is no coordinator of any group.
func TestEveryRequestBeforeThereIsACoordinator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newFakeLog(), newFakeTopics("t"), nil)
		defer h.stop()
		synctest.Wait()
		allAre(t, h.requests(t), protocol.NotCoordinator, map[string]protocol.Code{"ListGroups": protocol.None})
	})
}

// While a group is loaded, clients are to come again. A heartbeat is good: the session
// begins anew when the group is there.
func TestEveryRequestWhileLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, topics := newFakeLog(), newFakeTopics("t")
		h := run(t, l, topics, nil)
		h.find("g")
		h.stop()
		l.set(func(l *fakeLog) { l.openErr = protocol.KafkaStorageError })
		h = run(t, l, topics, nil)
		defer h.stop()
		synctest.Wait()
		allAre(t, h.requests(t), protocol.CoordinatorLoadInProgress, map[string]protocol.Code{"Heartbeat": protocol.None})
		l.set(func(l *fakeLog) { l.openErr = nil })
		time.Sleep(15 * time.Second)
		if code := h.CommitOffsets(t.Context(), simple("g", at("t", 0, 1))); code != protocol.None {
			t.Error("after it was loaded:", code)
		}
	})
}

// A broker that stops coordinates nothing.
func TestEveryRequestAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newFakeLog(), newFakeTopics("t"), nil)
		h.find("g")
		h.stable("g", "a")
		h.stop()
		allAre(t, h.requests(t), protocol.CoordinatorNotAvailable, nil)
	})
}
