// Package history is the record of what clients of a broker saw: one JSON object per
// line, written while a load runs and judged afterwards, from the lines alone
// (tests/history/check). Being data, a history can be made up, kept, and judged again by
// a better checker. README.md describes the format.
package history

import (
	"errors"
	"fmt"
	"slices"
)

// Op says what an Event is about.
type Op string

// Operations.
const (
	Produce       Op = "produce"        // one record was sent
	Begin         Op = "begin"          // a transaction began in its client
	EndTxn        Op = "end"            // a transaction was to be committed or aborted
	Poll          Op = "poll"           // one partition was read from Offset up to Next
	Commit        Op = "commit"         // one offset was committed for a group
	Committed     Op = "committed"      // a group's committed offset was asked for
	Watermarks    Op = "watermarks"     // a partition's offsets were asked for
	CreateTopic   Op = "create_topic"   //
	DeleteTopic   Op = "delete_topic"   //
	DeleteRecords Op = "delete_records" // everything before Offset was to go
	Fault         Op = "fault"          // something was done to the broker or its connections
	Close         Op = "close"          // last line: nothing is missing before it
)

// Outcome of an operation, as its client knows it.
type Outcome string

// Outcomes.
const (
	OK      Outcome = "ok"
	Fail    Outcome = "fail"    // certainly without effect
	Unknown Outcome = "unknown" // no answer, or an error that leaves the effect open
)

// Isolation of a read.
type Isolation string

// Isolation levels, by Kafka's names.
const (
	ReadUncommitted Isolation = "read_uncommitted"
	ReadCommitted   Isolation = "read_committed"
)

// Delivery says how often a producer may have sent one record.
type Delivery string

// Deliveries.
const (
	Once          Delivery = "once"          // one request, never repeated
	Idempotent    Delivery = "idempotent"    // repeated under one sequence number
	Transactional Delivery = "transactional" // idempotent, in a transaction
	Retried       Delivery = "retried"       // repeated without sequence numbers: copies are allowed
)

// Event is one line. Fields that an operation does not need are zero, and left out
// where zero cannot be mistaken for a value.
type Event struct {
	Start   int64   `json:"start"` // ns since the run began: nothing was sent before
	End     int64   `json:"end"`   // ns since the run began: answered, or given up
	Client  string  `json:"client"`
	Op      Op      `json:"op"`
	Outcome Outcome `json:"outcome,omitempty"`
	Error   string  `json:"error,omitempty"` // why the outcome is not ok

	Topic     string `json:"topic,omitempty"`
	TopicID   string `json:"topic_id,omitempty"` // tells topics of one name apart; on all events of a topic, or on none
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"` // of the record, the position, the committed offset; -1 for none

	// Produce.
	Producer string   `json:"producer,omitempty"`
	Sequence int64    `json:"sequence"` // rises within a producer, over all its partitions
	Delivery Delivery `json:"delivery,omitempty"`
	Source   *Source  `json:"source,omitempty"` // the record that this one is made from
	// Key is what compaction knows the record by, Tombstone that it has no value.
	Key       string `json:"key,omitempty"`
	Tombstone bool   `json:"tombstone,omitempty"`

	// CreateTopic: the topic is compacted, and keeps each tombstone for this many ns at
	// least.
	Compacted       bool  `json:"compacted,omitempty"`
	DeleteRetention int64 `json:"delete_retention,omitempty"`

	// Transactions. Txn is unique in the history; Begin, EndTxn, and every Produce, Poll
	// and Commit within the transaction carry it.
	Txn        string `json:"txn,omitempty"`
	Commit     bool   `json:"commit,omitempty"`      // EndTxn: commit, not abort
	ProducerID int64  `json:"producer_id,omitempty"` // Begin, where the client says so
	Epoch      int16  `json:"epoch,omitempty"`

	// Poll.
	Isolation  Isolation `json:"isolation,omitempty"`
	Assignment int64     `json:"assignment,omitempty"` // a client's polls of one assignment follow one another
	Next       int64     `json:"next,omitempty"`       // the position after the poll
	Records    []Record  `json:"records,omitempty"`
	Marks      *Marks    `json:"marks,omitempty"` // also Watermarks

	Group  string `json:"group,omitempty"`
	Stable bool   `json:"stable,omitempty"` // Committed: asked to wait for open transactions

	Fault string `json:"fault,omitempty"` // kill, stop, cut, ...
	Count int64  `json:"count,omitempty"` // Close: lines before this one
}

// Record is one record that a poll returned.
type Record struct {
	Offset   int64  `json:"offset"`
	Producer string `json:"producer,omitempty"`
	Sequence int64  `json:"sequence"`
	Control  bool   `json:"control,omitempty"` // a transaction marker
	Corrupt  string `json:"corrupt,omitempty"` // why the value is none that a client made

	Key       string `json:"key,omitempty"`
	Tombstone bool   `json:"tombstone,omitempty"`
}

// Source names the record that another one was made from, for a group.
type Source struct {
	Group     string `json:"group"`
	Topic     string `json:"topic"`
	TopicID   string `json:"topic_id,omitempty"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// Marks are the offsets that bound a partition; -1 where the answer did not say.
type Marks struct {
	HighWatermark int64 `json:"high_watermark"`
	LastStable    int64 `json:"last_stable"`
	LogStart      int64 `json:"log_start"`
}

// outcomes that an operation may have.
var outcomes = map[Op][]Outcome{
	Produce: {OK, Fail, Unknown}, Begin: {OK}, EndTxn: {OK, Fail, Unknown}, Poll: {OK},
	Commit: {OK, Fail, Unknown}, Committed: {OK}, Watermarks: {OK},
	CreateTopic: {OK, Fail, Unknown}, DeleteTopic: {OK, Fail, Unknown}, DeleteRecords: {OK, Fail, Unknown},
	Fault: {OK}, Close: {OK},
}

// Validate reports everything that makes e no event.
func (e *Event) Validate() error {
	var faults []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	allowed, known := outcomes[e.Op]
	need(known, "op %q", e.Op)
	need(!known || slices.Contains(allowed, e.Outcome), "outcome %q of %s", e.Outcome, e.Op)
	need(e.Client != "", "no client")
	need(0 <= e.Start && e.Start <= e.End, "times %d to %d", e.Start, e.End)
	need(e.Partition >= 0, "partition %d", e.Partition)
	need(e.Topic != "" || !e.Op.hasTopic(), "%s without a topic", e.Op)
	e.validateFields(need)
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%s of %q: %w", e.Op, e.Client, errors.Join(faults...))
}

func (op Op) hasTopic() bool {
	switch op {
	case Begin, EndTxn, Fault, Close:
		return false
	}
	return true
}

// validateFields checks what each operation needs.
func (e *Event) validateFields(need func(bool, string, ...any)) {
	switch e.Op {
	case Produce:
		need(e.Producer != "" && e.Sequence >= 0, "record %q %d", e.Producer, e.Sequence)
		need(slices.Contains([]Delivery{Once, Idempotent, Transactional, Retried}, e.Delivery), "delivery %q", e.Delivery)
		need((e.Delivery == Transactional) == (e.Txn != ""), "delivery %s with transaction %q", e.Delivery, e.Txn)
		need((e.Outcome == OK) == (e.Offset >= 0), "offset %d with outcome %s", e.Offset, e.Outcome)
		need(e.Key != "" || !e.Tombstone, "a tombstone without a key")
	case CreateTopic:
		need(e.DeleteRetention >= 0 && (e.Compacted || e.DeleteRetention == 0), "compacted %t, delete retention %d", e.Compacted, e.DeleteRetention)
	case Begin, EndTxn:
		need(e.Txn != "", "no transaction")
	case Poll:
		need(e.Isolation == ReadUncommitted || e.Isolation == ReadCommitted, "isolation %q", e.Isolation)
		need(0 <= e.Offset && e.Offset <= e.Next, "from %d to %d", e.Offset, e.Next)
	case Commit:
		need(e.Group != "" && e.Offset >= 0, "group %q, offset %d", e.Group, e.Offset)
	case Committed:
		need(e.Group != "" && e.Offset >= -1, "group %q, offset %d", e.Group, e.Offset)
	case Watermarks:
		need(e.Marks != nil, "no marks")
	case DeleteRecords:
		need(e.Offset >= 0, "offset %d", e.Offset)
	case Fault:
		need(e.Fault != "", "no kind")
	}
	if m := e.Marks; m != nil {
		need(min(m.HighWatermark, m.LastStable, m.LogStart) >= -1, "marks %+v", *m)
	}
}
