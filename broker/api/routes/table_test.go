package routes_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/admin"
	"github.com/streamhouse/streamhouse/broker/api/fetch"
	"github.com/streamhouse/streamhouse/broker/api/groups"
	"github.com/streamhouse/streamhouse/broker/api/produce"
	"github.com/streamhouse/streamhouse/broker/api/routes"
	"github.com/streamhouse/streamhouse/broker/api/transactional"
	"github.com/streamhouse/streamhouse/protocol"
)

// table is the rows by the names of their APIs.
func table(t *testing.T) map[string]api.Route {
	t.Helper()
	byName := map[string]api.Route{}
	for _, r := range routes.Table(&routes.Handlers{
		Produce: &produce.Handler{}, Fetch: &fetch.Handlers{}, Groups: &groups.Handlers{},
		Transactional: &transactional.Handlers{}, Admin: &admin.Handlers{},
	}) {
		byName[protocol.Name(r.Key)] = r
	}
	return byName
}

// TestEveryServedKeyHasARow: what the protocol's table serves is routed, nothing else is,
// and each row is complete.
func TestEveryServedKeyHasARow(t *testing.T) {
	rows, served := table(t), protocol.Served()
	for _, spec := range served {
		r, ok := rows[spec.Name]
		if !ok {
			t.Errorf("%s has no row", spec.Name)
			continue
		}
		(&api.Routes{}).Add(r) // panics on a column that is missing
		ways := 0
		for _, set := range []bool{r.Handler != nil, r.Framer != nil, r.Streamer != nil} {
			if set {
				ways++
			}
		}
		if ways != 1 {
			t.Errorf("%s is answered in %d ways", spec.Name, ways)
		}
	}
	if len(rows) != len(served) || len(rows) < 50 {
		t.Errorf("%d rows for %d keys", len(rows), len(served))
	}
}

// TestIncompleteRowsAreRefused: without it the test above proves nothing.
func TestIncompleteRowsAreRefused(t *testing.T) {
	whole := table(t)["Metadata"]
	for column, lacking := range map[string]func(*api.Route){
		"Opens": func(r *api.Route) { r.Opens = 0 },
		"Waits": func(r *api.Route) { r.Waits = 0 },
		"Quota": func(r *api.Route) { r.Quota = 0 },
		"Audit": func(r *api.Route) { r.Audit = 0 },
		"Needs": func(r *api.Route) { r.Needs = nil },
		"AnyOf": func(r *api.Route) { r.Needs = []api.Need{{}} },
		"route": func(r *api.Route) { r.Key = protocol.KeyLeaderAndIsr },
	} {
		r := whole
		lacking(&r)
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, column) {
					t.Errorf("without %s: %s", column, said)
				}
			}()
			(&api.Routes{}).Add(r)
		}()
	}
}

// having lists the names of the rows for which is holds.
func having(rows map[string]api.Route, is func(*api.Route) bool) string {
	var names []string
	for name, r := range rows {
		if is(&r) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestColumns holds the columns that nothing reads yet to what Apache Kafka 4.4 does:
// which API may come before authentication, which count in a class of their own, and
// what an administrator does.
func TestColumns(t *testing.T) {
	rows := table(t)
	for what, c := range map[string]struct{ got, want string }{
		"before authentication": {having(rows, func(r *api.Route) bool { return r.Opens == api.BeforeLogin }),
			"ApiVersions SaslAuthenticate SaslHandshake"},
		"wait for other clients": {having(rows, func(r *api.Route) bool { return r.Waits == api.ForOthers }),
			"Fetch JoinGroup SyncGroup"},
		"wait for nothing": {having(rows, func(r *api.Route) bool { return r.Waits == api.AtOnce }),
			"AddRaftVoter AlterPartitionReassignments AlterReplicaLogDirs ApiVersions CreateAcls DeleteAcls DescribeAcls DescribeCluster " +
				"DescribeConfigs DescribeGroups DescribeQuorum DescribeTopicPartitions DescribeTransactions DescribeUserScramCredentials ElectLeaders Heartbeat " +
				"ListConfigResources ListGroups ListPartitionReassignments ListTransactions OffsetFetch RemoveRaftVoter SaslAuthenticate SaslHandshake " +
				"UnregisterBroker UnregisterController"},
		"bytes of producers":   {having(rows, func(r *api.Route) bool { return r.Quota == api.QuotaProduce }), "Produce"},
		"bytes of consumers":   {having(rows, func(r *api.Route) bool { return r.Quota == api.QuotaFetch }), "Fetch"},
		"partitions":           {having(rows, func(r *api.Route) bool { return r.Quota == api.QuotaMutation }), "CreatePartitions CreateTopics DeleteTopics"},
		"never held back":      {having(rows, func(r *api.Route) bool { return r.Quota == api.QuotaExempt }), "WriteTxnMarkers"},
		"nothing to be denied": {having(rows, func(r *api.Route) bool { return r.Audit == api.AuditNothing }), "ApiVersions SaslAuthenticate SaslHandshake"},
		"what administrators do": {having(rows, func(r *api.Route) bool { return r.Audit == api.AuditChanges }),
			"AddRaftVoter AlterConfigs AlterPartitionReassignments AlterReplicaLogDirs AlterUserScramCredentials CreateAcls CreatePartitions CreateTopics " +
				"DeleteAcls DeleteGroups DeleteRecords DeleteTopics ElectLeaders IncrementalAlterConfigs OffsetDelete RemoveRaftVoter " +
				"UnregisterBroker UnregisterController UpdateFeatures WriteTxnMarkers"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", what, c.got, c.want)
		}
	}
}

// rights is who needs what in Apache Kafka 4.4, as ACLs of topics (T), groups (G), the
// cluster (C) and transactional ids (X), with the error code of the lack; 0: what may not
// be seen is left out.
var rights = map[string]string{
	"Produce": "[transactional batches] X:WRITE 53, T:WRITE 29", "Fetch": "[a follower] C:CLUSTER_ACTION 29, [a consumer] T:READ 29",
	"ListOffsets": "T:DESCRIBE 29", "OffsetForLeaderEpoch": "C:CLUSTER_ACTION|T:DESCRIBE 29",
	"Metadata":                "[named topics] T:DESCRIBE 29, [all topics] T:DESCRIBE 0, [to make one] C:CREATE|T:CREATE 29",
	"DescribeTopicPartitions": "[named topics] T:DESCRIBE 29, [all topics] T:DESCRIBE 0",
	"FindCoordinator":         "[a group] G:DESCRIBE 30, [a transaction] X:DESCRIBE 53, [share state] C:CLUSTER_ACTION 31",
	"JoinGroup":               "G:READ 30", "SyncGroup": "G:READ 30", "Heartbeat": "G:READ 30", "LeaveGroup": "G:READ 30",
	"OffsetCommit": "G:READ 30, T:READ 29", "OffsetFetch": "G:DESCRIBE 30, [named topics] T:DESCRIBE 29, [all topics] T:DESCRIBE 0",
	"DescribeGroups": "G:DESCRIBE 30", "ListGroups": "C:DESCRIBE|G:DESCRIBE 0", "DeleteGroups": "G:DELETE 30", "OffsetDelete": "G:DELETE 30, T:READ 29",
	"InitProducerId":     "[a transactional id] X:WRITE 53, [none, on any topic] T:WRITE|C:IDEMPOTENT_WRITE 31",
	"AddPartitionsToTxn": "[versions 0-3] X:WRITE 53, [versions 0-3] T:WRITE 29, [versions 4 and later] C:CLUSTER_ACTION 31",
	"AddOffsetsToTxn":    "X:WRITE 53, G:READ 30", "EndTxn": "X:WRITE 53", "TxnOffsetCommit": "X:WRITE 53, G:READ 30, T:READ 29",
	"WriteTxnMarkers":      "C:ALTER|C:CLUSTER_ACTION 31",
	"DescribeTransactions": "X:DESCRIBE 53, T:DESCRIBE 0", "ListTransactions": "X:DESCRIBE 0", "DescribeProducers": "T:READ 29",
	"CreateTopics": "C:CREATE|T:CREATE 29, [settings in the answer] T:DESCRIBE_CONFIGS 29", "CreatePartitions": "T:ALTER 29",
	"DeleteTopics": "C:DELETE|T:DESCRIBE 29, C:DELETE|T:DELETE 29", "DeleteRecords": "T:DELETE 29",
	"DescribeConfigs":         "[a topic's] T:DESCRIBE_CONFIGS 29, [a group's] G:DESCRIBE_CONFIGS 30, [all others] C:DESCRIBE_CONFIGS 31",
	"AlterConfigs":            "[a topic's] T:ALTER_CONFIGS 29, [a group's] G:ALTER_CONFIGS 30, [all others] C:ALTER_CONFIGS 31",
	"IncrementalAlterConfigs": "[a topic's] T:ALTER_CONFIGS 29, [a group's] G:ALTER_CONFIGS 30, [all others] C:ALTER_CONFIGS 31",
	"ListConfigResources":     "C:DESCRIBE_CONFIGS 31",
	"DescribeAcls":            "C:DESCRIBE 31", "DescribeLogDirs": "C:DESCRIBE 31", "DescribeQuorum": "C:DESCRIBE 31", "ListPartitionReassignments": "C:DESCRIBE 31",
	"CreateAcls": "C:ALTER 31", "DeleteAcls": "C:ALTER 31", "AlterReplicaLogDirs": "C:ALTER 31", "ElectLeaders": "C:ALTER 31",
	"AlterPartitionReassignments": "C:ALTER 31", "UpdateFeatures": "C:ALTER 31", "UnregisterBroker": "C:ALTER 31",
	"UnregisterController": "C:ALTER 31", "AddRaftVoter": "C:ALTER 31", "RemoveRaftVoter": "C:ALTER 31",
	"DescribeUserScramCredentials": "C:DESCRIBE 31", "AlterUserScramCredentials": "C:ALTER 31",
	"DescribeCluster": "", "ApiVersions": "", "SaslHandshake": "", "SaslAuthenticate": "",
}

func TestRights(t *testing.T) {
	rows := table(t)
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		want, known := rights[name]
		if got := spelled(rows[name].Needs); !known || got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// spelled writes needs as rights has them.
func spelled(needs []api.Need) string {
	letters := map[kmsg.ACLResourceType]string{
		kmsg.ACLResourceTypeTopic: "T", kmsg.ACLResourceTypeGroup: "G",
		kmsg.ACLResourceTypeCluster: "C", kmsg.ACLResourceTypeTransactionalId: "X",
	}
	var out []string
	for _, n := range needs {
		var any []string
		for _, r := range n.AnyOf {
			any = append(any, letters[r.On]+":"+r.Op.String())
		}
		text := fmt.Sprintf("%s %d", strings.Join(any, "|"), n.Lack)
		if n.If != "" {
			text = "[" + n.If + "] " + text
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}
