package transactions

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// quick has transactions end soon after their timeout.
var quick = map[string]string{"transaction.abort.timed.out.transaction.cleanup.interval.ms": "100"}

// both runs a test for clients of both protocols.
func both(t *testing.T, test func(t *testing.T, p int)) {
	for _, p := range []int{1, 2} {
		t.Run(fmt.Sprintf("protocol %d", p), func(t *testing.T) { test(t, p) })
	}
}

// A transaction that lasts too long is aborted, by an epoch above its producer's, and
// nobody has to wait for it any more.
func TestTimeout(t *testing.T) {
	h := start(t, quick)
	both(t, func(t *testing.T, version int) {
		h.t = t
		topic := fmt.Sprint("late-", version)
		h.create(topic, 2)
		p := h.begins(topic, version, 1500*time.Millisecond)
		p.sends(topic, 0, 0, "a", "b")
		other := h.begins(topic+"-other", version, time.Minute)
		other.sends(topic, 0, 0, "c")
		other.ends(true)
		if got := h.bound(topic, 0, true); got != 0 {
			t.Errorf("last stable offset %d with the transaction open", got)
		}
		if s := h.describe(topic); s.State != "Ongoing" || s.TimeoutMillis != 1500 || s.StartTimestamp <= 0 {
			t.Errorf("%+v", s)
		}
		h.until("aborted", func() bool { return h.describe(topic).State == "CompleteAbort" })
		s := h.describe(topic)
		if s.ProducerID != p.pid || s.ProducerEpoch != p.epoch+1 {
			t.Errorf("producer %d/%d after %d/%d", s.ProducerID, s.ProducerEpoch, p.pid, p.epoch)
		}
		end := h.bound(topic, 0, false)
		if stable := h.bound(topic, 0, true); stable != end || end != 5 {
			t.Errorf("last stable offset %d of %d", stable, end)
		}
		if got := h.read(topic, 0, true); got != fmt.Sprintf("c <commit %d> <abort %d>", other.epoch, p.epoch+1) {
			t.Errorf("committed: %s", got)
		}
		h.expect("the old one sends", p.produce(topic, 0, 2, time.Now(), "late"), protocol.InvalidProducerEpoch)
		if version == 1 {
			h.expect("the old one adds", p.add(topic, 1), protocol.ProducerFenced)
			h.expect("the old one sends elsewhere", p.produce(topic, 1, 0, time.Now(), "late"), protocol.InvalidProducerEpoch)
			h.expect("the old one commits", p.end(true), protocol.ProducerFenced)
			h.expect("the old one aborts", p.end(false), protocol.ProducerFenced)
		} else {
			h.expect("the old one sends elsewhere", p.produce(topic, 1, 0, time.Now(), "late"), protocol.InvalidProducerEpoch)
			h.expect("the old one commits", p.end(true), protocol.InvalidTxnState)
		}
		h.find(0, "g")
		h.expect("the old one commits offsets", h.last(func() code { return p.offsets("g", topic, 1) }), protocol.InvalidProducerEpoch)
		if got := h.bound(topic, 1, false); got != 0 {
			t.Errorf("%d records of the old one are in another partition", got)
		}
		was := *p
		h.expect("the old one goes on", h.last(func() code { return p.init(true) }), protocol.None)
		if p.pid != was.pid || p.epoch != was.epoch+1 {
			t.Errorf("it is %d/%d now, after %d/%d", p.pid, p.epoch, was.pid, was.epoch)
		}
		p.sends(topic, 0, 0, "d")
		p.ends(true)
		if got := h.read(topic, 0, true); !strings.Contains(got, " d <commit ") {
			t.Errorf("committed: %s", got)
		}
	})
}

// The second protocol's producer aborts what has timed out: the answer has its new epoch.
func TestAbortOfWhatTimedOut(t *testing.T) {
	h := start(t, quick)
	h.create("t", 1)
	p := h.begins("x", 2, time.Second)
	p.sends("t", 0, 0, "a")
	h.until("aborted", func() bool { return h.describe("x").State == "CompleteAbort" })
	was := *p
	h.expect("abort", p.end(false), protocol.None)
	if p.pid != was.pid || p.epoch != was.epoch+1 {
		t.Errorf("it is %d/%d now, after %d/%d", p.pid, p.epoch, was.pid, was.epoch)
	}
	p.sends("t", 0, 0, "b")
	p.ends(true)
	if got := h.read("t", 0, true); got != fmt.Sprintf("<abort %d> b <commit %d>", was.epoch+1, p.epoch) {
		t.Error(got)
	}
}

// A timeout counts over a restart.
func TestTimeoutOverAKill(t *testing.T) {
	h := start(t, quick)
	h.create("t", 1)
	p := h.begins("x", 2, 2*time.Second)
	p.sends("t", 0, 0, "a")
	h.again()
	h.until("aborted", func() bool { return h.describe("x").State == "CompleteAbort" })
	h.reads("t", 0, true, fmt.Sprintf("<abort %d>", p.epoch+1))
}

// Who takes an id over aborts what is open, is told to come again, and gets an epoch that
// nobody else has.
func TestTakenOver(t *testing.T) {
	h := start(t, nil)
	both(t, func(t *testing.T, version int) {
		h.t = t
		topic := fmt.Sprint("taken-", version)
		h.create(topic, 1)
		p := h.begins(topic, version, time.Minute)
		p.sends(topic, 0, 0, "a")
		next := *p
		h.expect("at first", next.init(false), protocol.ConcurrentTransactions)
		h.expect("then", h.last(func() code { return next.init(false) }), protocol.None)
		if next.pid != p.pid || next.epoch != p.epoch+2 {
			t.Errorf("%d/%d after %d/%d", next.pid, next.epoch, p.pid, p.epoch)
		}
		if got := h.read(topic, 0, true); got != fmt.Sprintf("<abort %d>", p.epoch+1) {
			t.Error(got)
		}
		h.expect("the old one resumes", p.init(true), protocol.ProducerFenced)
		h.expect("the old one commits", p.end(true), protocol.ProducerFenced)
	})
}

// An id that nobody has used for long is forgotten, in the log too, and is a new one
// afterwards. One with an open transaction is not.
func TestExpiry(t *testing.T) {
	h := start(t, map[string]string{
		"transactional.id.expiration.ms": "2000", "transaction.remove.expired.transaction.cleanup.interval.ms": "200",
	})
	h.create("t", 1)
	p := h.begins("idle", 2, time.Minute)
	p.sends("t", 0, 0, "a")
	p.ends(true)
	open := h.begins("open", 2, time.Minute)
	open.sends("t", 0, 0, "b")
	gone := func() bool { return protocol.Code(h.describe("idle").ErrorCode) == protocol.TransactionalIDNotFound }
	h.until("forgotten", gone)
	h.expect("it commits", p.end(true), protocol.InvalidProducerIDMapping)
	h.expect("it aborts", p.end(false), protocol.InvalidProducerIDMapping)
	if code := p.add("t", 0); code != protocol.InvalidProducerIDMapping {
		t.Error("it adds:", code)
	}
	if s := h.describe("open"); s.State != "Ongoing" {
		t.Errorf("the open one: %+v", s)
	}
	list := h.call(0, kmsg.NewPtrListTransactionsRequest()).(*kmsg.ListTransactionsResponse)
	if len(list.TransactionStates) != 1 || list.TransactionStates[0].TransactionalID != "open" {
		t.Errorf("%+v", list.TransactionStates)
	}
	if got := h.lastRecord("idle"); got != nil {
		t.Errorf("the last record of the id is %+v, no tombstone", got)
	}
	h.again()
	if !gone() {
		t.Error("it is back after a kill")
	}
	was := p.pid
	h.expect("it goes on", h.last(func() code { return p.init(true) }), protocol.None)
	if p.pid == was || p.epoch != 0 {
		t.Errorf("it is %d/%d, as before", p.pid, p.epoch)
	}
	p.sends("t", 0, 0, "c")
	p.ends(true)
	open.ends(true)
	h.reads("t", 0, true, "a <commit 1> b c <commit 1> <commit 1>")
}

// lastRecord is the last record of an id; nil for a tombstone.
func (h *house) lastRecord(id string) *kmsg.TxnMetadataValue {
	h.t.Helper()
	all := h.records(id)
	if len(all) == 0 {
		h.t.Fatalf("no record of %q", id)
	}
	return all[len(all)-1]
}

// The epochs of a producer id are used up: with the answer to the transaction's end, or to
// InitProducerId, comes another id. The request that is sent again is known.
func TestEpochsAreUsedUp(t *testing.T) {
	const last = 32766
	h := start(t, quick)
	both(t, func(t *testing.T, version int) {
		h.t = t
		topic := fmt.Sprint("worn-", version)
		h.create(topic, 1)
		p := h.begins(topic, version, time.Minute)
		h.state(topic, func(v *kmsg.TxnMetadataValue) {
			v.ProducerID, v.ProducerEpoch, v.TimeoutMillis, v.State = p.pid, last-1, 60_000, kmsg.TransactionState(4)
		})
		h.again()
		pid := p.pid
		h.expect("begins", h.last(func() code { return p.init(false) }), protocol.None)
		if p.pid != pid || p.epoch != last {
			t.Fatalf("%d/%d, want %d/%d", p.pid, p.epoch, pid, last)
		}
		p.sends(topic, 0, 0, "a")
		was := *p
		p.ends(true)
		if version == 2 {
			if p.pid == pid || p.epoch != 0 {
				t.Fatalf("committed, it is %d/%d", p.pid, p.epoch)
			}
			again := was
			h.expect("commit again", again.end(true), protocol.None)
			if again != *p {
				t.Errorf("commit again: %d/%d, not %d/%d", again.pid, again.epoch, p.pid, p.epoch)
			}
			h.expect("abort of what was committed", was.end(false), protocol.InvalidTxnState)
			h.expect("the old id adds", was.add(topic, 0), protocol.InvalidProducerIDMapping)
		} else {
			h.expect("begins anew", h.last(func() code { return p.init(true) }), protocol.None)
			if p.pid == pid || p.epoch != 0 {
				t.Fatalf("begun anew, it is %d/%d", p.pid, p.epoch)
			}
			h.expect("the old id adds", was.add(topic, 0), protocol.InvalidProducerIDMapping)
		}
		p.sends(topic, 0, 0, "b")
		p.ends(true)
		marker := int16(last)
		if version == 2 {
			marker++ // kept back for this
		}
		h.reads(topic, 0, true, fmt.Sprintf("a <commit %d> b <commit %d>", marker, version-1))
	})
}

// A transaction whose last epoch times out is fenced, too.
func TestLastEpochTimesOut(t *testing.T) {
	const last = 32766
	h := start(t, quick)
	both(t, func(t *testing.T, version int) {
		h.t = t
		topic := fmt.Sprint("worn-", version)
		h.create(topic, 1)
		p := h.begins(topic, version, 1500*time.Millisecond)
		h.state(topic, func(v *kmsg.TxnMetadataValue) {
			v.ProducerID, v.ProducerEpoch, v.TimeoutMillis, v.State = p.pid, last-1, 1500, kmsg.TransactionState(4)
		})
		h.again()
		h.expect("begins", h.last(func() code { return p.init(false) }), protocol.None)
		p.sends(topic, 0, 0, "a")
		was := *p
		h.until("aborted", func() bool { return h.describe(topic).State == "CompleteAbort" })
		h.expect("the old one sends", p.produce(topic, 0, 1, time.Now(), "late"), protocol.InvalidProducerEpoch)
		h.expect("begins", h.last(func() code { return p.init(false) }), protocol.None)
		if p.pid == was.pid || p.epoch > 1 {
			t.Errorf("it is %d/%d after %d/%d", p.pid, p.epoch, was.pid, was.epoch)
		}
		h.reads(topic, 0, true, fmt.Sprintf("<abort %d>", last+1))
	})
}

// An end that was prepared before a kill is completed, whoever wrote the record: data,
// offsets and all partitions, and whatever the client does meanwhile.
func TestPreparedIsCompleted(t *testing.T) {
	h := start(t, nil)
	both(t, func(t *testing.T, version int) {
		for _, commit := range []bool{true, false} {
			h.t = t
			topic := fmt.Sprintf("half-%d-%v", version, commit)
			group := "group-" + topic
			h.create(topic, 3)
			p := h.begins(topic, version, time.Minute)
			p.sends(topic, 0, 0, "a")
			p.sends(topic, 2, 0, "b")
			h.find(0, group)
			p.takesOffsets(group, topic, 7)
			if got := h.bound(topic, 0, true); got != 0 {
				t.Fatal(got)
			}
			marker, prepared := p.epoch, kmsg.TransactionState(3)
			if commit {
				prepared = 2
			}
			if version == 2 {
				marker++
			}
			h.state(topic, func(v *kmsg.TxnMetadataValue) {
				v.ProducerID, v.PreviousProducerID, v.ProducerEpoch, v.TimeoutMillis, v.State = p.pid, p.pid, marker, 60_000, prepared
				v.ClientTransactionVersion = int16(2 * (version - 1))
				v.Topics = []kmsg.TxnMetadataValueTopic{{Topic: topic, Partitions: []int32{0, 1, 2}}, {Topic: "__consumer_offsets", Partitions: []int32{0}}}
			})
			h.again()
			word, state, offset := "abort", "CompleteAbort", int64(-1)
			if commit {
				word, state, offset = "commit", "CompleteCommit", 7
			}
			h.until(state, func() bool { return h.describe(topic).State == state })
			for partition, data := range []string{"a ", "", "b "} {
				if !commit {
					data = ""
				}
				h.reads(topic, int32(partition), true, fmt.Sprintf("%s<%s %d>", data, word, marker))
			}
			if got := h.stableOffset(group, topic); got != offset {
				t.Errorf("%s: offset %d, want %d", topic, got, offset)
			}
			if version == 2 {
				p.ends(commit) // sent again
			}
			if p.epoch != marker {
				t.Errorf("%s: epoch %d", topic, p.epoch)
			}
			p.sends(topic, 1, 0, "c")
			p.ends(true)
		}
	})
}
