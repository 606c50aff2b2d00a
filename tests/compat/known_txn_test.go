package compat

// Reasons.
const (
	noneAsked   = "there is nothing to answer, which is said; Kafka never answers, and no broker asks so"
	namedTwice  = "each is answered for itself, where Kafka answers the first with the partitions of the last; no broker names a transaction twice"
	nobodysOwn  = "the batch names no producer, so that nobody could end its transaction; Kafka stores it"
	nobodys     = "clients cannot write there; Kafka first says that it is not part of their transaction"
	staleMarker = "it says what is wrong, where Kafka fails inside (UNKNOWN_SERVER_ERROR)"
)

// knownInTransactions are the differences in transactions.
var knownInTransactions = []known{
	{"txn-add", "batch of none", "4-5", "", `{"ErrorCode":0,"ThrottleMillis":0,"Topics":null,"Transactions":null}`, noneAsked},
	{"txn-add", "batch: one twice", "4-5", "Transactions[0].Topics[0].Partitions[0].Partition", `10`, namedTwice},
	{"txn-produce", "transactional, no producer", "3-13", "Topics[0].Partitions[0].BaseOffset", `-1`, nobodysOwn},
	{"txn-produce", "transactional, no producer", "3-13", "Topics[0].Partitions[0].ErrorCode", `87`, nobodysOwn},
	{"txn-produce", "into the groups' topic", "3-10", "Topics[0].Partitions[0].ErrorCode", `17`, nobodys},
	{"txn-produce", "into the groups' topic", "8-10", "Topics[0].Partitions[0].ErrorMessage", `null`, nobodys},
	{"txn-produce", "into the groups' topic", "11", "Topics[0].Partitions[0].ErrorCode", `17`, nobodys},
	{"txn-markers", "stale epoch", "3-13", "Markers[0].Topics[0].Partitions[0].ErrorCode", `47`, staleMarker},
}
