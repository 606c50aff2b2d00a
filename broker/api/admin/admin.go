// Package admin has the handlers that need topics, settings and what is known of the
// cluster, one file per API key: what clients are told of them, and what administrators
// change.
package admin

import (
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/features"
	"github.com/streamhouse/streamhouse/protocol"
)

// Handlers has the handlers of the APIs that need topics, configs and the log, one
// method per key, each in a file of its own.
type Handlers struct {
	Node     *api.Node
	Routes   *api.Routes
	Catalog  *catalog.Catalog
	Log      api.Log
	Features *features.Levels
	Dir      LogDir
	Loggers  Loggers
	Now      func() time.Time
	Logger   *zap.Logger
}

// refuse puts an error into an answer's fields. What clients only see as an unknown
// error is logged here, since nobody else will.
func (c *Handlers) refuse(code *int16, message **string, err error) {
	known := api.CodeOf(err)
	*code, *message = int16(known), api.MessageOf(err)
	if known == protocol.UnknownServerError {
		c.Logger.Error("request failed", zap.Error(err))
	}
}

// Register puts the handlers into the table.
func (c *Handlers) Register(t *api.Routes) {
	t.Handle(protocol.KeyApiVersions, c.ApiVersions)
	t.Handle(protocol.KeyMetadata, c.Metadata)
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
func (c *Handlers) registerAdmin(t *api.Routes) {
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
