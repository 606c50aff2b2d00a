package coordinator

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

// world runs a test in a bubble of simulated time, with a coordinator that has found
// its topic.
func world(t *testing.T, test func(t *testing.T, h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newFakeLog(), newFakeTopics("t", "u"), nil)
		defer h.stop()
		h.find("any")
		test(t, h)
	})
}

func TestTopicIsMadeOnFirstUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		topics := newFakeTopics("t")
		h := run(t, newFakeLog(), topics, nil)
		defer h.stop()
		synctest.Wait()
		if r := h.JoinGroup(t.Context(), "g", joinRequest("a")); r.Code != protocol.NotCoordinator {
			t.Fatal(r.Code)
		}
		if list, code := h.ListGroups(&Filter{}); code != protocol.None || list == nil || len(list) != 0 {
			t.Fatal(list, code)
		}
		if _, ok := topics.ByName(TopicName); ok {
			t.Fatal("the topic is there before it is needed")
		}
		topics.err = errDisk
		if code := h.Find(t.Context(), "g"); code != protocol.CoordinatorNotAvailable {
			t.Fatal(code)
		}
		topics.err = nil
		h.find("g")
		h.stable("g", "a")
	})
}

func TestFindBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultOptions(), newFakeTopics(), newFakeLog(), nil)
		if code := c.Find(t.Context(), "g"); code != protocol.CoordinatorNotAvailable {
			t.Fatal(code)
		}
	})
}

func TestTwoMembersShareAGroup(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		replies := make(chan group.JoinReply, 2)
		for _, id := range []string{"a", "b"} {
			go func() { replies <- h.JoinGroup(t.Context(), "g", joinRequest(id)) }()
			synctest.Wait()
		}
		start := time.Now()
		r1, r2 := <-replies, <-replies
		if took := time.Since(start); took < 3*time.Second || took > 7*time.Second {
			t.Errorf("the first rebalance took %v", took)
		}
		if len(r1.Members)+len(r2.Members) != 2 || r1.Generation != 1 || r2.Generation != 1 || r1.Leader != r2.Leader {
			t.Fatalf("%+v %+v", r1, r2)
		}
		follower := r1.MemberID
		if follower == r1.Leader {
			follower = r2.MemberID
		}
		syncs := make(chan group.SyncReply, 1)
		go func() {
			syncs <- h.SyncGroup(t.Context(), "g", &group.SyncRequest{MemberID: follower, Generation: 1})
		}()
		synctest.Wait()
		h.SyncGroup(t.Context(), "g", &group.SyncRequest{MemberID: r1.Leader, Generation: 1, Assignments: map[string][]byte{follower: {7}}})
		if s := <-syncs; s.Code != protocol.None || string(s.Assignment) != "\x07" {
			t.Fatalf("%+v", s)
		}
		if code := h.Heartbeat("g", follower, nil, 1); code != protocol.None {
			t.Fatal(code)
		}
		codes, code := h.LeaveGroup(t.Context(), "g", []group.Leaver{{MemberID: follower}, {MemberID: "x"}})
		if code != protocol.None || codes[0] != protocol.None || codes[1] != protocol.UnknownMemberID {
			t.Fatal(codes, code)
		}
		if code := h.Heartbeat("g", r1.Leader, nil, 1); code != protocol.RebalanceInProgress {
			t.Fatal(code)
		}
	})
}

func TestRestartKeepsEverything(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		generation := h.stable("live", "a")
		h.commit(&Commit{GroupID: "live", MemberID: "a", Generation: generation, Retention: -1, Offsets: []PartitionOffset{at("t", 0, 10), at("t", 1, 20)}})
		h.commit(simple("tool", PartitionOffset{Topic: "u", TopicID: [16]byte{2}, Partition: 3, Offset: 5, LeaderEpoch: 8, Metadata: "äöü"}))
		h.stable("left", "b")
		h.LeaveGroup(t.Context(), "left", []group.Leaver{{MemberID: "b"}})
		r := joinRequest("pending")
		r.RequireKnownMember = true
		if got := h.JoinGroup(t.Context(), "named", r); got.Code != protocol.MemberIDRequired {
			t.Fatal(got.Code)
		}
		before := h.dump()
		for _, want := range []string{"live", "tool", "left", "named", "äöü", "for a", "Stable", "Empty"} {
			if !strings.Contains(before, want) {
				t.Fatalf("%q is missing in\n%s", want, before)
			}
		}
		h2 := h.restart()
		defer h2.stop()
		if after := h2.dump(); after != before {
			t.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
		// The member goes on, and its session runs anew from here.
		time.Sleep(9 * time.Second)
		if code := h2.Heartbeat("live", "a", nil, generation); code != protocol.None {
			t.Fatal(code)
		}
		time.Sleep(11 * time.Second)
		if code := h2.Heartbeat("live", "a", nil, generation); code != protocol.UnknownMemberID {
			t.Fatal(code)
		}
	})
}

func TestJoinedButNotSyncedIsGoneAfterARestart(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		r := h.JoinGroup(t.Context(), "g", joinRequest("a"))
		if r.Code != protocol.None {
			t.Fatal(r.Code)
		}
		h2 := h.restart()
		defer h2.stop()
		if code := h2.Heartbeat("g", "a", nil, r.Generation); code != protocol.UnknownMemberID {
			t.Fatal(code)
		}
		if d, _ := h2.DescribeGroup("g"); d.State != group.Empty {
			t.Fatal(d.State)
		}
	})
}

func TestWaitEndsWithTheClient(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if r := h.JoinGroup(ctx, "g", joinRequest("a")); r.Code == protocol.None || time.Since(start) != time.Second {
			t.Fatal(r, time.Since(start))
		}
	})
}

func TestWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newFakeLog(), newFakeTopics(), func(o *Options) {
			o.WaitMax = time.Minute
			o.Group.InitialRebalanceDelay = time.Hour
		})
		defer h.stop()
		h.find("g")
		start := time.Now()
		if r := h.JoinGroup(t.Context(), "g", joinRequest("a")); r.Code != protocol.NotCoordinator || time.Since(start) != time.Minute {
			t.Fatal(r, time.Since(start))
		}
	})
}

func TestRefusedBeforeTheGroupIsLookedUp(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		long := strings.Repeat("x", group.MaxStringBytes+1)
		join := func(id string, change func(*group.JoinRequest)) protocol.Code {
			r := joinRequest("a")
			if change != nil {
				change(r)
			}
			return h.JoinGroup(t.Context(), id, r).Code
		}
		for name, got := range map[string][2]protocol.Code{
			"join, no group":       {join("", nil), protocol.InvalidGroupID},
			"join, endless group":  {join(long, nil), protocol.InvalidGroupID},
			"join, session":        {join("g", func(r *group.JoinRequest) { r.SessionTimeout = time.Second }), protocol.InvalidSessionTimeout},
			"join, endless names":  {join("g", func(r *group.JoinRequest) { r.Protocols[0].Name = long }), protocol.InvalidRequest},
			"join, endless member": {join("g", func(r *group.JoinRequest) { r.NewMemberID = long }), protocol.InvalidRequest},
			"join, unknown group":  {join("g", func(r *group.JoinRequest) { r.MemberID = "a" }), protocol.UnknownMemberID},
			"sync, no group":       {h.SyncGroup(t.Context(), "", &group.SyncRequest{}).Code, protocol.InvalidGroupID},
			"sync, unknown group":  {h.SyncGroup(t.Context(), "g", &group.SyncRequest{MemberID: "a"}).Code, protocol.UnknownMemberID},
			"beat, no group":       {h.Heartbeat("", "a", nil, 1), protocol.InvalidGroupID},
			"beat, unknown group":  {h.Heartbeat("g", "a", nil, 1), protocol.UnknownMemberID},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: %v, want %v", name, got[0], got[1])
			}
		}
		if _, code := h.LeaveGroup(t.Context(), "", nil); code != protocol.InvalidGroupID {
			t.Error(code)
		}
		codes, code := h.LeaveGroup(t.Context(), "g", []group.Leaver{{MemberID: "a"}})
		if code != protocol.None || codes[0] != protocol.UnknownMemberID {
			t.Error(codes, code)
		}
		if list, _ := h.ListGroups(&Filter{}); len(list) != 0 {
			t.Error("groups came into being:", list)
		}
	})
}

func TestLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newFakeLog()
		topics := newFakeTopics("t")
		h := run(t, l, topics, nil)
		h.find("g")
		h.stable("g", "a")
		h.stop()

		l.set(func(l *fakeLog) { l.openErr = protocol.KafkaStorageError })
		h = run(t, l, topics, nil)
		defer h.stop()
		synctest.Wait()
		if code := h.Find(t.Context(), "g"); code != protocol.None {
			t.Fatal("find while loading:", code)
		}
		if code := h.Heartbeat("g", "a", nil, 1); code != protocol.None {
			t.Fatal("heartbeat while loading:", code)
		}
		if r := h.JoinGroup(t.Context(), "g", joinRequest("b")); r.Code != protocol.CoordinatorLoadInProgress {
			t.Fatal(r.Code)
		}
		for what, code := range map[string]protocol.Code{
			"sync":   h.SyncGroup(t.Context(), "g", &group.SyncRequest{MemberID: "a", Generation: 1}).Code,
			"commit": h.CommitOffsets(t.Context(), simple("g", at("t", 0, 1))),
			"delete": h.DeleteGroups(t.Context(), []string{"g"})[0],
		} {
			if code != protocol.CoordinatorLoadInProgress {
				t.Error(what, code)
			}
		}
		if _, code := h.ListGroups(&Filter{}); code != protocol.CoordinatorLoadInProgress {
			t.Error(code)
		}
		if _, code := h.DescribeGroup("g"); code != protocol.CoordinatorLoadInProgress {
			t.Error(code)
		}
		if _, code := h.FetchOffsets("g", nil, true); code != protocol.CoordinatorLoadInProgress {
			t.Error(code)
		}
		l.set(func(l *fakeLog) { l.openErr = nil })
		if err := h.Ready(); err == nil || !strings.Contains(err.Error(), "cannot be loaded") {
			t.Fatal("ready while a partition cannot be loaded:", err)
		}
		time.Sleep(15 * time.Second) // it tries again by itself
		if err := h.Ready(); err != nil {
			t.Fatal(err)
		}
		if d, code := h.DescribeGroup("g"); code != protocol.None || d.State != group.Empty && d.State != group.Stable {
			t.Fatal(d, code)
		}
	})
}

func TestStopSendsWaitersAwayAndKeepsWhatWasQueued(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.log.set(func(l *fakeLog) { l.delay = time.Second })
		join := make(chan group.JoinReply, 1)
		commit := make(chan protocol.Code, 1)
		go func() { join <- h.JoinGroup(t.Context(), "g", joinRequest("a")) }()
		go func() { commit <- h.CommitOffsets(t.Context(), simple("s", at("t", 0, 1))) }()
		synctest.Wait()
		h.stop()
		if r := <-join; r.Code != protocol.NotCoordinator {
			t.Error(r.Code)
		}
		if code := <-commit; code != protocol.None {
			t.Error("a commit that became durable is answered", code)
		}
		if r := h.JoinGroup(t.Context(), "g", joinRequest("a")); r.Code != protocol.CoordinatorNotAvailable {
			t.Error(r.Code)
		}
	})
}

func TestStopDoesNotWaitForADeadLog(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.log.set(func(l *fakeLog) { l.held = true })
		commit := make(chan protocol.Code, 1)
		go func() { commit <- h.CommitOffsets(context.Background(), simple("s", at("t", 0, 1))) }()
		synctest.Wait()
		start := time.Now()
		h.stop()
		if took := time.Since(start); took > 6*time.Second {
			t.Error("stopping took", took)
		}
		if code := <-commit; code != protocol.CoordinatorNotAvailable {
			t.Error(code)
		}
		h.log.release()
	})
}
