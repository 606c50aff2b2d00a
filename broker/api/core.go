package api

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/features"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// ProducerIDs gives out producer ids, none of them twice.
type ProducerIDs interface {
	Next(ctx context.Context) (int64, error)
}

// Core has the handlers of the APIs that need topics, configs and the log, one
// method per key, each in a file of its own.
type Core struct {
	Node        *Node
	Routes      *Routes
	Catalog     *catalog.Catalog
	Log         Log
	ProducerIDs ProducerIDs
	// Transactions gives producers with a transactional id their ids.
	Transactions TransactionCoordinator
	Features     *features.Levels
	Dir          LogDir
	Loggers      Loggers
	Now          func() time.Time
	Logger       *zap.Logger
}

// refuse puts an error into an answer's fields. What clients only see as an unknown
// error is logged here, since nobody else will.
func (c *Core) refuse(code *int16, message **string, err error) {
	known := codeOf(err)
	*code, *message = int16(known), messageOf(err)
	if known == protocol.UnknownServerError {
		c.Logger.Error("request failed", zap.Error(err))
	}
}

// Register puts the handlers into the table.
func (c *Core) Register(t *Routes) {
	t.Handle(protocol.KeyApiVersions, c.ApiVersions)
	t.Handle(protocol.KeyMetadata, c.Metadata)
	t.Handle(protocol.KeyListOffsets, c.ListOffsets)
	t.Handle(protocol.KeyOffsetForLeaderEpoch, c.OffsetForLeaderEpoch)
	t.Handle(protocol.KeyInitProducerId, c.InitProducerID)
	t.Handle(protocol.KeyCreateTopics, c.CreateTopics)
	t.Handle(protocol.KeyDeleteTopics, c.DeleteTopics)
	t.Handle(protocol.KeyCreatePartitions, c.CreatePartitions)
	t.Handle(protocol.KeyDeleteRecords, c.DeleteRecords)
	t.Handle(protocol.KeyDescribeConfigs, c.DescribeConfigs)
	t.Handle(protocol.KeyAlterConfigs, c.AlterConfigs)
	t.Handle(protocol.KeyIncrementalAlterConfigs, c.IncrementalAlterConfigs)
	t.Handle(protocol.KeyDescribeCluster, c.DescribeCluster)
	t.Handle(protocol.KeyDescribeTopicPartitions, c.DescribeTopicPartitions)
	c.registerAdmin(t)
}

// registerAdmin puts in what only administrators' tools send.
func (c *Core) registerAdmin(t *Routes) {
	t.Handle(protocol.KeyDescribeLogDirs, c.DescribeLogDirs)
	t.Handle(protocol.KeyAlterReplicaLogDirs, c.AlterReplicaLogDirs)
	t.Handle(protocol.KeyDescribeProducers, c.DescribeProducers)
	t.Handle(protocol.KeyListConfigResources, c.ListConfigResources)
	t.Handle(protocol.KeyListPartitionReassignments, c.ListPartitionReassignments)
	t.Handle(protocol.KeyAlterPartitionReassignments, c.AlterPartitionReassignments)
	t.Handle(protocol.KeyElectLeaders, c.ElectLeaders)
	t.Handle(protocol.KeyDescribeQuorum, c.DescribeQuorum)
	t.Handle(protocol.KeyUpdateFeatures, c.UpdateFeatures)
	t.Handle(protocol.KeyUnregisterBroker, c.UnregisterBroker)
	t.Handle(protocol.KeyAddRaftVoter, c.AddRaftVoter)
	t.Handle(protocol.KeyRemoveRaftVoter, c.RemoveRaftVoter)
	t.Handle(protocol.KeyUnregisterController, c.UnregisterController)
	t.Handle(protocol.KeyDescribeAcls, c.DescribeACLs)
	t.Handle(protocol.KeyCreateAcls, c.CreateACLs)
	t.Handle(protocol.KeyDeleteAcls, c.DeleteACLs)
}

// The ACL operations that exist for a topic and for the cluster, as bits. Without an
// authorizer a client may do all of them (KIP-430).
const (
	topicOperations   = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
	clusterOperations = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
)

// partition finds the log of a topic's partition, which the client believes to be in
// a leader epoch (-1: unchecked).
func (c *Core) partition(ctx context.Context, t *Topic, index, epoch int32) (Partition, error) {
	if t == nil || index < 0 || index >= t.Partitions {
		return nil, protocol.UnknownTopicOrPartition
	}
	current := c.Node.leaderEpoch(t)
	if code := checkEpoch(epoch, current); code != protocol.None {
		return nil, code
	}
	return c.Log.Partition(ctx, pack.PartitionID{Topic: t.ID, Partition: index}, current)
}

// within bounds a change by the timeout that the request names. One of zero or less
// has run out before the change begins, and Kafka's controller does nothing then;
// callers answer REQUEST_TIMED_OUT.
func within(ctx context.Context, timeoutMillis int32) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, max(time.Duration(timeoutMillis)*time.Millisecond, time.Second))
}

// twice returns which of the names occur more than once.
func twice[K comparable, T any](list []T, key func(*T) K) map[K]bool {
	seen := make(map[K]bool, min(len(list), 1024))
	for i := range list {
		k := key(&list[i])
		_, again := seen[k]
		seen[k] = again
	}
	return seen
}
