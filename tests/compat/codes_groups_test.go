package compat

// Where the coordinator's package produces what clients meet when a coordinator is not
// (yet, any more) there.
const (
	groupLoading = "go coordinator TestEveryRequestWhileLoading"
	groupEnded   = "go coordinator TestEveryRequestAfterTheEnd"
	groupNotHere = "go coordinator TestEveryRequestBeforeThereIsACoordinator"
	newerGroups  = "- groups of the newer protocol (KIP-848) are not built"
)

// groupCodes are the codes of groups and their offsets.
var groupCodes = map[int16]map[int16]string{
	8: {3: "commits/commit unknown topic", 12: "commits/commit long metadata", 22: "commits/commit of the next generation",
		25: "commits/commit of somebody else", 27: "commits/commit before its assignment", 69: "commits/commit, unknown group and a generation",
		82: "static/commit by the one before", 100: "commits/commit unknown topic",
		14: groupLoading, 15: groupEnded, 16: groupNotHere, 29: noSecurity, 30: noSecurity, 113: newerGroups},
	9: {88: "txn-offsets/fetched while open, stable", 100: "commits/fetch unknown topic",
		14: groupLoading, 15: groupEnded, 16: groupNotHere, 29: noSecurity, 30: noSecurity, 25: newerGroups, 113: newerGroups},
	10: {15: groupEnded, 42: "coordinator/type 3", 30: noSecurity, 31: noSecurity, 53: noSecurity, 29: noSecurity},
	11: {23: "membership/another protocol", 24: "membership/join, empty group", 25: "membership/join, unknown member",
		26: "membership/join, session too short", 79: "membership/a asks", 81: "full/second member", 82: "static/join with the id of before",
		14: groupLoading, 15: groupEnded, 16: groupNotHere, 30: noSecurity},
	12: {22: "membership/heartbeat of the next generation", 24: "membership/heartbeat, empty group", 25: "membership/heartbeat of nobody",
		27: "membership/heartbeat in a rebalance", 82: "static/heartbeat with another id",
		14: "- a heartbeat is good while its group loads", 15: groupEnded, 16: groupNotHere, 30: noSecurity},
	13: {24: "membership/leave, empty group", 25: "membership/leave, unknown group", 82: "static/leaves by id and instance",
		14: groupLoading, 15: groupEnded, 16: groupNotHere, 30: noSecurity},
	14: {22: "membership/sync of another generation", 23: "membership/sync with another protocol", 24: "membership/sync, empty group",
		25: "membership/sync of nobody", 27: "membership/sync in a rebalance", 82: "static/sync with the id of before",
		14: groupLoading, 15: groupEnded, 16: groupNotHere, 30: noSecurity},
	15: {69: "groups/describe unknown", 14: groupLoading, 15: groupEnded, 16: groupNotHere, 30: noSecurity},
	16: {14: groupLoading, 15: groupEnded, 31: "- without an authorizer all groups are listed"},
	42: {68: "groups/delete one with a member", 69: "groups/delete unknown", 14: groupLoading, 15: groupEnded, 16: groupNotHere, 30: noSecurity},
	47: {3: "commits/delete", 24: "commits/delete, empty group", 69: "commits/delete, unknown group", 86: "commits/delete beside a member",
		14: groupLoading, 15: groupEnded, 16: groupNotHere, 29: noSecurity, 30: noSecurity, 68: "commits/delete beside a member of another kind"},
}
