package compat

// Where the packages of transactions produce what clients meet when a coordinator is
// not there, or busy with the end of the transaction before.
const (
	txnLoading = "go coordinator/transactions TestEveryRequestWhileLoading"
	txnEnded   = "go coordinator/transactions TestEveryRequestAfterTheEnd"
	txnNotHere = "go coordinator/transactions TestEveryRequestBeforeThereIsACoordinator"
	oneLeader  = "- the partitions are led by the coordinator's own broker"
)

// transactionCodes are the codes of transactions.
var transactionCodes = map[int16]map[int16]string{
	22: {42: "txn-init/empty id", 47: "txn-init/resumed by a stranger", 50: "txn-init/more time than there may be", 90: "txn-init/resumed by a stranger",
		51: "go coordinator/transactions TestInitAborts", 14: txnLoading, 15: txnEnded, 16: txnNotHere, 31: noSecurity, 53: noSecurity},
	24: {3: "txn-add/an unknown topic", 29: "txn-add/an internal topic", 42: "txn-add/an empty id", 47: "txn-add/an epoch before",
		49: "txn-add/a stranger", 55: "txn-add/a known and an unknown topic", 90: "txn-add/an epoch before", 120: "txn-add/batch: verify both",
		51: "go coordinator/txn TestAdd", 14: txnLoading, 15: txnEnded, 16: txnNotHere, 31: noSecurity, 53: noSecurity},
	25: {42: "txn-offsets/offsets of an empty id", 47: "txn-offsets/offsets by the epoch before", 49: "txn-offsets/offsets by a stranger",
		90: "txn-offsets/offsets by the epoch before", 51: "go coordinator/txn TestAdd",
		14: txnLoading, 15: txnEnded, 16: txnNotHere, 30: noSecurity, 53: noSecurity},
	26: {42: "txn-end/end of an empty id", 47: "txn-end/commit by the epoch before", 48: "txn-end/abort what was committed",
		49: "txn-end/end by a stranger", 90: "txn-end/commit by the epoch before", 51: "go coordinator/txn TestFinish",
		14: txnLoading, 15: txnEnded, 16: txnNotHere, 53: noSecurity},
	27: {3: "txn-markers/unknown topic", 42: "shapes-transactions/markers: Markers[0].ProducerID -1", 47: "txn-markers/stale epoch", 52: "txn-markers/older coordinator",
		7: "go coordinator/transactions TestAdministratorsMarkers", 6: oneLeader, 19: oneLeader, 20: oneLeader, 31: noSecurity,
		43: "- formats before 2 are not stored", 56: "go coordinator/transactions TestPartitionThatCanNotBeOpened"},
	28: {3: "txn-offsets/unknown topic", 12: "txn-offsets/long note", 22: "txn-offsets/of the next generation", 24: "txn-offsets/empty group",
		25: "txn-offsets/of nobody", 47: "txn-offsets/epoch before", 48: "txn-offsets/committed before they are announced",
		49: "txn-offsets/a stranger", 82: "go coordinator/group TestCheckCommit", 100: "txn-offsets/unknown topic",
		120: "txn-offsets/committed before they are announced", 51: "go coordinator/txn TestVerify",
		14: groupLoading, 15: groupEnded, 16: groupNotHere, 29: noSecurity, 30: noSecurity, 53: noSecurity, 113: newerGroups},
	65: {42: "txn-list/describe empty id", 105: "txn-list/describe unknown", 14: txnLoading, 15: txnEnded, 16: txnNotHere, 53: noSecurity},
	66: {128: "txn-list/list by a broken pattern", 14: txnLoading, 15: txnEnded},
}
