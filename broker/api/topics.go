package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Directory finds topics; nil if there is none. The catalog is one. Handlers do not ask
// it themselves, see Request.Topic.
type Directory interface {
	ByName(name string) *catalog.Topic
	ByID(id pack.TopicID) *catalog.Topic
}

// Node is this broker: who it takes itself for, and in which cluster. Who else there is
// and who leads what is for leaders.Leaders to say.
type Node struct {
	ID        int32
	ClusterID string
}

// Topic is a topic as handlers see it.
type Topic = catalog.Topic

// Ref is a topic as a request names it: by name or, in newer versions, by id.
type Ref struct {
	byID bool
	name string
	id   pack.TopicID
}

// Named refers to a topic by its name.
func Named(name string) Ref { return Ref{name: name} }

// Identified refers to a topic by its id.
func Identified(id pack.TopicID) Ref { return Ref{byID: true, id: id} }

// Topic is the one way to a topic for a request, which wants to do op with it. Without one
// the code is what is answered for it: who may not do op with a name learns nothing more,
// whether there is such a topic or not; an id that is not there is unknown to all.
func (r *Request) Topic(d Directory, ref Ref, op kmsg.ACLOperation) (*Topic, protocol.Code) {
	if !ref.byID && !r.May(kmsg.ACLResourceTypeTopic, op, ref.name) {
		return nil, protocol.TopicAuthorizationFailed
	}
	t, code := Find(d, ref)
	if ref.byID && t != nil && !r.May(kmsg.ACLResourceTypeTopic, op, t.Name) {
		return nil, protocol.TopicAuthorizationFailed
	}
	return t, code
}

// Find finds a topic whoever asks: for requests whose right is the cluster's.
func Find(d Directory, ref Ref) (*Topic, protocol.Code) {
	t, unknown := (*Topic)(nil), protocol.UnknownTopicOrPartition
	if ref.byID {
		t, unknown = d.ByID(ref.id), protocol.UnknownTopicID
	} else {
		t = d.ByName(ref.name)
	}
	if t == nil {
		return nil, unknown
	}
	return t, protocol.None
}

// TopicPartition is Topic for a request that names a partition of it.
func (r *Request) TopicPartition(d Directory, ref Ref, partition int32, op kmsg.ACLOperation) (*Topic, protocol.Code) {
	t, code := r.Topic(d, ref, op)
	if code == protocol.None && !HasPartition(t, partition) {
		return nil, protocol.UnknownTopicOrPartition
	}
	return t, code
}

// HasPartition says whether a topic has the partition.
func HasPartition(t *Topic, partition int32) bool {
	return partition >= 0 && partition < t.Partitions
}

// Open opens the log of a topic's partition, which the client believes to be in a leader
// epoch (-1: unchecked).
func Open(ctx context.Context, l Log, v leaders.View, t *Topic, partition, epoch int32) (Partition, error) {
	if !HasPartition(t, partition) {
		return nil, protocol.UnknownTopicOrPartition
	}
	current := v.Of(t, partition).Epoch
	if code := CheckEpoch(epoch, current); code != protocol.None {
		return nil, code
	}
	return l.Partition(ctx, pack.PartitionID{Topic: t.ID, Partition: partition}, current)
}

// CheckEpoch compares the leader epoch that a client believes in (-1: none) with the
// one in force (KIP-320).
func CheckEpoch(client, current int32) protocol.Code {
	switch {
	case client == -1 || client == current:
		return protocol.None
	case client < current:
		return protocol.FencedLeaderEpoch
	}
	return protocol.UnknownLeaderEpoch
}
