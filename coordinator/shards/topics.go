package shards

import (
	"context"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// Topic is what a coordinator needs to know of a topic.
type Topic struct {
	ID          pack.TopicID
	Name        string
	Partitions  int32
	LeaderEpoch int32
}

// Topics looks topics up. Both methods may be called from any goroutine.
type Topics interface {
	// ByName answers from memory: it is called with a shard's mutex held.
	ByName(name string) (Topic, bool)
	// EnsureInternal returns an internal topic and makes it if need be.
	EnsureInternal(ctx context.Context, name string) (Topic, error)
}
