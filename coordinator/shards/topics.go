package shards

import (
	"context"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// Topic is what a coordinator needs to know of a topic.
type Topic struct {
	ID         pack.TopicID
	Name       string
	Partitions int32
	// BatchMax is the topic's max.message.bytes; 0: not known.
	BatchMax int
}

// RecordMax bounds one record of an internal topic, in bytes, when it is written and when
// it is read. What could not be read again is not written, whatever the topic's settings
// say.
const RecordMax = 64 << 20

// BatchMax is the largest batch, in bytes, that may be appended to an internal topic now:
// its max.message.bytes, which can change at any time. otherwise is for a topic that is
// not there, or does not say.
func BatchMax(topics Topics, name string, otherwise int) int {
	if t, ok := topics.ByName(name); ok && t.BatchMax > 0 {
		return min(t.BatchMax, RecordMax)
	}
	return otherwise
}

// Topics looks topics up. All methods may be called from any goroutine.
type Topics interface {
	// ByName answers from memory: it is called with a shard's mutex held.
	ByName(name string) (Topic, bool)
	// EnsureInternal returns an internal topic and makes it if need be.
	EnsureInternal(ctx context.Context, name string) (Topic, error)
	// LeaderEpoch is in which epoch this broker leads a partition; false if the topic is
	// not there. It answers from memory.
	LeaderEpoch(id pack.PartitionID) (int32, bool)
}
