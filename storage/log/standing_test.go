package log

import (
	"errors"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// What a coordinator appends on top of a lost record is refused for as long as it has
// not read its state again.
func TestCoordinatorsGuard(t *testing.T) {
	j := newScriptedJournal(1)
	fail := make(chan bool, 10)
	j.before = func(uint64) error {
		if <-fail {
			return errors.New("lost")
		}
		return nil
	}
	r := newRig(t, j)
	p, other := r.partition(0), r.partition(1)
	_, guard, _ := p.TransactionGuard(-1, -1)
	plain := func(g Guard) Batch {
		b := batch(-1, -1, 1, 10)
		b.Coordinator, b.Guard = true, g
		return b
	}
	atomic := func(g Guard) <-chan Result {
		b := plain(g)
		done := make(chan Result, 2)
		r.log.NewAppender().AppendAtomic(t.Context(), NewTicket(2, func(t *Ticket) {
			done <- t.Results()[0]
			done <- t.Results()[1]
		}), []AtomicBatch{{p, b}, {other, plain(g)}})
		return done
	}
	marker := plain(guard)
	marker.Marker = &record.EndMarker{}

	fail <- false
	if res := <-r.send(p, plain(guard)); res.Err != nil {
		t.Fatal(res.Err)
	}
	fail <- true
	if res := <-r.send(other, plain(0)); !errors.Is(res.Err, protocol.KafkaStorageError) {
		t.Fatal(res.Err)
	}
	for range 10 {
		fail <- false
	}
	// The journal is usable again: a batch without a guard is taken.
	deadline := time.Now().Add(5 * time.Second)
	for {
		res := <-r.send(other, plain(0))
		if res.Err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(res.Err)
		}
	}
	if res := <-r.send(p, plain(guard)); !errors.Is(res.Err, protocol.KafkaStorageError) {
		t.Fatal("a batch that builds on what is lost was appended:", res.Err)
	}
	if res := <-r.send(p, marker); !errors.Is(res.Err, protocol.KafkaStorageError) {
		t.Fatal("a marker that builds on what is lost was appended:", res.Err)
	}
	if res := <-atomic(guard); !errors.Is(res.Err, protocol.KafkaStorageError) {
		t.Fatal("batches that build on what is lost were appended:", res.Err)
	}
	_, guard, _ = p.TransactionGuard(-1, -1)
	if res := <-atomic(guard); res.Err != nil {
		t.Fatal(res.Err)
	}
	if res := <-r.send(p, plain(guard)); res.Err != nil {
		t.Fatal(res.Err)
	}
}
