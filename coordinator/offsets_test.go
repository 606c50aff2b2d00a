package coordinator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

func TestCommitIsSeenOnceItIsDurable(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.commit(simple("g", at("t", 0, 1)))
		h.log.set(func(l *fakeLog) { l.delay = time.Second })
		done := make(chan protocol.Code, 1)
		go func() { done <- h.CommitOffsets(t.Context(), simple("g", at("t", 0, 2))) }()
		synctest.Wait()
		if got := h.offset("g", "t", 0); got != 1 {
			t.Fatal("seen before it is durable:", got)
		}
		if code := <-done; code != protocol.None {
			t.Fatal(code)
		}
		if got := h.offset("g", "t", 0); got != 2 {
			t.Fatal(got)
		}
	})
}

func TestWhoMayCommit(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		generation := h.stable("g", "a")
		member := func(id, member string, generation int32, unknown protocol.Code) *Commit {
			return &Commit{GroupID: id, MemberID: member, Generation: generation, Unknown: unknown, Retention: -1, Offsets: []PartitionOffset{at("t", 0, 1)}}
		}
		for _, c := range []struct {
			name string
			req  *Commit
			want protocol.Code
		}{
			{"member", member("g", "a", generation, 0), protocol.None},
			{"stale", member("g", "a", generation-1, 0), protocol.IllegalGeneration},
			{"unknown member", member("g", "x", generation, 0), protocol.UnknownMemberID},
			{"outsider", simple("g", at("t", 0, 1)), protocol.UnknownMemberID},
			{"unknown group, v9", member("h", "a", 1, protocol.GroupIDNotFound), protocol.GroupIDNotFound},
			{"unknown group, v8", member("h", "a", 1, protocol.IllegalGeneration), protocol.IllegalGeneration},
			{"the empty group id", simple("", at("t", 0, 1)), protocol.None},
			{"nothing to commit", simple("n"), protocol.None},
		} {
			if got := h.CommitOffsets(t.Context(), c.req); got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
		if got := h.offset("", "t", 0); got != 1 {
			t.Error(got)
		}
		list, _ := h.ListGroups(&Filter{})
		if len(list) != 2 {
			t.Error("groups that only asked are kept:", list)
		}
	})
}

func TestMetadataIsCountedAsJavaDoes(t *testing.T) {
	c := New(DefaultOptions(), newFakeTopics(), newFakeLog(), nil)
	for s, want := range map[string]protocol.Code{
		strings.Repeat("a", 4096):          protocol.None,
		strings.Repeat("a", 4097):          protocol.OffsetMetadataTooLarge,
		strings.Repeat("é", 4096):          protocol.None,
		strings.Repeat("\U0001F600", 2048): protocol.None,
		strings.Repeat("\U0001F600", 2049): protocol.OffsetMetadataTooLarge,
		strings.Repeat("\xff", 4096):       protocol.None,
		"":                                 protocol.None,
	} {
		if got := c.CheckMetadata(s); got != want {
			t.Errorf("%d bytes: %v, want %v", len(s), got, want)
		}
	}
}

// What keeps the log from storing something, and what clients are told.
func TestLogFailures(t *testing.T) {
	for _, c := range []struct {
		err  error
		want protocol.Code
	}{
		{protocol.KafkaStorageError, protocol.NotCoordinator},
		{protocol.NotLeaderOrFollower, protocol.NotCoordinator},
		{protocol.Errorf(protocol.FencedLeaderEpoch, "gone"), protocol.NotCoordinator},
		{protocol.RequestTimedOut, protocol.CoordinatorNotAvailable},
		{protocol.NotEnoughReplicas, protocol.CoordinatorNotAvailable},
		{protocol.NotEnoughReplicasAfterAppend, protocol.CoordinatorNotAvailable},
		{protocol.UnknownTopicOrPartition, protocol.CoordinatorNotAvailable},
		{context.Canceled, protocol.CoordinatorNotAvailable},
		{protocol.MessageTooLarge, protocol.UnknownServerError},
		{protocol.RecordListTooLarge, protocol.UnknownServerError},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			world(t, func(t *testing.T, h *house) {
				generation := h.stable("g", "a")
				h.commit(simple("s", at("t", 0, 1)))
				before := h.dump()
				h.log.set(func(l *fakeLog) { l.fail = func() error { return c.err } })
				if code := h.CommitOffsets(t.Context(), simple("s", at("t", 0, 2), at("t", 1, 2))); code != c.want {
					t.Error("commit:", code)
				}
				if code := h.CommitOffsets(t.Context(), simple("new", at("t", 0, 2))); code != c.want {
					t.Error("commit of a new group:", code)
				}
				if codes := h.DeleteGroups(t.Context(), []string{"s"}); codes[0] != c.want {
					t.Error("delete:", codes)
				}
				if _, code := h.DeleteOffsets(t.Context(), "s", []group.TopicPartition{{Topic: "t", Partition: 0}}); code != c.want {
					t.Error("delete offsets:", code)
				}
				r := joinRequest("p")
				r.RequireKnownMember = true
				if j := h.JoinGroup(t.Context(), "named", r); j.Code != c.want {
					t.Error("join of a new group:", j.Code)
				}
				if after := h.dump(); after != before {
					t.Errorf("before:\n%s\nafter:\n%s", before, after)
				}
				if code := h.Heartbeat("g", "a", nil, generation); code != protocol.None {
					t.Error(code)
				}
				// It heals by itself.
				h.log.set(func(l *fakeLog) { l.fail = nil })
				h.commit(simple("s", at("t", 0, 3)))
				if codes := h.DeleteGroups(t.Context(), []string{"s"}); codes[0] != protocol.None {
					t.Error(codes)
				}
			})
		})
	}
}

func TestAssignmentThatIsNotStoredIsNotGiven(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		r := h.JoinGroup(t.Context(), "g", joinRequest("a"))
		h.log.set(func(l *fakeLog) { l.fail = func() error { return errDisk } })
		s := h.SyncGroup(t.Context(), "g", &group.SyncRequest{MemberID: "a", Generation: r.Generation, Assignments: map[string][]byte{"a": {1}}})
		if s.Code != protocol.CoordinatorNotAvailable || len(s.Assignment) != 0 {
			t.Fatalf("%+v", s)
		}
		if d, _ := h.DescribeGroup("g"); d.State != group.PreparingRebalance {
			t.Fatal(d.State)
		}
	})
}

func TestSlowLog(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		r := h.JoinGroup(t.Context(), "g", joinRequest("a"))
		h.log.set(func(l *fakeLog) { l.held = true })
		start := time.Now()
		commit := make(chan protocol.Code, 1)
		go func() { commit <- h.CommitOffsets(t.Context(), simple("s", at("t", 0, 1))) }()
		s := h.SyncGroup(t.Context(), "g", &group.SyncRequest{MemberID: "a", Generation: r.Generation, Assignments: map[string][]byte{"a": {1}}})
		if s.Code != protocol.CoordinatorNotAvailable || time.Since(start) != 5*time.Second {
			t.Fatal(s.Code, time.Since(start))
		}
		if code := <-commit; code != protocol.CoordinatorNotAvailable {
			t.Fatal(code)
		}
		// The outcome comes later: the commit is seen then; the group has moved on.
		h.log.release()
		synctest.Wait()
		if got := h.offset("s", "t", 0); got != 1 {
			t.Fatal(got)
		}
		if d, _ := h.DescribeGroup("g"); d.State == group.Stable {
			t.Fatal("stable behind everybody's back")
		}
	})
}

func TestNewGroupOnASlowLog(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.log.set(func(l *fakeLog) { l.held = true })
		r := joinRequest("a")
		r.RequireKnownMember = true
		if got := h.JoinGroup(t.Context(), "g", r); got.Code != protocol.CoordinatorNotAvailable {
			t.Fatal(got.Code)
		}
		if got := h.JoinGroup(t.Context(), "g", r); got.Code != protocol.CoordinatorNotAvailable {
			t.Fatal("while its fate is open:", got.Code)
		}
		h.log.release()
		synctest.Wait()
		before := h.dump()
		h2 := h.restart()
		defer h2.stop()
		if after := h2.dump(); after != before {
			t.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
		h2.stable("g", "b")
	})
}

// 50,000 partitions are one request, many batches, and one answer.
func TestLargeCommit(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		var offsets []PartitionOffset
		for p := range int32(50_000) {
			o := at("t", p, int64(p))
			o.Metadata = "some metadata"
			offsets = append(offsets, o)
		}
		h.commit(simple("g", offsets...))
		if h.log.largest > 1048588 || h.log.largest < 500_000 {
			t.Fatal("the largest batch has", h.log.largest)
		}
		before := h.dump()
		h2 := h.restart()
		defer h2.stop()
		if h2.dump() != before || h2.offset("g", "t", 49_999) != 49_999 {
			t.Fatal("not the same after a restart")
		}
		if codes := h2.DeleteGroups(t.Context(), []string{"g"}); codes[0] != protocol.None {
			t.Fatal(codes)
		}
		h3 := h2.restart()
		defer h3.stop()
		if d := h3.dump(); d != "" {
			t.Fatal("left after the removal:", d)
		}
	})
}

// When a batch in the middle fails the answer is an error, and what is seen is what
// a restart would find.
func TestLargeCommitThatFailsInTheMiddle(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		var offsets []PartitionOffset
		for p := range int32(50_000) {
			offsets = append(offsets, at("t", p, 7))
		}
		n := 0
		h.log.set(func(l *fakeLog) {
			l.fail = func() error {
				if n++; n == 2 {
					return protocol.KafkaStorageError
				}
				return nil
			}
		})
		if code := h.CommitOffsets(t.Context(), simple("g", offsets...)); code != protocol.NotCoordinator {
			t.Fatal(code)
		}
		before := h.dump()
		h2 := h.restart()
		defer h2.stop()
		if h2.dump() != before {
			t.Fatal("not the same after a restart")
		}
	})
}

func TestGroupTooLargeForARecord(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.commit(simple("g", at("t", 0, 1)))
		r := joinRequest("a")
		r.Protocols[0].Metadata = make([]byte, 2<<20)
		j := h.JoinGroup(t.Context(), "g", r)
		s := h.SyncGroup(t.Context(), "g", &group.SyncRequest{MemberID: "a", Generation: j.Generation})
		if s.Code != protocol.UnknownServerError {
			t.Fatal(s.Code)
		}
		h.commit(simple("other", at("t", 0, 1))) // nobody else notices
	})
}

func TestFetch(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.commit(simple("g",
			PartitionOffset{Topic: "t", TopicID: [16]byte{1}, Partition: 0, Offset: 5, LeaderEpoch: 2, Metadata: "m"},
			PartitionOffset{Topic: "u", TopicID: [16]byte{9}, Partition: 0, Offset: 6, LeaderEpoch: -1}, // an older u
			at("gone", 0, 7)))
		f, code := h.FetchOffsets("g", []FetchTopic{{Topic: "u", Partitions: []int32{0}}, {Topic: "t", Partitions: []int32{1, 0, 0}}}, false)
		if code != protocol.None || len(f) != 2 || f[0].Offsets[0].Found || f[1].Offsets[0].Found {
			t.Fatalf("%+v %v", f, code)
		}
		if o := f[1].Offsets[2]; !o.Found || o.Offset.Offset != 5 || o.LeaderEpoch != 2 || o.Metadata != "m" || o.Partition != 0 {
			t.Fatalf("%+v", o)
		}
		f, _ = h.FetchOffsets("g", []FetchTopic{{Topic: "t", TopicID: [16]byte{3}, Partitions: []int32{0}}}, false)
		if f[0].Offsets[0].Found {
			t.Fatal("found under another id")
		}
		all, _ := h.FetchOffsets("g", nil, true)
		if len(all) != 2 || all[0].Topic != "gone" || all[1].Topic != "t" {
			t.Fatalf("%+v", all)
		}
		if all, code := h.FetchOffsets("nobody", nil, true); code != protocol.None || all == nil || len(all) != 0 {
			t.Fatal(all, code)
		}
		if got := h.offset("nobody", "t", 0); got != -1 {
			t.Fatal(got)
		}
	})
}

func TestDeleteOffsets(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		generation := h.stable("g", "a") // subscribes to t
		h.commit(&Commit{GroupID: "g", MemberID: "a", Generation: generation, Retention: -1, Offsets: []PartitionOffset{at("t", 0, 1), at("u", 0, 2)}})
		codes, code := h.DeleteOffsets(t.Context(), "g", []group.TopicPartition{{Topic: "t"}, {Topic: "u"}, {Topic: "u", Partition: 5}, {Topic: "u"}})
		if code != protocol.None || fmt.Sprint(codes) != "[GROUP_SUBSCRIBED_TO_TOPIC NONE NONE NONE]" {
			t.Fatal(codes, code)
		}
		if h.offset("g", "u", 0) != -1 || h.offset("g", "t", 0) != 1 {
			t.Fatal("the wrong one is gone")
		}
		if _, code := h.DeleteOffsets(t.Context(), "nobody", nil); code != protocol.GroupIDNotFound {
			t.Fatal(code)
		}
		if _, code := h.DeleteOffsets(t.Context(), "", nil); code != protocol.InvalidGroupID {
			t.Fatal(code)
		}
		before := h.dump()
		h2 := h.restart()
		defer h2.stop()
		if after := h2.dump(); after != before {
			t.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

func TestDeleteGroups(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.stable("live", "a")
		h.commit(simple("tool", at("t", 0, 1)))
		h.commit(simple("", at("t", 0, 1)))
		codes := h.DeleteGroups(t.Context(), []string{"live", "tool", "nobody", ""})
		if fmt.Sprint(codes) != "[NON_EMPTY_GROUP NONE GROUP_ID_NOT_FOUND NONE]" {
			t.Fatal(codes)
		}
		list, _ := h.ListGroups(&Filter{})
		if len(list) != 1 {
			t.Fatal(list)
		}
	})
}

// A commit that is on its way when its group is removed must not outlive it.
func TestDeleteOvertakesACommit(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.commit(simple("g", at("t", 0, 1)))
		h.log.set(func(l *fakeLog) { l.held = true })
		codes := make(chan protocol.Code, 2)
		go func() { codes <- h.CommitOffsets(t.Context(), simple("g", at("t", 1, 1))) }()
		synctest.Wait()
		go func() { codes <- h.DeleteGroups(t.Context(), []string{"g"})[0] }()
		synctest.Wait()
		if code := h.CommitOffsets(t.Context(), simple("g", at("t", 2, 1))); code != protocol.CoordinatorNotAvailable {
			t.Fatal("while it is being removed:", code)
		}
		if r := h.JoinGroup(t.Context(), "g", joinRequest("a")); r.Code != protocol.CoordinatorNotAvailable {
			t.Fatal(r.Code)
		}
		h.log.release()
		if a, b := <-codes, <-codes; a != protocol.None || b != protocol.None {
			t.Fatal(a, b)
		}
		if d := h.dump(); d != "" {
			t.Fatal(d)
		}
		h2 := h.restart()
		defer h2.stop()
		if d := h2.dump(); d != "" {
			t.Fatal("a restart brings back", d)
		}
	})
}

func TestExpiry(t *testing.T) {
	const week = 7 * 24 * time.Hour
	world(t, func(t *testing.T, h *house) {
		generation := h.stable("live", "a")
		member := func(p PartitionOffset) {
			h.commit(&Commit{GroupID: "live", MemberID: "a", Generation: generation, Retention: -1, Offsets: []PartitionOffset{p}})
		}
		member(at("t", 0, 1))
		member(at("u", 0, 1)) // not subscribed
		h.commit(simple("tool", at("t", 0, 1)))
		short := simple("short", at("t", 0, 1))
		short.Retention = time.Hour
		h.commit(short)
		stop := make(chan struct{})
		var beats sync.WaitGroup
		beats.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Second):
					h.Heartbeat("live", "a", nil, generation)
				}
			}
		})
		time.Sleep(time.Hour + 11*time.Minute)
		if h.offset("short", "t", 0) != -1 || h.offset("tool", "t", 0) != 1 {
			t.Error("a retention of its own")
		}
		time.Sleep(week - 2*time.Hour)
		if h.offset("tool", "t", 0) != 1 || h.offset("live", "u", 0) != 1 {
			t.Error("expired early")
		}
		time.Sleep(time.Hour)
		if h.offset("tool", "t", 0) != -1 || h.offset("live", "u", 0) != -1 || h.offset("live", "t", 0) != 1 {
			t.Error("after a week:", h.dump())
		}
		close(stop)
		beats.Wait()
		time.Sleep(time.Minute) // its member is gone
		h2 := h.restart()
		defer h2.stop()
		time.Sleep(week - time.Hour)
		if h2.offset("live", "t", 0) != 1 {
			t.Error("counted from the commit, not from when the group became empty")
		}
		time.Sleep(2 * time.Hour)
		if d := h2.dump(); d != "" {
			t.Error("left:", d)
		}
		h3 := h2.restart()
		defer h3.stop()
		if d := h3.dump(); d != "" {
			t.Error("left in the log:", d)
		}
	})
}

func TestDeletedTopic(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.commit(simple("g", at("t", 0, 1), at("u", 0, 2)))
		h.commit(simple("only", at("t", 0, 1)))
		h.topics.remove("t")
		h.TopicDeleted()
		synctest.Wait()
		time.Sleep(time.Second)
		if h.offset("g", "t", 0) != -1 || h.offset("g", "u", 0) != 2 || h.offset("only", "t", 0) != -1 {
			t.Fatal(h.dump())
		}
		before := h.dump()
		h2 := h.restart()
		defer h2.stop()
		if after := h2.dump(); after != before {
			t.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

// A topic that was deleted while the coordinator was down.
func TestDeletedTopicIsNoticedAtTheStart(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.commit(simple("g", at("t", 0, 1), at("u", 0, 2)))
		h.stop()
		h.topics.remove("t")
		h2 := h.restart()
		defer h2.stop()
		time.Sleep(time.Second)
		all, _ := h2.FetchOffsets("g", nil, true)
		if len(all) != 1 || all[0].Topic != "u" {
			t.Fatalf("%+v", all)
		}
	})
}

// Clients commit at once from all sides over a log that is slow and fails; the broker
// crashes. Every acknowledged offset is there afterwards, and nobody sees one that is
// lost.
func TestCrash(t *testing.T) {
	acknowledged := 0
	for seed := range uint64(30) {
		world(t, func(t *testing.T, h *house) {
			rng := rand.New(rand.NewPCG(seed, 2))
			var mu sync.Mutex
			h.log.set(func(l *fakeLog) {
				l.delay = 10 * time.Millisecond
				l.fail = func() error {
					mu.Lock()
					defer mu.Unlock()
					if rng.IntN(10) == 0 {
						return protocol.KafkaStorageError
					}
					return nil
				}
			})
			const clients = 8
			acked := make([]int64, clients)
			var wg sync.WaitGroup
			ctx, cancel := context.WithCancel(context.Background())
			for c := range clients {
				wg.Go(func() {
					id := fmt.Sprint("g", c%3)
					for n := int64(1); ctx.Err() == nil; n++ {
						code := h.CommitOffsets(ctx, simple(id, at("t", int32(c), n), at("u", int32(c), n)))
						if code == protocol.None {
							mu.Lock()
							acked[c] = n
							mu.Unlock()
						}
						if seen := h.offset(id, "t", int32(c)); code == protocol.None && seen != n {
							t.Errorf("client %d committed %d and sees %d", c, n, seen)
						}
						time.Sleep(time.Duration(n%7) * time.Millisecond)
					}
				})
			}
			time.Sleep(400*time.Millisecond + time.Duration(seed)*time.Millisecond)
			mu.Lock()
			at := append([]int64(nil), acked...)
			mu.Unlock()
			after := h.log.crashed() // at any moment
			cancel()
			wg.Wait()
			h.stop()
			h2 := run(t, after, h.topics, nil)
			defer h2.stop()
			h2.find("any")
			for c := range clients {
				id := fmt.Sprint("g", c%3)
				if got := h2.offset(id, "t", int32(c)); max(got, 0) < at[c] || got != h2.offset(id, "u", int32(c)) {
					t.Errorf("client %d had %d acknowledged, after the crash there is %d and %d", c, at[c], got, h2.offset(id, "u", int32(c)))
				}
				acknowledged += int(at[c])
			}
		})
	}
	if acknowledged < 1000 {
		t.Fatalf("only %d commits were acknowledged", acknowledged)
	}
}

// Somebody deletes the topic that groups live in: they are gone, and the next use
// makes it anew.
func TestInternalTopicDeleted(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.commit(simple("g", at("t", 0, 1)))
		h.stable("live", "a")
		join := make(chan group.JoinReply, 1)
		go func() { join <- h.JoinGroup(context.Background(), "live", joinRequest("b")) }()
		synctest.Wait()
		h.topics.remove(TopicName)
		h.log.set(func(l *fakeLog) { l.parts = map[int32]*fakePartition{} })
		h.TopicDeleted()
		synctest.Wait()
		if r := <-join; r.Code != protocol.NotCoordinator {
			t.Fatal(r.Code)
		}
		if code := h.Heartbeat("live", "a", nil, 1); code != protocol.NotCoordinator {
			t.Fatal(code)
		}
		h.find("g")
		if d := h.dump(); d != "" {
			t.Fatal(d)
		}
		if n := h.groups.Load(); n != 0 {
			t.Fatalf("%d groups are counted", n)
		}
		h.stable("live", "a")
	})
}
