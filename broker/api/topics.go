package api

import (
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Directory finds topics; nil if there is none. The catalog is one.
type Directory interface {
	ByName(name string) *catalog.Topic
	ByID(id pack.TopicID) *catalog.Topic
}

// Endpoint is where clients of one listener find this broker.
type Endpoint struct {
	Host string
	Port int32
}

// Node is this broker as clients see it.
type Node struct {
	ID        int32
	ClusterID string
	Rack      *string
	// StartEpoch is metadata.Start.Epoch: leader epochs are counted from it.
	StartEpoch int32
	// Advertised has an endpoint per listener name.
	Advertised map[string]Endpoint
}

// Endpoint returns the address for clients of a listener.
func (n *Node) Endpoint(listener string) Endpoint { return n.Advertised[listener] }

// LeaderEpoch is the epoch of a topic's partitions in this tenure.
func (n *Node) LeaderEpoch(t *catalog.Topic) int32 { return t.LeaderEpoch(n.StartEpoch) }

// Topic is a topic as handlers see it.
type Topic = catalog.Topic
