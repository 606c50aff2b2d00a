package log

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// atomic appends batches in one pack and returns what became of each.
func (r *rig) atomic(batches ...AtomicBatch) []Result {
	done := make(chan []Result, 1)
	a := r.log.NewAppender()
	defer a.Close()
	a.AppendAtomic(context.Background(), NewTicket(len(batches), func(t *Ticket) { done <- t.Results() }), batches)
	return <-done
}

func TestAppendAtomic(t *testing.T) {
	j := newScriptedJournal(1)
	r := newRig(t, j)
	a, b, c := r.partition(0), r.partition(1), r.partition(2)
	r.begin(a, 1, 0, 0)
	r.begin(b, 1, 0, 0)
	own := batch(-1, 0, 1, 10)
	own.Coordinator = true
	before := r.log.durable
	for i, res := range r.atomic(AtomicBatch{a, markerBatch(1, true, 5)}, AtomicBatch{b, markerBatch(1, true, 5)}, AtomicBatch{c, own}) {
		if res.Err != nil || res.BaseOffset != int64(1-i/2) {
			t.Errorf("batch %d: %+v", i, res)
		}
	}
	h, err := pack.DecodeHeader(j.packs[before+1])
	if err != nil || h.Entries != 3 || h.Flags&pack.FlagAtomic == 0 {
		t.Errorf("pack %+v, %v", h, err)
	}
	if a.Bounds().LastStable != 2 || b.Bounds().LastStable != 2 {
		t.Errorf("%+v, %+v", a.Bounds(), b.Bounds())
	}
}

// If one is refused none is appended.
func TestAppendAtomicIsRefusedAsAWhole(t *testing.T) {
	held := buffer.InUse()
	r := newRig(t, newScriptedJournal(1))
	a, b := r.partition(0), r.partition(1)
	r.begin(a, 1, 0, 0)
	r.begin(b, 1, 0, 0)
	r.begin(b, 2, 0, 1)
	r.must(b, markerBatch(2, true, 7), 2)
	gone := r.partition(2)
	gone.log.mu.Lock()
	gone.deleted = true
	gone.log.mu.Unlock()
	for _, c := range []struct {
		name    string
		at      int // slot at fault, -1: all
		err     error
		batches []AtomicBatch
	}{
		{"an older coordinator", 1, protocol.TransactionCoordinatorFenced, []AtomicBatch{{a, markerBatch(1, true, 7)}, {b, markerBatch(2, true, 6)}}},
		{"a partition that is gone", 0, protocol.UnknownTopicOrPartition, []AtomicBatch{{gone, markerBatch(1, true, 7)}, {b, markerBatch(1, true, 7)}}},
		{"a client's batch", 1, protocol.InvalidRequest, []AtomicBatch{{a, markerBatch(1, true, 7)}, {b, batch(3, 0, 1, 10)}}},
		{"one producer twice", 1, protocol.InvalidRequest, []AtomicBatch{{a, markerBatch(1, true, 7)}, {a, markerBatch(1, true, 7)}}},
		{"too many bytes", -1, protocol.InvalidRequest, []AtomicBatch{{a, large(AtomicBytesMax)}, {b, markerBatch(1, true, 7)}}},
		{"an unconfirmed batch of a coordinator", 1, protocol.InvalidTxnState, []AtomicBatch{{a, markerBatch(1, true, 7)}, {b, coordinators(txnBatch(4, 0, 0))}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, res := range r.atomic(c.batches...) {
				want := c.err
				if c.at >= 0 && i != c.at {
					want = protocol.OperationNotAttempted
				}
				if !errors.Is(res.Err, want) {
					t.Errorf("batch %d: %v, want %v", i, res.Err, want)
				}
			}
			r.must(r.partition(9), batch(-1, 0, 1, 10), r.partition(9).Bounds().HighWatermark)
			if x, y := a.Bounds(), b.Bounds(); x.HighWatermark != 1 || x.LastStable != 0 || y.HighWatermark != 3 || y.LastStable != 0 {
				t.Errorf("something was appended: %+v, %+v", x, y)
			}
		})
	}
	if n := buffer.InUse(); n != held {
		t.Errorf("%d bytes of buffers are still held", n-held)
	}
	many := make([]AtomicBatch, AtomicBatchesMax+1)
	for i := range many {
		many[i] = AtomicBatch{a, markerBatch(int64(i), true, 7)}
	}
	for _, res := range r.atomic(many...) {
		if !errors.Is(res.Err, protocol.InvalidRequest) {
			t.Fatalf("too many batches: %v", res.Err)
		}
	}
}

func coordinators(b Batch) Batch { b.Coordinator = true; return b }

// large is a batch of a coordinator with a payload of n bytes.
func large(n int) Batch { return coordinators(batch(-1, 0, 1, n)) }

// A failed pack takes the whole append along, also if it was written and only the reply
// was lost; what it ended is open again.
func TestAppendAtomicFailsAsAWhole(t *testing.T) {
	for _, failure := range []error{errors.New("no effect"), errAfterEffect} {
		t.Run(fmt.Sprint(failure), func(t *testing.T) {
			j := newScriptedJournal(1)
			fail := make(chan error, 1)
			j.before = func(uint64) error {
				select {
				case err := <-fail:
					return err
				default:
					return nil
				}
			}
			r := newRig(t, j)
			a, b, c := r.partition(0), r.partition(1), r.partition(2)
			r.begin(a, 1, 0, 0)
			r.begin(b, 1, 0, 0)
			end := func() []AtomicBatch {
				return []AtomicBatch{{a, markerBatch(1, false, 5)}, {b, markerBatch(1, false, 5)}, {c, large(10)}}
			}
			fail <- failure
			for i, res := range r.atomic(end()...) {
				if !errors.Is(res.Err, protocol.KafkaStorageError) {
					t.Errorf("batch %d: %+v", i, res)
				}
			}
			r.usable(r.partition(9))
			for _, p := range []*Partition{a, b} {
				if open, _, _ := p.TransactionGuard(1, 0); !open || p.Bounds().LastStable != 0 || p.Bounds().HighWatermark != 1 {
					t.Errorf("partition %d: open %v, %+v", p.id.Partition, open, p.Bounds())
				}
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			r.start()
			a, b, c = r.partition(0), r.partition(1), r.partition(2)
			for i, res := range r.atomic(end()...) {
				if res.Err != nil {
					t.Errorf("batch %d again: %+v", i, res)
				}
			}
			for _, p := range []*Partition{a, b} {
				if _, aborted := r.committed(p, 0); !reflect.DeepEqual(aborted, []Aborted{{1, 0}}) {
					t.Errorf("aborted %+v", aborted)
				}
			}
		})
	}
}
