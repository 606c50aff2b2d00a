// Package routes is the table of what this broker answers: a row per API key with its
// handler and what holds for all its requests. protocol's table has the versions.
//
// The rights are who needs what in Apache Kafka 4.4. Without an authorizer everybody has
// them; the quotas' classes and what is audited wait for theirs.
package routes

import (
	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/admin"
	"github.com/streamhouse/streamhouse/broker/api/fetch"
	"github.com/streamhouse/streamhouse/broker/api/groups"
	"github.com/streamhouse/streamhouse/broker/api/produce"
	"github.com/streamhouse/streamhouse/broker/api/transactional"
	"github.com/streamhouse/streamhouse/protocol"
)

// Handlers are those of all rows. The rows of what is nil are left out, which is for
// tests: a broker has all.
type Handlers struct {
	Produce       *produce.Handler
	Fetch         *fetch.Handlers
	Groups        *groups.Handlers
	Transactional *transactional.Handlers
	Admin         *admin.Handlers
}

// Fill puts all rows into a table, and has it tell the handlers of connections that end.
func Fill(t *api.Routes, h *Handlers) {
	if h.Fetch != nil {
		t.OnLeave(h.Fetch.Left)
	}
	for _, r := range Table(h) {
		t.Add(r)
	}
}

// Table returns the rows.
func Table(h *Handlers) []api.Route {
	var rows []row
	if h.Produce != nil {
		rows = append(rows, producing(h.Produce)...)
	}
	if h.Fetch != nil {
		rows = append(rows, fetching(h.Fetch)...)
	}
	if h.Groups != nil {
		rows = append(rows, grouping(h.Groups)...)
	}
	if h.Transactional != nil {
		rows = append(rows, transacting(h.Transactional)...)
	}
	if h.Admin != nil {
		rows = append(rows, telling(h.Admin)...)
		rows = append(rows, administrating(h.Admin)...)
	}
	out := make([]api.Route, len(rows))
	for i, r := range rows {
		out[i] = r.answered
		out[i].Key = r.key
		out[i].Policy = api.Policy{Opens: r.opens, Waits: r.waits, Quota: r.quota, Audit: r.audit, Needs: r.needs}
	}
	return out
}

// row is a route in the order in which it is read.
type row struct {
	key      int16
	answered api.Route // by which handler; nothing else of it is set
	opens    api.Opens
	waits    api.Waits
	quota    api.Quota
	audit    api.Audit
	needs    []api.Need
}

// The columns' values, short.
const (
	before, after                 = api.BeforeLogin, api.AfterLogin
	atOnce, forStorage, forOthers = api.AtOnce, api.ForStorage, api.ForOthers
	request, mutation, exempt     = api.QuotaRequest, api.QuotaMutation, api.QuotaExempt
	denials, changes              = api.AuditDenials, api.AuditChanges
)

func by(h api.Handler) api.Route      { return api.Route{Handler: h} }
func framed(f api.Framer) api.Route   { return api.Route{Framer: f} }
func stream(s api.Streamer) api.Route { return api.Route{Streamer: s} }

func producing(h *produce.Handler) []row {
	return []row{
		{protocol.KeyProduce, stream(h), after, forStorage, api.QuotaProduce, denials,
			needs(when("transactional batches", txnID(write)), topic(write))},
	}
}

func fetching(h *fetch.Handlers) []row {
	return []row{
		{protocol.KeyFetch, framed(h.Fetch), after, forOthers, api.QuotaFetch, denials,
			needs(when("a follower", told(cluster(clusterAction), protocol.TopicAuthorizationFailed)), when("a consumer", topic(read)))},
		{protocol.KeyListOffsets, by(h.ListOffsets), after, forStorage, request, denials,
			needs(topic(describe))},
		{protocol.KeyOffsetForLeaderEpoch, by(h.OffsetForLeaderEpoch), after, forStorage, request, denials,
			needs(either(cluster(clusterAction), topic(describe)))},
	}
}

func grouping(h *groups.Handlers) []row {
	member := needs(group(read))
	return []row{
		{protocol.KeyFindCoordinator, by(h.FindCoordinator), after, forStorage, request, denials,
			needs(when("a group", group(describe)), when("a transaction", txnID(describe)), when("share state", cluster(clusterAction)))},
		{protocol.KeyJoinGroup, by(h.JoinGroup), after, forOthers, request, denials, member},
		{protocol.KeySyncGroup, by(h.SyncGroup), after, forOthers, request, denials, member},
		{protocol.KeyHeartbeat, by(h.Heartbeat), after, atOnce, request, denials, member},
		{protocol.KeyLeaveGroup, by(h.LeaveGroup), after, forStorage, request, denials, member},
		{protocol.KeyOffsetCommit, by(h.OffsetCommit), after, forStorage, request, denials,
			needs(group(read), topic(read))},
		{protocol.KeyTxnOffsetCommit, by(h.TxnOffsetCommit), after, forStorage, request, denials,
			needs(txnID(write), group(read), topic(read))},
		{protocol.KeyOffsetFetch, by(h.OffsetFetch), after, atOnce, request, denials,
			needs(group(describe), when("named topics", topic(describe)), when("all topics", unseen(topic(describe))))},
		{protocol.KeyDescribeGroups, by(h.DescribeGroups), after, atOnce, request, denials,
			needs(group(describe))},
		{protocol.KeyListGroups, by(h.ListGroups), after, atOnce, request, denials,
			needs(unseen(either(cluster(describe), group(describe))))},
		{protocol.KeyDeleteGroups, by(h.DeleteGroups), after, forStorage, request, changes,
			needs(group(remove))},
		{protocol.KeyOffsetDelete, by(h.OffsetDelete), after, forStorage, request, changes,
			needs(group(remove), topic(read))},
	}
}

func transacting(h *transactional.Handlers) []row {
	return []row{
		{protocol.KeyInitProducerId, by(h.InitProducerID), after, forStorage, request, denials,
			needs(when("a transactional id", txnID(write)), when("none, on any topic", either(topic(write), cluster(idempotentWrite))))},
		{protocol.KeyAddPartitionsToTxn, by(h.AddPartitionsToTxn), after, forStorage, request, denials,
			needs(when("versions 0-3", txnID(write)), when("versions 0-3", topic(write)), when("versions 4 and later", cluster(clusterAction)))},
		{protocol.KeyAddOffsetsToTxn, by(h.AddOffsetsToTxn), after, forStorage, request, denials,
			needs(txnID(write), group(read))},
		{protocol.KeyEndTxn, by(h.EndTxn), after, forStorage, request, denials,
			needs(txnID(write))},
		{protocol.KeyWriteTxnMarkers, by(h.WriteTxnMarkers), after, forStorage, exempt, changes,
			needs(either(cluster(alter), cluster(clusterAction)))},
		{protocol.KeyDescribeTransactions, by(h.DescribeTransactions), after, atOnce, request, denials,
			needs(txnID(describe), unseen(topic(describe)))},
		{protocol.KeyListTransactions, by(h.ListTransactions), after, atOnce, request, denials,
			needs(unseen(txnID(describe)))},
	}
}

// telling are the rows of what clients ask about the cluster.
func telling(h *admin.Handlers) []row {
	return []row{
		{protocol.KeyApiVersions, by(h.ApiVersions), before, atOnce, request, api.AuditNothing, needs()},
		{protocol.KeySaslHandshake, by(h.SaslHandshake), before, atOnce, request, api.AuditNothing, needs()},
		{protocol.KeySaslAuthenticate, by(h.SaslAuthenticate), before, atOnce, request, api.AuditNothing, needs()},
		{protocol.KeyDescribeUserScramCredentials, by(h.DescribeUserScramCredentials), after, atOnce, request, denials, needs(cluster(describe))},
		{protocol.KeyMetadata, by(h.Metadata), after, forStorage, request, denials,
			needs(when("named topics", topic(describe)), when("all topics", unseen(topic(describe))),
				when("to make one", either(cluster(create), topic(create))))},
		{protocol.KeyDescribeTopicPartitions, by(h.DescribeTopicPartitions), after, atOnce, request, denials,
			needs(when("named topics", topic(describe)), when("all topics", unseen(topic(describe))))},
		{protocol.KeyDescribeCluster, by(h.DescribeCluster), after, atOnce, request, denials, needs()},
		{protocol.KeyDescribeConfigs, by(h.DescribeConfigs), after, atOnce, request, denials, settings(describeConfigs)},
		{protocol.KeyListConfigResources, by(h.ListConfigResources), after, atOnce, request, denials,
			needs(cluster(describeConfigs))},
		{protocol.KeyDescribeProducers, by(h.DescribeProducers), after, forStorage, request, denials,
			needs(topic(read))},
		{protocol.KeyDescribeAcls, by(h.DescribeACLs), after, atOnce, request, denials, needs(cluster(describe))},
		{protocol.KeyDescribeLogDirs, by(h.DescribeLogDirs), after, forStorage, request, denials, needs(cluster(describe))},
		{protocol.KeyDescribeQuorum, by(h.DescribeQuorum), after, atOnce, request, denials, needs(cluster(describe))},
		{protocol.KeyListPartitionReassignments, by(h.ListPartitionReassignments), after, atOnce, request, denials,
			needs(cluster(describe))},
	}
}

// administrating are the rows of what changes the cluster, or would if it could.
func administrating(h *admin.Handlers) []row {
	alters := needs(cluster(alter))
	return []row{
		{protocol.KeyCreateTopics, by(h.CreateTopics), after, forStorage, mutation, changes,
			needs(either(cluster(create), topic(create)), when("settings in the answer", topic(describeConfigs)))},
		{protocol.KeyCreatePartitions, by(h.CreatePartitions), after, forStorage, mutation, changes,
			needs(topic(alter))},
		{protocol.KeyDeleteTopics, by(h.DeleteTopics), after, forStorage, mutation, changes,
			needs(either(cluster(remove), topic(describe)), either(cluster(remove), topic(remove)))},
		{protocol.KeyDeleteRecords, by(h.DeleteRecords), after, forStorage, request, changes,
			needs(topic(remove))},
		{protocol.KeyAlterConfigs, by(h.AlterConfigs), after, forStorage, request, changes, settings(alterConfigs)},
		{protocol.KeyIncrementalAlterConfigs, by(h.IncrementalAlterConfigs), after, forStorage, request, changes, settings(alterConfigs)},
		{protocol.KeyAlterUserScramCredentials, by(h.AlterUserScramCredentials), after, forStorage, request, changes, alters},
		{protocol.KeyCreateAcls, by(h.CreateACLs), after, atOnce, request, changes, alters},
		{protocol.KeyDeleteAcls, by(h.DeleteACLs), after, atOnce, request, changes, alters},
		{protocol.KeyAlterReplicaLogDirs, by(h.AlterReplicaLogDirs), after, atOnce, request, changes, alters},
		{protocol.KeyElectLeaders, by(h.ElectLeaders), after, atOnce, request, changes, alters},
		{protocol.KeyAlterPartitionReassignments, by(h.AlterPartitionReassignments), after, atOnce, request, changes, alters},
		{protocol.KeyUpdateFeatures, by(h.UpdateFeatures), after, forStorage, request, changes, alters},
		{protocol.KeyUnregisterBroker, by(h.UnregisterBroker), after, atOnce, request, changes, alters},
		{protocol.KeyUnregisterController, by(h.UnregisterController), after, atOnce, request, changes, alters},
		{protocol.KeyAddRaftVoter, by(h.AddRaftVoter), after, atOnce, request, changes, alters},
		{protocol.KeyRemoveRaftVoter, by(h.RemoveRaftVoter), after, atOnce, request, changes, alters},
	}
}
