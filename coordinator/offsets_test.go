package coordinator

import (
	"fmt"
	"strings"
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
		if h.log.largest > batchFill+1000 || h.log.largest < batchFill/2 {
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
		if list, _ := h.ListGroups(&Filter{}); len(list) != 0 {
			t.Fatal("listed while it is being removed:", list)
		}
		if d, code := h.DescribeGroup("g"); code != protocol.GroupIDNotFound || d.State != group.Dead {
			t.Fatal(d, code)
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

// A topic that was deleted while the coordinator was down.
// Clients commit at once from all sides over a log that is slow and fails; the broker
// crashes. Every acknowledged offset is there afterwards, and nobody sees one that is
// lost.
// Somebody deletes the topic that groups live in: they are gone, and the next use
// makes it anew.

func TestCommitsKeepASession(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		generation := h.stable("g", "a")
		for n := range int64(5) {
			time.Sleep(9 * time.Second)
			h.commit(&Commit{GroupID: "g", MemberID: "a", Generation: generation, Retention: -1, Offsets: []PartitionOffset{at("t", 0, n)}})
		}
		time.Sleep(11 * time.Second)
		if d, _ := h.DescribeGroup("g"); d.State != group.Empty {
			t.Fatal(d.State)
		}
	})
}
