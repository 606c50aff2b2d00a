package partition

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// txnEntry is the entry of a transactional batch of n records, in leader epoch 2.
func txnEntry(base int64, n int32, producer int64, epoch int16, seq int32) pack.Entry {
	e := entry(base, n, 2, producer, epoch, seq)
	e.Flags |= pack.FlagTransactional
	return e
}

// markerEntry is the entry of an end marker, in leader epoch 2.
func markerEntry(base int64, producer int64, epoch int16, coordinator int32, commit bool) pack.Entry {
	e := entry(base, 1, 2, producer, epoch, -1)
	e.CoordinatorEpoch = coordinator
	e.Flags |= pack.FlagTransactional | pack.FlagControl
	if commit {
		e.Flags |= pack.FlagMarkerCommit
	} else {
		e.Flags |= pack.FlagMarkerAbort
	}
	return e
}

// txnHeader is the header of a transactional batch.
func txnHeader(producer int64, epoch int16, seq, n int32) *record.Header {
	h := header(producer, epoch, seq, n)
	h.Attributes |= 0x10
	return h
}

// What may be appended when producer 1 of epoch 3 has a transaction open with sequences
// 0 to 4, producer 2 had one that a version-1 marker of coordinator epoch 9 ended, and
// producer 3 one that a version-2 marker ended with epoch 4.
func TestTransactionChecks(t *testing.T) {
	var s State
	apply(t, &s, txnEntry(0, 5, 1, 3, 0), 0, 0)
	apply(t, &s, txnEntry(5, 5, 2, 3, 0), 0, 0)
	apply(t, &s, markerEntry(10, 2, 3, 9, true), 0, 0)
	apply(t, &s, txnEntry(11, 5, 3, 3, 0), 0, 0)
	apply(t, &s, markerEntry(16, 3, 4, 9, false), 0, 0)
	s.Unverified(6, 0, 7)
	const dup = -2
	verified, two := Origin{Verified: true}, Origin{Verified: true, VersionTwo: true}
	for _, c := range []struct {
		name string
		h    *record.Header
		o    Origin
		err  error
		dup  int64
	}{
		{"continues", txnHeader(1, 3, 5, 1), Origin{}, nil, 0},
		{"again", txnHeader(1, 3, 0, 5), Origin{}, nil, dup},
		{"a gap inside", txnHeader(1, 3, 6, 1), Origin{}, protocol.OutOfOrderSequenceNumber, 0},
		{"another epoch is not the open transaction", txnHeader(1, 4, 0, 1), Origin{}, protocol.InvalidTxnState, 0},
		{"another epoch, confirmed", txnHeader(1, 4, 0, 1), verified, nil, 0},
		{"an old epoch, confirmed", txnHeader(1, 2, 0, 1), verified, protocol.InvalidProducerEpoch, 0},
		{"outside of the open transaction", header(1, 3, 5, 1), Origin{}, protocol.InvalidTxnState, 0},
		{"outside, out of order", header(1, 3, 6, 1), Origin{}, protocol.OutOfOrderSequenceNumber, 0},
		{"begins unconfirmed", txnHeader(2, 3, 5, 1), Origin{}, protocol.InvalidTxnState, 0},
		{"sequences go on in version 1", txnHeader(2, 3, 5, 1), verified, nil, 0},
		{"a gap in version 1", txnHeader(2, 3, 6, 1), verified, protocol.OutOfOrderSequenceNumber, 0},
		{"what was committed, again", txnHeader(2, 3, 0, 5), Origin{}, nil, dup},
		{"plain after the transaction", header(2, 3, 5, 1), Origin{}, nil, 0},
		{"the epoch of the marker begins at 0", txnHeader(3, 4, 0, 1), two, nil, 0},
		{"and not behind", txnHeader(3, 4, 5, 1), two, protocol.OutOfOrderSequenceNumber, 0},
		{"the epoch before the marker is over", txnHeader(3, 3, 5, 1), two, protocol.InvalidProducerEpoch, 0},
		{"what was aborted is no duplicate any more", txnHeader(3, 3, 0, 5), two, protocol.InvalidProducerEpoch, 0},
		{"unknown, unconfirmed", txnHeader(5, 0, 0, 1), Origin{}, protocol.InvalidTxnState, 0},
		{"unknown, any sequence in version 1", txnHeader(5, 0, 7, 1), verified, nil, 0},
		{"unknown, 0 in version 2", txnHeader(5, 0, 0, 1), two, nil, 0},
		{"unknown, another in version 2", txnHeader(5, 0, 7, 1), two, protocol.OutOfOrderSequenceNumber, 0},
		{"what was turned away comes", txnHeader(6, 0, 7, 1), verified, nil, 0},
		{"what was sent in front of it comes", txnHeader(6, 0, 3, 1), verified, nil, 0},
		{"what was sent behind it", txnHeader(6, 0, 8, 1), verified, protocol.OutOfOrderSequenceNumber, 0},
		{"a later epoch", txnHeader(6, 1, 8, 1), verified, nil, 0},
		{"a coordinator needs it confirmed too", txnHeader(5, 0, 0, 1), Origin{Coordinator: true}, protocol.InvalidTxnState, 0},
		{"a coordinator repeats sequences", txnHeader(1, 3, 0, 5), Origin{Coordinator: true}, nil, 0},
		{"a coordinator's old epoch", txnHeader(1, 2, 0, 5), Origin{Coordinator: true, Verified: true}, protocol.InvalidProducerEpoch, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := s.Check(c.h, c.o)
			if !errors.Is(err, c.err) || err != nil && c.err == nil {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if (d != nil) != (c.dup == dup) {
				t.Fatalf("duplicate %+v", d)
			}
		})
	}
}

func TestMarkerChecks(t *testing.T) {
	var s State
	apply(t, &s, txnEntry(0, 1, 1, 3, 0), 0, 0) // open
	apply(t, &s, txnEntry(1, 1, 2, 3, 0), 0, 0)
	apply(t, &s, markerEntry(2, 2, 4, 9, true), 0, 0) // ended
	for _, c := range []struct {
		name        string
		producer    int64
		epoch       int16
		coordinator int32
		two         bool
		err         error
	}{
		{"the epoch of the transaction", 1, 3, 0, false, nil},
		{"a later one", 1, 4, 0, false, nil},
		{"an older one", 1, 2, 0, false, protocol.InvalidProducerEpoch},
		{"version 2 needs a later one", 1, 3, 0, true, protocol.InvalidProducerEpoch},
		{"and has it", 1, 4, 0, true, nil},
		{"again in version 2", 2, 4, 9, true, nil},
		{"again in version 1", 2, 4, 9, false, nil},
		{"of an older coordinator", 2, 4, 8, false, protocol.TransactionCoordinatorFenced},
		{"of a later coordinator", 2, 4, 10, false, nil},
		{"of a producer that never wrote", 3, 0, 0, true, nil},
	} {
		m := record.EndMarker{CoordinatorEpoch: c.coordinator}
		if err := s.CheckMarker(header(c.producer, c.epoch, -1, 1), m, c.two); !errors.Is(err, c.err) || err != nil && c.err == nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
	}
}

// What a failed pack held falls back: markers are taken back and transactions open
// again, sequences stand where they did.
func TestRollBackOfMarkers(t *testing.T) {
	begin := func() *State {
		var s State
		apply(t, &s, txnEntry(0, 2, 1, 3, 0), 1, 0)
		return &s
	}
	check := func(t *testing.T, s *State) {
		t.Helper()
		s.RollBack(1, 2)
		if !s.InTransaction(1, 3) || s.FirstUnstable(1) != 0 || len(s.Settle(1)) != 0 {
			t.Errorf("the transaction is not open again: %+v", s)
		}
		if d, err := s.Check(txnHeader(1, 3, 0, 2), Origin{}); err != nil || d == nil {
			t.Errorf("the durable batch is not known any more: %v, %v", d, err)
		}
		if _, err := s.Check(txnHeader(1, 3, 2, 1), Origin{}); err != nil {
			t.Errorf("the next sequence: %v", err)
		}
		if err := s.CheckMarker(header(1, 3, -1, 1), record.EndMarker{CoordinatorEpoch: 0}, false); err != nil {
			t.Errorf("the marker again: %v", err)
		}
		want := begin()
		a, _ := s.MarshalBinary()
		b, _ := want.MarshalBinary()
		if !reflect.DeepEqual(a, b) {
			t.Errorf("state %x, want %x", a, b)
		}
	}
	for _, epoch := range []int16{3, 4} {
		t.Run(fmt.Sprintf("marker of epoch %d", epoch), func(t *testing.T) {
			s := begin()
			apply(t, s, markerEntry(2, 1, epoch, 9, false), 2, 1)
			if s.InTransaction(1, 3) || s.FirstUnstable(1) != 0 {
				t.Fatal("a marker that is not durable ends the transaction for writers, not for readers")
			}
			check(t, s)
		})
		t.Run(fmt.Sprintf("marker of epoch %d and what follows", epoch), func(t *testing.T) {
			s := begin()
			apply(t, s, markerEntry(2, 1, epoch, 9, false), 2, 1)
			seq := int32(2)
			if epoch == 4 {
				seq = 0
			}
			apply(t, s, txnEntry(3, 1, 1, epoch, seq), 2, 1)
			apply(t, s, markerEntry(4, 1, epoch, 10, true), 3, 1)
			apply(t, s, markerEntry(5, 1, epoch+1, 11, true), 4, 1)
			check(t, s)
		})
	}
}

// A producer that had nothing but a marker, or began behind one, leaves nothing, yet what
// was lost has to come first.
func TestRollBackOfANewProducersMarker(t *testing.T) {
	var s State
	apply(t, &s, markerEntry(0, 1, 0, 9, false), 1, 0)
	s.RollBack(0, 0)
	if s.Producers() != 0 {
		t.Fatalf("%d producers left", s.Producers())
	}
	apply(t, &s, markerEntry(0, 1, 0, 9, false), 1, 0)
	apply(t, &s, txnEntry(1, 1, 1, 0, 0), 1, 0)
	apply(t, &s, txnEntry(2, 1, 1, 0, 1), 1, 0)
	s.RollBack(0, 0)
	if _, err := s.Check(txnHeader(1, 0, 1, 1), Origin{Verified: true}); !errors.Is(err, protocol.OutOfOrderSequenceNumber) {
		t.Errorf("the second before the first: %v", err)
	}
	if _, err := s.Check(txnHeader(1, 0, 0, 1), Origin{Verified: true}); err != nil {
		t.Errorf("the first: %v", err)
	}
}

func TestAbortedAndLastStable(t *testing.T) {
	var s State
	apply(t, &s, txnEntry(0, 1, 1, 0, 0), 1, 0)
	apply(t, &s, txnEntry(1, 1, 2, 0, 0), 1, 0)
	apply(t, &s, txnEntry(2, 1, 3, 0, 0), 2, 1)
	apply(t, &s, markerEntry(3, 2, 0, 0, false), 2, 1)
	apply(t, &s, markerEntry(4, 1, 0, 0, true), 3, 1)
	apply(t, &s, markerEntry(5, 3, 0, 0, false), 4, 1)
	for _, c := range []struct {
		durable  uint64
		unstable int64
		aborted  []pack.Aborted
	}{
		{1, 0, nil},
		{2, 0, []pack.Aborted{{ProducerID: 2, FirstOffset: 1, LastOffset: 3, LastStable: 0}}},
		{3, 2, nil},
		{4, math.MaxInt64, []pack.Aborted{{ProducerID: 3, FirstOffset: 2, LastOffset: 5, LastStable: 6}}},
		{5, math.MaxInt64, nil},
	} {
		if got := s.Settle(c.durable); !reflect.DeepEqual(got, c.aborted) {
			t.Errorf("aborted by pack %d: %+v, want %+v", c.durable, got, c.aborted)
		}
		if got := s.FirstUnstable(c.durable); got != c.unstable {
			t.Errorf("with pack %d the first unstable offset is %d, want %d", c.durable, got, c.unstable)
		}
	}
	if len(s.txns)+len(s.undo)+len(s.aborted) != 0 {
		t.Errorf("something is kept for nothing: %+v", s)
	}
}

func TestExpiryAndTransactions(t *testing.T) {
	var s State
	apply(t, &s, txnEntry(0, 1, 1, 0, 0), 0, 0)
	apply(t, &s, txnEntry(1, 1, 2, 0, 0), 0, 0)
	apply(t, &s, markerEntry(2, 2, 0, 0, true), 0, 0)
	s.Stamp(2, 17)
	if n := s.ExpireProducers(2, 0, nil); n != 0 {
		t.Fatalf("%d expired; the marker is as young as a batch", n)
	}
	if n := s.ExpireProducers(1000, 0, nil); n != 1 || !s.InTransaction(1, 0) {
		t.Fatalf("%d expired; an open transaction stays", n)
	}
	// A guard given before the marker must not come to life because the marker's producer
	// was forgotten.
	for stamp, want := range map[uint64]bool{16: true, 17: false, 18: false} {
		if got := s.MarkedSince(2, stamp); got != want {
			t.Errorf("marked since %d: %v", stamp, got)
		}
	}
}

func TestUnverifiedIsBounded(t *testing.T) {
	var s State
	for id := range int64(3 * triesMax) {
		s.Unverified(id, 0, 5)
	}
	if len(s.tries) != triesMax {
		t.Errorf("%d are remembered", len(s.tries))
	}
	s = State{}
	s.Unverified(1, 1, 5)
	s.Unverified(1, 1, 7) // higher
	s.Unverified(1, 0, 2) // older
	s.Unverified(1, 2, -1)
	if s.tries[1] != (try{1, 5}) {
		t.Errorf("%+v", s.tries[1])
	}
	s.Unverified(1, 1, 3)
	if s.tries[1] != (try{1, 3}) {
		t.Errorf("%+v", s.tries[1])
	}
	apply(t, &s, txnEntry(0, 1, 1, 1, 3), 0, 0)
	if len(s.tries) != 0 {
		t.Error("it came, and is still waited for")
	}
	s.Unverified(2, 0, 5)
	apply(t, &s, markerEntry(1, 2, 0, 9, false), 0, 0)
	if len(s.tries) != 0 {
		t.Error("its transaction has ended, and it is still waited for")
	}
}

// describe lists all producers as durable packs left them.
func describe(s *State, durable uint64) []ProducerInfo {
	return s.DescribeProducers(nil, s.ProducerIDs(nil), durable)
}

func TestDescribeProducers(t *testing.T) {
	var s State
	apply(t, &s, entry(0, 3, 2, 1, 5, 0), 1, 0)
	apply(t, &s, txnEntry(3, 2, 2, 0, 0), 1, 0)
	apply(t, &s, txnEntry(5, 1, 3, 0, 0), 1, 0)
	apply(t, &s, markerEntry(6, 3, 1, 9, false), 1, 0)
	apply(t, &s, markerEntry(7, 2, 1, 9, true), 2, 1) // not durable
	want := []ProducerInfo{
		{ID: 1, Epoch: 5, LastSequence: 2, LastTimestamp: 0, CoordinatorEpoch: -1, TxnStartOffset: -1},
		{ID: 2, Epoch: 0, LastSequence: 1, LastTimestamp: 3, CoordinatorEpoch: -1, TxnStartOffset: 3},
		{ID: 3, Epoch: 1, LastSequence: -1, LastTimestamp: 6, CoordinatorEpoch: 9, TxnStartOffset: -1},
	}
	if got := describe(&s, 1); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	want[1] = ProducerInfo{ID: 2, Epoch: 1, LastSequence: -1, LastTimestamp: 7, CoordinatorEpoch: 9, TxnStartOffset: -1}
	if got := describe(&s, 2); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}
