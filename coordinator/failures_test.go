package coordinator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

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
				before, bytes := h.dump(), h.memberBytes.Load()
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
				if j := h.JoinGroup(t.Context(), "waits", joinRequest("w")); j.Code != c.want {
					t.Error("join of a new group that waits:", j.Code)
				}
				synctest.Wait()
				if n, b := h.groups.Load(), h.memberBytes.Load(); n != 2 || b != bytes {
					t.Errorf("%d groups and %d bytes are counted", n, b)
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
