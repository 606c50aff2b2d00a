package coordinator

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// observed is world with a coordinator whose log lines are kept.
func observed(t *testing.T, change func(*Options), test func(h *house, lines *observer.ObservedLogs)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		core, lines := observer.New(zap.WarnLevel)
		h := run(t, newFakeLog(), newFakeTopics("t"), func(o *Options) {
			o.Logger = zap.New(core)
			if change != nil {
				change(o)
			}
		})
		defer func() { h.stop() }()
		h.find("any")
		test(h, lines)
	})
}

// How large a group may become is for max.message.bytes of the topic to say, which can
// change at any time.
func TestGroupIsAsLargeAsTheTopicSays(t *testing.T) {
	observed(t, nil, func(h *house, lines *observer.ObservedLogs) {
		allow := func(n int) {
			h.topics.mu.Lock()
			defer h.topics.mu.Unlock()
			topic := h.topics.topics[TopicName]
			topic.BatchMax = n
			h.topics.topics[TopicName] = topic
		}
		form := func(id string, assigned int) protocol.Code {
			j := h.JoinGroup(context.Background(), id, joinRequest("a"))
			return h.SyncGroup(context.Background(), id, &group.SyncRequest{
				MemberID: "a", Generation: j.Generation, Assignments: map[string][]byte{"a": make([]byte, assigned)},
			}).Code
		}
		for _, c := range []struct {
			allowed, assigned int
			want              protocol.Code
		}{
			{0, 1 << 20, protocol.UnknownServerError}, // Kafka's default and its code
			{4 << 20, 3 << 20, protocol.None},
			{4 << 20, 5 << 20, protocol.UnknownServerError},
			{100_000, 200_000, protocol.UnknownServerError},
			{100 << 20, 20 << 20, protocol.None},
		} {
			allow(c.allowed)
			before := lines.Len()
			id := strings.Repeat("g", lines.Len()+1) + c.want.String()
			if got := form(id, c.assigned); got != c.want {
				h.t.Errorf("%d bytes where %d are allowed: %v, want %v", c.assigned, c.allowed, got, c.want)
			}
			if said := lines.Len() > before; said != (c.want != protocol.None) {
				h.t.Errorf("%d bytes where %d are allowed: lines %v", c.assigned, c.allowed, lines.All()[before:])
			}
			time.Sleep(2 * time.Minute) // another line may come
		}
	})
}

// One record that nobody understands costs what it says and no more.
func TestUndecodableRecordIsSkipped(t *testing.T) {
	observed(t, nil, func(h *house, _ *observer.ObservedLogs) {
		h.stable("live", "a")
		h.commit(simple("g", at("t", 0, 7)))
		h.stop()
		l := h.log.crashed()
		for n := range int32(50) { // among others into the partitions of both groups
			p := l.partition(n)
			b := record.NewBuilder()
			b.Append(0, []byte{0, 1, 0, 9, 'x'}, []byte("a key that ends too soon"))
			b.Append(0, group.OffsetRecord("g", "t", 0, &group.Offset{}).Key, []byte("no value"))
			b.Append(0, []byte{0}, nil)
			data := append([]byte(nil), b.Batch()...)
			record.SetOffset(data, p.end(), 0)
			p.durable = append(p.durable, data)
			p.next = p.end()
		}
		core, lines := observer.New(zap.WarnLevel)
		again := run(h.t, l, h.topics, func(o *Options) { o.Logger = zap.New(core) })
		defer again.stop()
		again.find("g")
		if list, code := again.ListGroups(&Filter{}); code != protocol.None || len(list) != 2 {
			h.t.Errorf("%v, %v", list, code)
		}
		if got := again.offset("g", "t", 0); got != 7 {
			h.t.Errorf("offset %d", got)
		}
		if n := testutil.ToFloat64(again.metrics.skipped); n != 150 || lines.Len() != 1 {
			h.t.Errorf("%v records were skipped, lines %v", n, lines.All())
		}
		if got := lines.All()[0].ContextMap()["partition"]; got == nil {
			h.t.Error("the line does not name the partition")
		}
		again.commit(simple("g", at("t", 0, 8)))
	})
}

// A bound of the broker is nobody's fault who meets it: clients wait and come back. A bound
// of a group is its own members' fault.
func TestFullBrokerKillsNobody(t *testing.T) {
	change := func(o *Options) {
		o.MemberBytesMax, o.GroupBytesMax = 8<<20, 4<<20
		o.Group.InitialRebalanceDelay = 0
	}
	observed(t, change, func(h *house, lines *observer.ObservedLogs) {
		join := func(id, member, known string, metadata int) group.JoinReply {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			r := joinRequest(member)
			r.MemberID, r.SessionTimeout = known, 30*time.Minute
			r.Protocols[0].Metadata = append(r.Protocols[0].Metadata, make([]byte, metadata)...)
			return h.JoinGroup(ctx, id, r)
		}
		small := h.stable("small", "a")
		if r := join("large1", "a", "", 3<<20); r.Code != protocol.None {
			h.t.Fatal(r.Code)
		}
		if r := join("large1", "b", "", 2<<20); r.Code != protocol.GroupMaxSizeReached {
			h.t.Errorf("beyond what a group may have: %v", r.Code)
		}
		if r := join("large2", "a", "", 2<<20); r.Code != protocol.None {
			h.t.Fatal(r.Code)
		}
		if r := join("large3", "a", "", 2<<20); r.Code != protocol.CoordinatorNotAvailable {
			h.t.Errorf("beyond what the broker has: %v", r.Code)
		}
		if r := join("small2", "a", "", 100_000); r.Code != protocol.None {
			h.t.Errorf("a small group beside large ones: %v", r.Code)
		}
		if r := join("large1", "a", "a", 3<<20); r.Code != protocol.None {
			h.t.Errorf("a member that comes back as it was: %v", r.Code)
		}
		if code := h.Heartbeat("small", "a", nil, small); code != protocol.None {
			h.t.Errorf("a member of another group: %v", code)
		}
		s := h.SyncGroup(context.Background(), "large2", &group.SyncRequest{
			MemberID: "a", Generation: 1, Assignments: map[string][]byte{"a": make([]byte, 3<<20)},
		})
		if s.Code != protocol.UnknownServerError {
			h.t.Errorf("assignments beyond what a group may have: %v", s.Code)
		}
		if lines.Len() != 2 {
			h.t.Errorf("lines: %v", lines.All())
		}
	})
}

func TestProtocolsOfAMemberAreBounded(t *testing.T) {
	observed(t, nil, func(h *house, lines *observer.ObservedLogs) {
		join := func(n int, name func(i int) string) protocol.Code {
			r := joinRequest("a")
			r.Protocols = nil
			for i := range n {
				r.Protocols = append(r.Protocols, group.Protocol{Name: name(i), Metadata: subscription("t")})
			}
			return h.JoinGroup(context.Background(), fmt.Sprint("g", n), r).Code
		}
		if code := join(120_000, func(i int) string { return fmt.Sprint("protocol", i) }); code != protocol.InconsistentGroupProtocol || lines.Len() != 1 {
			h.t.Errorf("%v, lines %v", code, lines.All())
		}
		if code := join(group.MaxProtocols, func(i int) string { return fmt.Sprint("protocol", i/2) }); code != protocol.None {
			h.t.Error(code)
		}
	})
}

// A scrape waits for no shard, whatever one is doing.
func TestMetricsWaitForNoShard(t *testing.T) {
	observed(t, nil, func(h *house, _ *observer.ObservedLogs) {
		h.stable("live", "a")
		h.commit(simple("g", at("t", 0, 1), at("t", 1, 1)))
		for _, s := range h.all() {
			s.mu.Lock()
			defer s.mu.Unlock()
		}
		families, err := h.reg.Gather() // would never end
		if err != nil || len(families) == 0 {
			h.t.Fatal(err)
		}
		c := &h.census
		if c.members.Load() != 1 || c.offsets.Load() != 2 || c.states[group.Stable].Load() != 1 || c.states[group.Empty].Load() != 1 {
			h.t.Errorf("%d members, %d offsets", c.members.Load(), c.offsets.Load())
		}
	})
}
