package groups_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
)

// commit commits one offset and returns the partition's code.
func (h *groupHouse) commit(version int16, group string, generation int32, member string, topic *api.Topic, partition int32, offset int64) protocol.Code {
	h.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.MemberID = group, generation, member
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	metadata := "m"
	p.Partition, p.Offset, p.Metadata, p.LeaderEpoch = partition, offset, &metadata, 3
	tp := kmsg.NewOffsetCommitRequestTopic()
	tp.Topic, tp.TopicID, tp.Partitions = topic.Name, topic.ID, append(tp.Partitions, p)
	req.Topics = append(req.Topics, tp)
	r := call[*kmsg.OffsetCommitResponse](h, version, req)
	got := r.Topics[0]
	if version >= 10 && (got.TopicID != topic.ID || got.Topic != "") || version < 10 && got.Topic != topic.Name || got.Partitions[0].Partition != partition {
		h.t.Fatalf("v%d: %+v", version, r)
	}
	return code(got.Partitions[0].ErrorCode)
}

func TestOffsetCommit(t *testing.T) {
	nowhere := testTopic(99, "nowhere", 0)
	apitest.Versions(t, protocol.KeyOffsetCommit, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			member, generation := h.member("live", nil)
			unknownTopic, unknownGroup := protocol.UnknownTopicOrPartition, protocol.IllegalGeneration
			if v >= 9 {
				unknownGroup = protocol.GroupIDNotFound
			}
			if v >= 10 {
				unknownTopic = protocol.UnknownTopicID
			}
			for _, c := range []struct {
				name       string
				group      string
				generation int32
				member     string
				topic      *api.Topic
				partition  int32
				want       protocol.Code
			}{
				{"simple", "tool", -1, "", topicT, 3, protocol.None},
				{"member", "live", generation, member, topicT, 0, protocol.None},
				{"stale", "live", generation - 1, member, topicT, 0, protocol.IllegalGeneration},
				{"unknown member", "live", generation, "x", topicT, 0, protocol.UnknownMemberID},
				{"unknown group", "nobody", 1, "x", topicT, 0, unknownGroup},
				{"unknown topic", "tool", -1, "", nowhere, 0, unknownTopic},
				{"unknown topic and group", "nobody", 1, "x", nowhere, 0, unknownTopic},
				{"unknown partition", "tool", -1, "", topicT, 4, protocol.UnknownTopicOrPartition},
				{"negative partition", "tool", -1, "", topicT, -1, protocol.UnknownTopicOrPartition},
				{"the empty group id", "", -1, "", topicT, 0, protocol.None},
			} {
				if got := h.commit(v, c.group, c.generation, c.member, c.topic, c.partition, 5); got != c.want {
					t.Errorf("%s: %v, want %v", c.name, got, c.want)
				}
			}
		})
	})
}

func TestOffsetCommitMixesCodes(t *testing.T) {
	withGroups(t, true, func(h *groupHouse) {
		long := strings.Repeat("x", 4097)
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Group, req.Generation = "g", -1
		add := func(topic string, partitions ...int32) {
			tp := kmsg.NewOffsetCommitRequestTopic()
			tp.Topic = topic
			for _, n := range partitions {
				p := kmsg.NewOffsetCommitRequestTopicPartition()
				p.Partition, p.Offset = n, 10+int64(len(req.Topics))
				if n == 1 {
					p.Metadata = &long
				}
				tp.Partitions = append(tp.Partitions, p)
			}
			req.Topics = append(req.Topics, tp)
		}
		add("t", 0, 1, 9)
		add("nowhere", 0)
		add("t", 0) // again: the later one counts
		codes := func() string {
			s := ""
			for _, tp := range call[*kmsg.OffsetCommitResponse](h, 9, req).Topics {
				for _, p := range tp.Partitions {
					s += fmt.Sprintf("%s-%d:%d ", tp.Topic, p.Partition, p.ErrorCode)
				}
			}
			return s
		}
		if got := codes(); got != "t-0:0 t-1:12 t-9:3 nowhere-0:3 t-0:0 " {
			t.Fatal(got)
		}
		if got, _, _ := h.fetch(9, "g", topicT, 0); got != 12 {
			t.Fatal(got)
		}
		// A group's error covers what exists, also what was too long.
		req.Generation, req.MemberID = 4, "x"
		if got := codes(); got != "t-0:25 t-1:25 t-9:3 nowhere-0:3 t-0:25 " {
			t.Fatal(got)
		}
		h.log.mu.Lock()
		h.log.fail = protocol.KafkaStorageError
		h.log.mu.Unlock()
		req.Generation, req.MemberID = -1, ""
		if got := codes(); got != "t-0:16 t-1:16 t-9:3 nowhere-0:3 t-0:16 " {
			t.Fatal(got)
		}
	})
}

// fetch fetches one offset at any version.
func (h *groupHouse) fetch(version int16, group string, topic *api.Topic, partition int32) (offset int64, epoch int32, failed protocol.Code) {
	h.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.Topics = group, []kmsg.OffsetFetchRequestTopic{{Topic: topic.Name, Partitions: []int32{partition}}}
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group, g.Topics = group, []kmsg.OffsetFetchRequestGroupTopic{{Topic: topic.Name, TopicID: topic.ID, Partitions: []int32{partition}}}
	req.Groups = append(req.Groups, g)
	r := call[*kmsg.OffsetFetchResponse](h, version, req)
	if version < 8 {
		p := r.Topics[0].Partitions[0]
		if r.Topics[0].Topic != topic.Name || p.Partition != partition || p.Metadata == nil || r.ErrorCode != 0 || len(r.Groups) != 0 {
			h.t.Fatalf("v%d: %+v", version, r)
		}
		return p.Offset, p.LeaderEpoch, code(p.ErrorCode)
	}
	tp := r.Groups[0].Topics[0]
	p := tp.Partitions[0]
	if version >= 10 && (tp.TopicID != topic.ID || tp.Topic != "") || version < 10 && tp.Topic != topic.Name || p.Metadata == nil || len(r.Topics) != 0 || r.Groups[0].Group != group {
		h.t.Fatalf("v%d: %+v", version, r)
	}
	return p.Offset, p.LeaderEpoch, code(p.ErrorCode)
}

func TestOffsetFetch(t *testing.T) {
	apitest.Versions(t, protocol.KeyOffsetFetch, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			if c := h.commit(10, "g", -1, "", topicT, 0, 5); c != protocol.None {
				t.Fatal(c)
			}
			offset, epoch, failed := h.fetch(v, "g", topicT, 0)
			if offset != 5 || failed != protocol.None || (v >= 5) != (epoch == 3) {
				t.Fatal(offset, epoch, failed)
			}
			for _, c := range []struct {
				group     string
				topic     *api.Topic
				partition int32
			}{{"g", topicT, 1}, {"g", topicT, 99}, {"g", topicU, 0}, {"nobody", topicT, 0}, {"", topicT, 0}} {
				if offset, epoch, failed := h.fetch(v, c.group, c.topic, c.partition); offset != -1 || epoch != -1 || failed != protocol.None {
					t.Errorf("%+v: %d %d %v", c, offset, epoch, failed)
				}
			}
			nowhere, want := testTopic(99, "nowhere", 0), protocol.None
			if v >= 10 {
				want = protocol.UnknownTopicID
			}
			if offset, _, failed := h.fetch(v, "g", nowhere, 0); offset != -1 || failed != want {
				t.Error(offset, failed)
			}
		})
	})
}

func TestOffsetFetchOfAllTopics(t *testing.T) {
	for v := int16(2); v <= 10; v++ {
		withGroups(t, true, func(h *groupHouse) {
			h.commit(9, "g", -1, "", topicT, 0, 5)
			h.commit(9, "g", -1, "", topicT, 2, 6)
			h.commit(9, "g", -1, "", topicU, 0, 7)
			req := kmsg.NewPtrOffsetFetchRequest()
			req.Group, req.Topics = "g", nil
			req.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g"}, {Group: "nobody"}}
			r := call[*kmsg.OffsetFetchResponse](h, v, req)
			if v < 8 {
				if r.ErrorCode != 0 || len(r.Topics) != 2 || len(r.Topics[0].Partitions) != 2 || r.Topics[0].Partitions[1].Offset != 6 || r.Topics[1].Topic != "u" {
					t.Fatalf("v%d: %+v", v, r)
				}
				req.Topics = []kmsg.OffsetFetchRequestTopic{} // none is not all
				if r := call[*kmsg.OffsetFetchResponse](h, v, req); len(r.Topics) != 0 {
					t.Fatalf("v%d: %+v", v, r)
				}
				return
			}
			g := r.Groups[0]
			if len(r.Groups) != 2 || len(g.Topics) != 2 || len(r.Groups[1].Topics) != 0 || r.Groups[1].ErrorCode != 0 || g.Topics[1].Partitions[0].Offset != 7 {
				t.Fatalf("v%d: %+v", v, r)
			}
			if v >= 10 && g.Topics[0].TopicID != topicT.ID || v < 10 && g.Topics[0].Topic != "t" {
				t.Fatalf("v%d: %+v", v, g)
			}
		})
	}
}

// Where each version puts an error of the group.
func TestOffsetFetchOfAGroupThatIsNotHere(t *testing.T) {
	for v := int16(1); v <= 10; v++ {
		withGroups(t, false, func(h *groupHouse) {
			req := kmsg.NewPtrOffsetFetchRequest()
			req.Group, req.Topics = "g", []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0, 1}}}
			req.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g", Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", TopicID: topicT.ID, Partitions: []int32{0}}}}}
			r := call[*kmsg.OffsetFetchResponse](h, v, req)
			switch {
			case v < 2:
				p := r.Topics[0].Partitions
				if len(p) != 2 || code(p[1].ErrorCode) != protocol.NotCoordinator || p[1].Offset != -1 || p[1].Partition != 1 {
					t.Fatalf("v%d: %+v", v, r)
				}
			case v < 8:
				if code(r.ErrorCode) != protocol.NotCoordinator || len(r.Topics) != 0 {
					t.Fatalf("v%d: %+v", v, r)
				}
			default:
				if g := r.Groups[0]; code(g.ErrorCode) != protocol.NotCoordinator || len(g.Topics) != 0 || g.Group != "g" {
					t.Fatalf("v%d: %+v", v, r)
				}
			}
		})
	}
}

func TestOffsetDelete(t *testing.T) {
	apitest.Versions(t, protocol.KeyOffsetDelete, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			member, generation := h.member("g", nil) // subscribes to t
			h.commit(9, "g", generation, member, topicT, 0, 5)
			h.commit(9, "g", generation, member, topicU, 0, 6)
			req := kmsg.NewPtrOffsetDeleteRequest()
			req.Group = "g"
			for _, tp := range []string{"t", "u", "nowhere"} {
				in := kmsg.NewOffsetDeleteRequestTopic()
				in.Topic = tp
				in.Partitions = []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}, {Partition: 7}}
				req.Topics = append(req.Topics, in)
			}
			r := call[*kmsg.OffsetDeleteResponse](h, v, req)
			s := ""
			for _, tp := range r.Topics {
				for _, p := range tp.Partitions {
					s += fmt.Sprintf("%s-%d:%d ", tp.Topic, p.Partition, p.ErrorCode)
				}
			}
			if r.ErrorCode != 0 || s != "t-0:86 t-7:3 u-0:0 u-7:3 nowhere-0:3 nowhere-7:3 " {
				t.Fatal(r.ErrorCode, s)
			}
			if o, _, _ := h.fetch(9, "g", topicU, 0); o != -1 {
				t.Fatal(o)
			}
			for group, want := range map[string]protocol.Code{"nobody": protocol.GroupIDNotFound, "": protocol.InvalidGroupID} {
				req.Group = group
				if r := call[*kmsg.OffsetDeleteResponse](h, v, req); code(r.ErrorCode) != want || len(r.Topics) != 0 {
					t.Errorf("%q: %+v", group, r)
				}
			}
		})
	})
}
