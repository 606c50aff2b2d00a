// Package check judges histories of tests/history: pure functions from what clients saw
// to what can not have happened on a correct broker. It knows nothing of how the
// history came to be, so that it can be tested with made-up ones.
//
// It assumes that topics whose creation does not say so are not compacted, that nothing expires by retention, that
// producers ask for acknowledgement by all replicas, and that a group's commits rise.
// An operation of unknown outcome may have happened or not; either is right, as long as
// all readers agree.
package check

import (
	"fmt"
	"strings"

	"github.com/streamhouse/streamhouse/tests/history"
)

// Kind is a class of anomalies.
type Kind string

// Kinds. The names in brackets are those of Jepsen's Kafka workload.
const (
	Lost             Kind = "lost"              // acknowledged, and readers passed its offset without it [lost-write]
	Skipped          Kind = "skipped"           // a reader passed a record that others saw [poll-skip]
	Duplicated       Kind = "duplicated"        // one record at two offsets [duplicate]
	Reordered        Kind = "reordered"         // a producer's later record lies before its earlier one [nonmonotonic-send]
	TwoRecords       Kind = "two records"       // one offset named two records [inconsistent-offsets]
	Phantom          Kind = "phantom"           // nobody sent it, not there, or not yet
	Corrupt          Kind = "corrupt"           // a value that no client made
	FailedRead       Kind = "failed read"       // the broker refused it, and a reader saw it [G1a]
	AbortedRead      Kind = "aborted read"      // read_committed saw what was never committed [G1a]
	EarlyRead        Kind = "early read"        // read_committed saw it before anybody asked for the commit
	Torn             Kind = "torn"              // of a committed transaction a part is there and a part is not
	PastLastStable   Kind = "past last stable"  // a position or last stable offset beyond an open transaction
	WentBack         Kind = "position"          // a reader's positions or records do not rise [nonmonotonic-poll]
	HighWatermark    Kind = "high watermark"    // it went back
	LastStable       Kind = "last stable"       // it went back
	LogStart         Kind = "log start"         // it went back
	CommitBack       Kind = "commit went back"  // a group's offset below what was certain before
	CommitPhantom    Kind = "commit of nothing" // a group's offset that no effective commit set
	CopiedTwice      Kind = "copied twice"      // two visible records made from one, exactly once
	NotCopied        Kind = "not copied"        // a group went past a record and made nothing from it
	CameBack         Kind = "came back"         // compaction had taken it out, or a later version of its key
	WriteReadCycle   Kind = "write-read cycle"  // transactions that read one another's writes [G1c]
	WriteCycle       Kind = "write cycle"       // note: interleaved writes [G0]
	WriteAndReadLoop Kind = "write order cycle" // note: a cycle over writes' order and reads [G1c with ww edges]
)

// Anomaly is one thing that can not have happened, with the events that show it.
type Anomaly struct {
	Kind    Kind
	Summary string
	Events  []history.Event
}

// String is the summary and, indented, the evidence.
func (a Anomaly) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s", a.Kind, a.Summary)
	for _, e := range a.Events {
		fmt.Fprintf(&text, "\n    %s", describe(e))
	}
	return text.String()
}

// Counts is what happened, so that a run can demand that enough did.
type Counts struct {
	Acknowledged, Refused, Open    int // records sent, by outcome
	Read, ReadCommitted            int // records polled, by isolation
	Committed, Aborted, Unresolved int // transactions, by what their client knows
	TxnReads                       int // polls within transactions
	Copied                         int // records that a group has visibly made from others
	Commits, Answers               int // acknowledged offset commits, and answers about them
	Watermarks                     int // answers about a partition's offsets
	Covered                        int // acknowledged records whose offset some reader passed
	Removed                        int // records that compaction has taken out, as readers noticed
	Rereads                        int // reads from the beginning of a partition in which that had been noticed before
	Faults                         int
}

// Verdict is what a history shows.
type Verdict struct {
	Counts    Counts
	Anomalies []Anomaly // at most maxPerKind of each kind
	// Notes are what Kafka's transactions allow and a reader may want to know: they do
	// not isolate writes from one another, so cycles over the order of writes are normal.
	Notes []Anomaly
	// Found counts all anomalies and notes, those left out as well.
	Found map[Kind]int
}

// maxPerKind bounds how many anomalies of one kind are spelled out.
const maxPerKind = 8

// Has says whether an anomaly of the kind was found.
func (v Verdict) Has(kind Kind) bool { return v.Found[kind] > 0 }

// maxShown bounds the records of a poll that a description shows.
const maxShown = 6

func describe(e history.Event) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%.3f-%.3f ms %s %s", float64(e.Start)/1e6, float64(e.End)/1e6, e.Client, e.Op)
	if e.Outcome != history.OK {
		fmt.Fprintf(&text, " (%s: %s)", e.Outcome, e.Error)
	}
	if e.Topic != "" {
		fmt.Fprintf(&text, " %s-%d@%d", e.Topic, e.Partition, e.Offset)
	}
	switch e.Op {
	case history.Produce:
		fmt.Fprintf(&text, " record %s %d", e.Producer, e.Sequence)
	case history.EndTxn:
		fmt.Fprintf(&text, " commit=%t", e.Commit)
	case history.Poll:
		fmt.Fprintf(&text, " to %d %s", e.Next, e.Isolation)
		for i, r := range e.Records {
			if i == maxShown {
				fmt.Fprintf(&text, " and %d more", len(e.Records)-i)
				break
			}
			fmt.Fprintf(&text, " %d=%s", r.Offset, recordName(r))
		}
	}
	if e.Txn != "" {
		fmt.Fprintf(&text, " in %s", e.Txn)
	}
	if e.Marks != nil {
		fmt.Fprintf(&text, " %+v", *e.Marks)
	}
	if e.Group != "" {
		fmt.Fprintf(&text, " group %s", e.Group)
	}
	return text.String()
}

func recordName(r history.Record) string {
	switch {
	case r.Control:
		return "marker"
	case r.Corrupt != "":
		return "corrupt"
	}
	return fmt.Sprintf("%s/%d", r.Producer, r.Sequence)
}
