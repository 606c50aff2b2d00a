// Package leaders says who leads what: which brokers there are, which of them leads a
// partition and in which epoch, which coordinates a group or a transaction. Nobody works
// that out by itself, and nobody takes this broker for the only one.
//
// Single is a broker on its own.
package leaders

import (
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Leaders gives out views.
type Leaders interface {
	// View is what is so now. A request takes one and reads all its answers from it, so
	// that they fit together.
	View() View
}

// View is the cluster at one moment. It never changes, and neither may what it returns.
type View interface {
	// Nodes are the brokers that clients may be told of, by id.
	Nodes() []*Node
	// Node is one of them, or nil.
	Node(id int32) *Node
	// Controller is the broker that is asked to administrate, and the epoch of that.
	Controller() (id, epoch int32)
	// Of is who leads a partition of a topic; the partition exists.
	Of(t *catalog.Topic, partition int32) Leader
	// Coordinator is the broker that coordinates what a key names, or Nobody.
	Coordinator(kind Kind, key string) int32
}

// Nobody is the id of no broker.
const Nobody int32 = -1

// Leader is who leads a partition.
type Leader struct {
	Node     int32 // Nobody while there is none
	Epoch    int32 // never falls; one epoch has one leader for ever
	Replicas []int32
}

// Kind is what a coordinator's key names.
type Kind uint8

// The kinds.
const (
	Group Kind = iota + 1
	Transaction
)

// Node is a broker as clients see it.
type Node struct {
	ID   int32
	Rack *string
	// Listeners has an endpoint per listener name.
	Listeners map[string]Endpoint
}

// Endpoint is where clients of one listener find a broker.
type Endpoint struct {
	Host string
	Port int32
}

// Endpoint returns the address for clients of a listener.
func (n *Node) Endpoint(listener string) Endpoint { return n.Listeners[listener] }

// Epochs answers who has an id and no topic: the log and its upkeep.
type Epochs struct {
	Leaders Leaders
	Topics  interface {
		ByID(id pack.TopicID) *catalog.Topic
	}
}

// LeaderEpoch is the epoch of a partition's leader; false if the topic is not there.
func (e Epochs) LeaderEpoch(id pack.PartitionID) (int32, bool) {
	t := e.Topics.ByID(id.Topic)
	if t == nil {
		return 0, false
	}
	return e.Leaders.View().Of(t, id.Partition).Epoch, true
}
