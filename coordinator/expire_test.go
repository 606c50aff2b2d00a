package coordinator

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

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

// A group in which somebody has just been given an id is not removed under it.
func TestGroupInTheMakingDoesNotExpire(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		r := joinRequest("a")
		r.RequireKnownMember, r.SessionTimeout = true, 30*time.Minute
		if got := h.JoinGroup(t.Context(), "g", r); got.Code != protocol.MemberIDRequired {
			t.Fatal(got.Code)
		}
		time.Sleep(25 * time.Minute)
		r.MemberID = "a"
		if got := h.JoinGroup(t.Context(), "g", r); got.Code != protocol.None {
			t.Fatal(got.Code)
		}
	})
}
