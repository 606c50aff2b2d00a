package compat

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Reasons why a code cannot occur. They begin with a dash, which names of cases do not.
const (
	oneBroker  = "- one broker leads and coordinates everything"
	noSecurity = "- there is no authorizer"
	elsewhere  = "- needs a fault; produced by tests of the package that finds it"
	notAsked   = "- no quotas, no policies, no tiers"
)

// errorCodes lists, for the APIs that clients use most, each error code that Kafka can
// answer with, and the case (suite/name) that produces it here, or the reason why
// nothing can.
var errorCodes = map[int16]map[int16]string{
	0: {2: "produce/magic 3", 3: "produce/unknown topic", 10: "produce/too large", 18: "produce/larger than a segment",
		21: "produce/acks 2", 32: "produce/timestamp too old", 45: "idempotence/gap", 47: "idempotence/old epoch",
		17: "internal/produce", 48: "txn-produce/not added", 49: "txn-produce/stranger", 53: "txn-produce/no id",
		120: "txn-produce/outside of a transaction", 76: "produce/codec zstd without data", 87: "produce/empty", 100: "produce/zero id",
		5: oneBroker, 6: oneBroker, 7: elsewhere, 19: oneBroker, 20: oneBroker, 29: noSecurity, 31: noSecurity, 56: elsewhere},
	1: {1: "fetch/past the end", 3: "fetch/unknown topic", 70: "sessions/unknown session", 71: "sessions/wrong epoch, again",
		75: "fetch/epoch to come", 100: "fetch/unknown topic",
		6: oneBroker, 29: noSecurity, 56: elsewhere, 74: elsewhere, 103: oneBroker, 106: "sessions/session of the other kind", 109: notAsked},
	2: {3: "offsets/unknown topic", 35: "offsets/timestamp -7", 42: "offsets/partition twice", 74: "offsets/epoch -2",
		75: "offsets/epoch to come", 5: oneBroker, 6: oneBroker, 29: noSecurity, 43: "- formats before 2 are not stored", 56: elsewhere, 78: oneBroker},
	3: {3: "metadata/unknown", 17: "metadata/illegal", 42: "metadata/null name", 100: "metadata/by unknown id",
		5: elsewhere, 29: noSecurity, 72: oneBroker},
	8: {3: "commits/commit unknown topic", 12: "commits/commit long metadata", 22: "commits/commit of the next generation",
		25: "commits/commit of somebody else", 27: "commits/commit before its assignment", 69: "commits/commit, unknown group and a generation",
		100: "commits/commit unknown topic", 14: elsewhere, 15: elsewhere, 16: elsewhere, 28: elsewhere, 29: noSecurity, 30: noSecurity,
		82: elsewhere},
	11: {23: "membership/another protocol", 24: "membership/join, empty group", 25: "membership/join, unknown member",
		26: "membership/join, session too short", 79: "membership/a asks", 82: "static/join with the id of before",
		14: elsewhere, 15: elsewhere, 16: elsewhere, 30: noSecurity, 81: "full/second member"},
	12: {22: "membership/heartbeat of the next generation", 24: "membership/heartbeat, empty group", 25: "membership/heartbeat of nobody",
		27: "membership/heartbeat in a rebalance", 82: "static/heartbeat with another id",
		14: "- a heartbeat is good while its group loads", 15: elsewhere, 16: elsewhere, 30: noSecurity},
	13: {24: "membership/leave, empty group", 25: "membership/leave, unknown group", 82: "static/leaves by id and instance",
		14: elsewhere, 15: elsewhere, 16: elsewhere, 30: noSecurity},
	14: {22: "membership/sync of another generation", 23: "membership/sync with another protocol", 24: "membership/sync, empty group",
		25: "membership/sync of nobody", 27: "membership/sync in a rebalance", 82: "static/sync with the id of before",
		14: elsewhere, 15: elsewhere, 16: elsewhere, 30: noSecurity},
	18: {35: "versions/version to come", 42: "versions/no name", 129: "versions/wrong node"},
	19: {7: "create/no time", 17: "create/illegal name", 36: "create/exists", 37: "create/no partitions", 38: "create/no replicas",
		39: "create/assigned to nobody", 40: "create-configs/retention.ms=soon", 42: "create/twice in one request",
		44: "create/too many partitions", 29: noSecurity, 31: noSecurity, 41: oneBroker, 89: notAsked},
	20: {3: "delete/unknown", 7: "delete/no time", 42: "delete/twice", 100: "delete/unknown id",
		29: noSecurity, 41: oneBroker, 73: elsewhere, 89: notAsked},
	21: {1: "delete-records/past the end", 3: "delete-records/unknown topic", 44: "delete-records/compacted",
		6: oneBroker, 7: elsewhere, 17: "internal/delete records", 29: noSecurity, 56: elsewhere},
	37: {3: "partitions/unknown topic", 7: "partitions/no time", 37: "partitions/fewer", 39: "partitions/assigned to nobody",
		42: "partitions/twice", 44: "partitions/too many", 29: noSecurity, 41: oneBroker, 60: oneBroker, 89: notAsked},
	42: {68: "groups/delete one with a member", 69: "groups/delete unknown", 14: elsewhere, 15: elsewhere, 16: elsewhere, 30: noSecurity},
	47: {3: "commits/delete", 24: "commits/delete, empty group", 69: "commits/delete, unknown group",
		86: "commits/delete beside a member", 14: elsewhere, 15: elsewhere, 16: elsewhere, 30: noSecurity},
}

func note(into map[int16]map[int16]map[string]bool, key, code int16, name string) {
	if into[key] == nil {
		into[key] = make(map[int16]map[string]bool)
	}
	if into[key][code] == nil {
		into[key][code] = make(map[string]bool)
	}
	into[key][code][name] = true
}

// checkCodes holds the table to what a whole run produced: each case that it names gave
// the code, and no code came that it does not have or calls impossible.
func checkCodes(t *testing.T, produced map[int16]map[int16]map[string]bool) {
	for key, table := range errorCodes {
		api := kmsg.NameForKey(key)
		for code, origin := range table {
			impossible := strings.HasPrefix(origin, "-")
			switch cases := produced[key][code]; {
			case impossible && len(cases) > 0:
				t.Errorf("%s: %d is called impossible (%s), and was produced by %v", api, code, origin, slices.Sorted(maps.Keys(cases)))
			case !impossible && !cases[origin]:
				t.Errorf("%s: %s did not produce %d", api, origin, code)
			}
		}
		for code, cases := range produced[key] {
			if _, ok := table[code]; !ok && code != 0 {
				t.Errorf("%s: %d is not in the table, and was produced by %v", api, code, slices.Sorted(maps.Keys(cases)))
			}
		}
	}
}
