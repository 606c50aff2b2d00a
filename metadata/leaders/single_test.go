package leaders_test

import (
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/storage/pack"
)

type topics map[pack.TopicID]*catalog.Topic

func (t topics) ByID(id pack.TopicID) *catalog.Topic { return t[id] }

// TestSingle: a broker on its own leads everything, and each start is an epoch.
func TestSingle(t *testing.T) {
	self := &leaders.Node{ID: 7, Listeners: map[string]leaders.Endpoint{"OUT": {Host: "h", Port: 1}}}
	topic := &catalog.Topic{}
	topic.ID, topic.BirthEpoch, topic.Partitions = pack.TopicID{1}, 3, 2
	for start := int32(3); start < 6; start++ {
		l := leaders.NewSingle(self, start)
		v := l.View()
		if of := v.Of(topic, 1); of.Node != 7 || of.Epoch != start-3 || !slices.Equal(of.Replicas, []int32{7}) {
			t.Fatalf("start %d: %+v", start, of)
		}
		if id, epoch := v.Controller(); id != 7 || epoch != start {
			t.Fatalf("controller %d in %d", id, epoch)
		}
		epochs := leaders.Epochs{Leaders: l, Topics: topics{topic.ID: topic}}
		if epoch, ok := epochs.LeaderEpoch(pack.PartitionID{Topic: topic.ID, Partition: 1}); !ok || epoch != start-3 {
			t.Fatalf("by id: %d %v", epoch, ok)
		}
		if _, ok := epochs.LeaderEpoch(pack.PartitionID{Topic: pack.TopicID{2}}); ok {
			t.Fatal("a topic that is not there has an epoch")
		}
	}
	v := leaders.NewSingle(self, 3).View()
	if nodes := v.Nodes(); len(nodes) != 1 || nodes[0] != self || v.Node(7) != self || v.Node(8) != nil {
		t.Fatalf("nodes %v", nodes)
	}
	for _, kind := range []leaders.Kind{leaders.Group, leaders.Transaction} {
		if id := v.Coordinator(kind, "g"); v.Node(id) == nil || v.Node(id).Endpoint("OUT").Host != "h" {
			t.Fatalf("coordinator %d", id)
		}
	}
}
