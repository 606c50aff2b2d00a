package txn

// Status is the state that a transactional id is in. The numbers are those of Kafka's
// records.
type Status int8

// The states. Dead and PrepareEpochFence are never stored, here as in Kafka; they are
// named because a filter of ListTransactions may name them.
const (
	Empty Status = iota
	Ongoing
	PrepareCommit
	PrepareAbort
	CompleteCommit
	CompleteAbort
	Dead
	PrepareEpochFence
)

// Statuses lists the states that a transactional id can be in, for metrics.
var Statuses = [...]Status{Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort}

var statusNames = [...]string{
	Empty: "Empty", Ongoing: "Ongoing", PrepareCommit: "PrepareCommit", PrepareAbort: "PrepareAbort",
	CompleteCommit: "CompleteCommit", CompleteAbort: "CompleteAbort", Dead: "Dead", PrepareEpochFence: "PrepareEpochFence",
}

// String returns Kafka's name of the state.
func (s Status) String() string { return statusNames[s] }

// ParseStatus finds a state by Kafka's name for it, which has to match exactly.
func ParseStatus(name string) (Status, bool) {
	for s, n := range statusNames {
		if n == name {
			return Status(s), true
		}
	}
	return 0, false
}

// Preparing says whether end markers are being written: nothing else happens to the
// transaction until that is done.
func (s Status) Preparing() bool { return s == PrepareCommit || s == PrepareAbort }

// Idle says whether there is no transaction: the id may expire.
func (s Status) Idle() bool { return s == Empty || s == CompleteCommit || s == CompleteAbort }
