package api

import (
	"context"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// The ACL operations that exist for a topic, for the cluster and for a group, as bits.
// Without an authorizer a client may do all of them (KIP-430).
const (
	TopicOperations   = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
	ClusterOperations = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
	GroupOperations   = 1<<3 | 1<<6 | 1<<8 | 1<<10 | 1<<11
)

// HasPartition says whether a topic exists and has the partition.
func HasPartition(t *Topic, partition int32) bool {
	return t != nil && partition >= 0 && partition < t.Partitions
}

// FindPartition finds the log of a topic's partition, which the client believes to be
// in a leader epoch (-1: unchecked).
func FindPartition(ctx context.Context, l Log, node *Node, t *Topic, index, epoch int32) (Partition, error) {
	if !HasPartition(t, index) {
		return nil, protocol.UnknownTopicOrPartition
	}
	current := node.LeaderEpoch(t)
	if code := CheckEpoch(epoch, current); code != protocol.None {
		return nil, code
	}
	return l.Partition(ctx, pack.PartitionID{Topic: t.ID, Partition: index}, current)
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

// Within bounds a change by the timeout that the request names. One of zero or less
// has run out before the change begins, and Kafka's controller does nothing then;
// callers answer REQUEST_TIMED_OUT.
func Within(ctx context.Context, timeoutMillis int32) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, max(time.Duration(timeoutMillis)*time.Millisecond, time.Second))
}

// Twice returns which of the names occur more than once.
func Twice[K comparable, T any](list []T, key func(*T) K) map[K]bool {
	seen := make(map[K]bool, min(len(list), 1024))
	for i := range list {
		k := key(&list[i])
		_, again := seen[k]
		seen[k] = again
	}
	return seen
}
