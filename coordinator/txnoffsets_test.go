package coordinator

import (
	"context"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// inTxn makes a commit part of a producer's transaction, which the coordinator of
// transactions confirms with code.
func inTxn(c *Commit, producer int64, code protocol.Code) *Commit {
	c.Txn = &Txn{ProducerID: producer, ProducerEpoch: 3, Join: func(context.Context, string, int32) protocol.Code { return code }}
	return c
}

// end writes the marker of a producer's transaction into a group's partition and
// tells the coordinator.
func (h *house) end(id string, producer int64, commit bool) {
	h.t.Helper()
	h.log.mark(shards.PartitionFor(id, 50), producer, commit)
	h.TransactionEnded(shards.PartitionFor(id, 50), producer, commit)
}

// mark appends a marker that is durable at once.
func (l *fakeLog) mark(partition int32, producer int64, commit bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.partition(partition)
	b := record.AppendMarker(nil, producer, 3, record.EndMarker{Commit: commit}, 0)
	record.SetOffset(b, p.next, 0)
	p.next++
	p.durable = append(p.durable, b)
}

func (h *house) unstable(id, topic string, partition int32) bool {
	h.t.Helper()
	f, code := h.FetchOffsets(id, []FetchTopic{{Topic: topic, Partitions: []int32{partition}}}, false)
	if code != protocol.None {
		h.t.Fatalf("fetch: %v", code)
	}
	return f[0].Offsets[0].Unstable
}

func TestTransactionalOffsetsWaitForTheMarker(t *testing.T) {
	for _, commit := range []bool{true, false} {
		for _, restarts := range []int{0, 1, 2, 3} { // before and after the marker
			world(t, func(t *testing.T, h *house) {
				want := int64(1)
				if commit {
					want = 5
				}
				h.commit(simple("g", at("t", 0, 1)))
				h.commit(inTxn(simple("g", at("t", 0, 5), at("t", 1, 6)), 7, protocol.None))
				if restarts&1 != 0 {
					h = h.restart()
					defer h.stop()
				}
				if got := h.offset("g", "t", 0); got != 1 || !h.unstable("g", "t", 0) || !h.unstable("g", "t", 1) {
					t.Fatal("seen before the transaction has ended:", got)
				}
				h.end("g", 7, commit)
				if restarts&2 != 0 {
					h = h.restart()
					defer h.stop()
				}
				if got := h.offset("g", "t", 0); got != want || h.unstable("g", "t", 0) || h.unstable("g", "t", 1) {
					t.Fatalf("offset %d after the end, want %d", got, want)
				}
				h.end("g", 7, !commit) // of a transaction without offsets here
				if got := h.offset("g", "t", 0); got != want {
					t.Fatalf("offset %d after another end, want %d", got, want)
				}
			})
		}
	}
}

func TestAbortedOffsetsOfAnUnknownGroupLeaveNothing(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.commit(inTxn(simple("g", at("t", 0, 5)), 7, protocol.None))
		if list, _ := h.ListGroups(&Filter{}); len(list) != 1 {
			t.Fatal("a group with offsets on their way is not there:", list)
		}
		h.end("g", 7, false)
		if list, _ := h.ListGroups(&Filter{}); len(list) != 0 {
			t.Fatal("it stays:", list)
		}
		h = h.restart()
		defer h.stop()
		if list, _ := h.ListGroups(&Filter{}); len(list) != 0 {
			t.Fatal("it comes back:", list)
		}
	})
}

func TestWhoMayCommitInATransaction(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		generation := h.stable("g", "a")
		member := func(id, member string, generation int32, unknown protocol.Code) *Commit {
			return &Commit{GroupID: id, MemberID: member, Generation: generation, Unknown: unknown, Retention: -1, Offsets: []PartitionOffset{at("t", 0, 1)}}
		}
		for _, c := range []struct {
			name string
			req  *Commit
			join protocol.Code
			want protocol.Code
		}{
			{"member", member("g", "a", generation, 0), protocol.None, protocol.None},
			{"stale", member("g", "a", generation-1, 0), protocol.None, protocol.IllegalGeneration},
			{"unknown member", member("g", "x", generation, 0), protocol.None, protocol.UnknownMemberID},
			{"a producer that does not say", simple("g", at("t", 0, 1)), protocol.None, protocol.None},
			{"unknown group", member("h", "a", 1, protocol.IllegalGeneration), protocol.None, protocol.IllegalGeneration},
			{"unknown group, v6", member("h", "a", 1, protocol.GroupIDNotFound), protocol.None, protocol.GroupIDNotFound},
			{"not in the transaction", member("g", "a", generation, 0), protocol.InvalidTxnState, protocol.InvalidTxnState},
			{"fenced", member("g", "a", generation, 0), protocol.InvalidProducerEpoch, protocol.InvalidProducerEpoch},
		} {
			if got := h.CommitOffsets(t.Context(), inTxn(c.req, 7, c.join)); got != c.want {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	})
}

func TestEndWhileLoadingIsNotLost(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.commit(inTxn(simple("g", at("t", 0, 5)), 7, protocol.None))
		h.stop()
		next := run(t, h.log.crashed(), h.topics, func(o *Options) { *o = h.opts })
		defer next.stop()
		next.log.set(func(l *fakeLog) { l.openErr = errDisk })
		for next.all() == nil {
			next.host.Look()
			<-next.host.Begun()
		}
		next.TransactionEnded(shards.PartitionFor("g", 50), 7, true)
		next.log.set(func(l *fakeLog) { l.openErr = nil })
		next.find("any")
		<-next.all()[shards.PartitionFor("g", 50)].loaded
		if got := next.offset("g", "t", 0); got != 5 || next.unstable("g", "t", 0) {
			t.Fatal("the end was told while the shard loaded, and forgotten:", got)
		}
	})
}

// The coordinator of transactions is not asked about a producer that the partition knows
// under a higher epoch.
func TestOffsetsOfAFencedProducer(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.commit(simple("g", at("t", 0, 1)))
		h.log.set(func(l *fakeLog) { l.fenced = protocol.InvalidProducerEpoch })
		c := simple("g", at("t", 0, 5))
		c.Txn = &Txn{ProducerID: 7, Join: func(context.Context, string, int32) protocol.Code {
			t.Error("asked")
			return protocol.None
		}}
		if got := h.CommitOffsets(t.Context(), c); got != protocol.InvalidProducerEpoch {
			t.Error(got)
		}
	})
}

// The transaction is ended, as after its timeout, between the coordinator's yes and the
// append: the client hears of it, and not of a fault inside, which it would die of.
func TestOffsetsThatComeBehindTheEnd(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		for _, code := range []protocol.Code{protocol.InvalidTxnState, protocol.InvalidProducerEpoch} {
			h.log.set(func(l *fakeLog) { l.fail = func() error { return protocol.Errorf(code, "ended") } })
			if got := h.CommitOffsets(t.Context(), inTxn(simple("g", at("t", 0, 5)), 7, protocol.None)); got != code {
				t.Errorf("%v, want %v", got, code)
			}
			h.log.set(func(l *fakeLog) { l.fail = nil })
			h.commit(simple("g", at("t", 0, 1)))
			if h.unstable("g", "t", 0) || h.offset("g", "t", 0) != 1 {
				t.Errorf("%v: the refused offset is pending", code)
			}
		}
	})
}

// A transaction's offset of a topic that was deleted and made again outlives the sweep of
// the one that was committed to the old topic.
func TestStagedOffsetOutlivesTheSweepOfAnOldTopic(t *testing.T) {
	for _, restart := range []bool{false, true} {
		world(t, func(t *testing.T, h *house) {
			of := func(topic Topic, offset int64) PartitionOffset {
				o := at("t", 0, offset)
				o.TopicID = topic.ID
				return o
			}
			first, _ := h.topics.ByName("t")
			h.commit(simple("g", of(first, 3)))
			second := Topic{ID: [16]byte{99}, Name: "t", Partitions: 1}
			h.topics.mu.Lock()
			h.topics.topics["t"] = second
			h.topics.mu.Unlock()
			h.commit(inTxn(simple("g", of(second, 7)), 7, protocol.None))
			if restart {
				h = h.restart() // which sweeps
				defer h.stop()
			} else {
				h.TopicDeleted()
			}
			time.Sleep(time.Hour)
			h.end("g", 7, true)
			if got := h.offset("g", "t", 0); got != 7 {
				t.Errorf("restart %v: offset %d, want 7", restart, got)
			}
			h = h.restart()
			defer h.stop()
			time.Sleep(time.Hour)
			if got := h.offset("g", "t", 0); got != 7 {
				t.Errorf("restart %v: offset %d after another, want 7", restart, got)
			}
		})
	}
}

// A topic with more partitions than there are shards, as an older broker allowed, changes
// nobody's place before the next start.
func TestOnePartitionForAGroupWhateverTheTopicHas(t *testing.T) {
	world(t, func(t *testing.T, h *house) {
		h.topics.mu.Lock()
		topic := h.topics.topics[TopicName]
		topic.Partitions = 77
		h.topics.topics[TopicName] = topic
		h.topics.mu.Unlock()
		for _, id := range []string{"a", "b", "c", "group", "another"} {
			_, got, code := h.PartitionFor(context.Background(), id)
			if s, _ := h.shard(id); code != protocol.None || got != s.id.Partition {
				t.Errorf("%s: partition %d, %v; its shard has %d", id, got, code, s.id.Partition)
			}
		}
	})
}
