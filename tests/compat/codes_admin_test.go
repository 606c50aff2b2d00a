package compat

const (
	oneReplicaOnly = "- there is one broker, so that no other number of replicas can be asked for without naming an unknown one"
	nothingMoves   = "- there is one folder, where every replica is; nothing is moved"
	nothingElected = "- the only replica of a partition leads it"
	fixedVoters    = "- the quorum is fixed: the request is refused before it is looked at so far"
	atOnce         = "- the change is one transaction of the metadata store, for which nobody waits"
)

// configCodes are the codes of settings.
var configCodes = map[int16]map[int16]string{
	32: {3: "describe-configs/unknown topic", 17: "describe-configs/illegal topic", 42: "describe-configs/another broker",
		29: noSecurity, 30: noSecurity, 31: noSecurity},
	33: {3: "alter-configs/unknown topic", 17: "alter-configs/illegal topic", 40: "alter-configs/bad value", 42: "alter-configs/another broker",
		7: atOnce, 29: noSecurity, 30: noSecurity, 31: noSecurity, 41: oneBroker, 44: noPolicies},
	44: {3: "alter-configs/incremental, unknown topic", 17: "alter-configs/incremental, illegal topic", 40: "alter-configs/appended to a number",
		42: "alter-configs/appended null", 7: atOnce, 29: noSecurity, 30: noSecurity, 31: noSecurity, 41: oneBroker, 44: noPolicies},
	74: {35: "admin/resources of a type that is not", 31: noSecurity},
}

// clusterCodes are the codes of brokers, replicas, the quorum and ACLs.
var clusterCodes = map[int16]map[int16]string{
	17: {33: "go tests/security TestLoginStates", 34: "users/handshake \"PLAIN\""},
	36: {34: "users/token 0", 58: "go tests/security TestLoginStates"},
	50: {31: noSecurity, 91: "users/describe unknown", 92: "users/describe twice"},
	51: {31: noSecurity, 41: oneBroker, 33: "users/unknown mechanism", 91: "users/remove unknown", 92: "users/set both", 93: "users/too few iterations"},
	18: {35: "versions/version to come", 42: "versions/no name", 129: "versions/wrong node"},
	29: {54: "acls/describe any", 31: noSecurity, 42: noSecurity},
	30: {54: "acls/create any", 31: noSecurity, 41: oneBroker, 42: noSecurity},
	31: {54: "acls/delete any", 31: noSecurity, 41: oneBroker, 42: noSecurity},
	34: {3: "replicas/replica, of an unknown topic where others are", 17: "shapes-admin/move to a folder: Dirs[0].Topics[0].Topic long", 57: "admin/replica to an unknown folder",
		9: nothingMoves, 31: noSecurity, 56: nothingMoves},
	35: {56: "go broker/api/admin TestDescribeLogDirs", 31: noSecurity},
	43: {3: "admin/preferred leader of an unknown topic", 7: "shapes-admin/elect: TimeoutMillis 0", 42: "admin/election type 2", 84: "admin/preferred leader",
		31: noSecurity, 41: oneBroker, 80: nothingElected, 83: nothingElected},
	45: {3: "admin/moved unknown topic", 7: "shapes-admin/reassign: TimeoutMillis 0", 39: "admin/moved to an unknown broker", 85: "admin/no move to cancel",
		31: noSecurity, 38: oneReplicaOnly, 41: oneBroker, 60: nothingMoves},
	46: {7: atOnce, 31: noSecurity, 41: oneBroker},
	55: {3: "admin/quorum of another topic", 6: oneBroker, 31: noSecurity},
	57: {95: "admin/feature too high", 7: atOnce, 31: noSecurity, 41: oneBroker, 96: atOnce},
	60: {114: "cluster/controllers", 115: "cluster/endpoint type 0", 31: noSecurity},
	64: {102: "admin/unregister an unknown broker", 42: "go broker/api/admin TestUnregisterBroker", 7: atOnce, 31: noSecurity, 41: oneBroker},
	80: {35: "quorum/voter added", 42: "quorum/voter added, negative", 104: "quorum/voter added, another cluster",
		6: oneBroker, 7: fixedVoters, 31: noSecurity, 126: fixedVoters},
	81: {35: "quorum/voter removed, unknown", 42: "quorum/voter removed, negative", 104: "quorum/voter removed, another cluster",
		6: oneBroker, 7: fixedVoters, 31: noSecurity, 127: fixedVoters},
	94: {42: "quorum/controller unregistered, the only one", 136: "quorum/controller unregistered, unknown", 31: noSecurity, 41: oneBroker},
}
