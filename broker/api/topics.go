package api

import (
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Topic is what Produce and Fetch know of a topic. It never changes: an altered
// topic is another value.
type Topic struct {
	ID          pack.TopicID
	Name        string
	Partitions  int32
	LeaderEpoch int32
	Internal    bool // clients may read it and not produce to it
	// Rules are the topic's settings as record.Validate takes them; version and clock
	// of the request are filled in a copy.
	Rules        record.Rules
	Recompress   record.Recompression // how, when Validate says that it must be
	SegmentBytes int                  // segment.bytes: no batch may be larger
}

// Directory finds topics. The result is nil if there is none.
type Directory interface {
	TopicByName(name string) *Topic
	TopicByID(id pack.TopicID) *Topic
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
	// Advertised has an endpoint per listener name.
	Advertised map[string]Endpoint
}

// Endpoint returns the address for clients of a listener.
func (n *Node) Endpoint(listener string) Endpoint { return n.Advertised[listener] }
