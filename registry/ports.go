package registry

import (
	"context"

	"github.com/streamhouse/streamhouse/storage/topic"
)

// Topics is the registry's topic, as the catalog and the log know it.
type Topics interface {
	// Find says whether the topic is there, and how it is made.
	Find() (Topic, bool)
	// Create makes it: one partition, compacted. It is no error if it is there.
	Create(ctx context.Context) error
	// Open loads its partition. Errors are the log's.
	Open(ctx context.Context, t Topic) (*topic.Partition, error)
	// Changed is sent to, without waiting, when a topic was made or deleted.
	Changed() <-chan struct{}
}

// Topic is what the registry has to know of its topic.
type Topic struct {
	ID         [16]byte
	Name       string
	Partitions int32
	Compact    bool
	BatchMax   int // max.message.bytes
}
