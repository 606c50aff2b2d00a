package partition

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// entry makes the entry of a batch of n records.
func entry(base int64, n int32, epoch int32, producer int64, producerEpoch int16, seq int32) pack.Entry {
	return pack.Entry{BaseOffset: base, LastOffsetDelta: n - 1, Records: n, LeaderEpoch: epoch,
		ProducerID: producer, ProducerEpoch: producerEpoch, BaseSequence: seq, MaxTimestamp: base, AppendTime: base}
}

func header(producer int64, epoch int16, seq, n int32) *record.Header {
	return &record.Header{ProducerID: producer, ProducerEpoch: epoch, BaseSequence: seq, LastOffsetDelta: n - 1, Records: n}
}

func apply(t *testing.T, s *State, e pack.Entry, p, durable uint64) {
	t.Helper()
	if err := s.Apply(&e, p, durable); err != nil {
		t.Fatal(err)
	}
}

func TestProducerChecks(t *testing.T) {
	var s State
	// Seven batches of ten records from producer 1, epoch 2: sequences 0 to 69.
	for i := range int32(7) {
		apply(t, &s, entry(int64(i)*10, 10, 0, 1, 2, i*10), 0, 0)
	}
	for _, c := range []struct {
		name string
		h    *record.Header
		dup  int64 // base offset of the batch it repeats, or -1
		err  error
	}{
		{"next", header(1, 2, 70, 5), -1, nil},
		{"no producer", header(-1, -1, -1, 5), -1, nil},
		{"unknown producer, any sequence", header(9, 0, 1234, 1), -1, nil},
		{"last batch again", header(1, 2, 60, 10), 60, nil},
		{"fifth from the end", header(1, 2, 20, 10), 20, nil},
		{"sixth from the end", header(1, 2, 10, 10), -1, protocol.OutOfOrderSequenceNumber},
		{"same first sequence, other length", header(1, 2, 60, 9), -1, protocol.OutOfOrderSequenceNumber},
		{"gap", header(1, 2, 71, 1), -1, protocol.OutOfOrderSequenceNumber},
		{"older epoch", header(1, 1, 70, 1), -1, protocol.InvalidProducerEpoch},
		{"newer epoch from 0", header(1, 3, 0, 1), -1, nil},
		{"newer epoch, not from 0", header(1, 3, 1, 1), -1, protocol.OutOfOrderSequenceNumber},
	} {
		t.Run(c.name, func(t *testing.T) {
			dup, err := s.Check(c.h, Origin{})
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if got := int64(-1); dup != nil {
				got = dup.BaseOffset
				if got != c.dup {
					t.Fatalf("duplicate of %d, want %d", got, c.dup)
				}
			} else if c.dup != -1 {
				t.Fatalf("not a duplicate, want one of %d", c.dup)
			}
		})
	}
}

func TestSequenceWraps(t *testing.T) {
	var s State
	apply(t, &s, entry(0, 10, 0, 1, 0, math.MaxInt32-4), 0, 0) // wraps inside: ..., 0, 1, 2, 3, 4
	if got := addSequence(math.MaxInt32-4, 9); got != 4 {
		t.Fatalf("last sequence %d, want 4", got)
	}
	if _, err := s.Check(header(1, 0, 5, 1), Origin{}); err != nil {
		t.Fatalf("after the wrap: %v", err)
	}
	if dup, err := s.Check(header(1, 0, math.MaxInt32-4, 10), Origin{}); err != nil || dup == nil {
		t.Fatalf("the wrapped batch again: %v, %v", dup, err)
	}
	apply(t, &s, entry(10, 1, 0, 2, 0, math.MaxInt32), 0, 0)
	if _, err := s.Check(header(2, 0, 0, 1), Origin{}); err != nil {
		t.Fatalf("0 after the largest: %v", err)
	}
}

// The first batch of a new producer fails with four behind it: none of the four may
// come in before the first is repeated, for the client still counts on their order.
func TestRolledBackSequenceComesFirst(t *testing.T) {
	var s State
	apply(t, &s, entry(0, 1, 0, 7, 0, 0), 1, 0) // durable later
	for i := range int32(5) {
		apply(t, &s, entry(int64(1+i), 1, 0, 1, 0, i), 2, 0)
	}
	s.RollBack(1, 1)
	if s.NextOffset() != 1 {
		t.Fatalf("next offset %d, want 1", s.NextOffset())
	}
	for seq := int32(1); seq < 5; seq++ {
		if _, err := s.Check(header(1, 0, seq, 1), Origin{}); !errors.Is(err, protocol.OutOfOrderSequenceNumber) {
			t.Fatalf("sequence %d before the failed one: %v", seq, err)
		}
	}
	for seq := range int32(5) {
		if dup, err := s.Check(header(1, 0, seq, 1), Origin{}); err != nil || dup != nil {
			t.Fatalf("sequence %d in order: %v, %v", seq, dup, err)
		}
		apply(t, &s, entry(int64(1+seq), 1, 0, 1, 0, seq), 3, 1)
	}
	if _, err := s.Check(header(7, 0, 1, 1), Origin{}); err != nil {
		t.Fatalf("the producer that lost nothing: %v", err)
	}
}

func TestApplyRefusesWhatWouldRenumber(t *testing.T) {
	var s State
	apply(t, &s, entry(0, 3, 5, -1, -1, -1), 0, 0)
	for name, e := range map[string]pack.Entry{
		"gap":            entry(4, 1, 5, -1, -1, -1),
		"overlap":        entry(2, 1, 5, -1, -1, -1),
		"earlier epoch":  entry(3, 1, 4, -1, -1, -1),
		"negative delta": entry(3, 0, 5, -1, -1, -1),
	} {
		if err := s.Apply(&e, 0, 0); err == nil {
			t.Errorf("%s was applied", name)
		}
	}
	if s.NextOffset() != 3 {
		t.Errorf("next offset %d, want 3", s.NextOffset())
	}
}

func TestEpochEnd(t *testing.T) {
	var s State
	apply(t, &s, entry(0, 10, 2, -1, -1, -1), 0, 0)
	apply(t, &s, entry(10, 10, 5, -1, -1, -1), 0, 0)
	// The current epoch 8 began at 20 and has 5 records that are durable.
	for _, c := range []struct {
		epoch, want int32
		end         int64
	}{{8, 8, 25}, {9, -1, -1}, {-1, -1, -1}, {7, 5, 20}, {5, 5, 20}, {4, 2, 10}, {2, 2, 10}, {1, 1, 0}} {
		if e, end := s.EpochEnd(c.epoch, 8, 20, 25, 0); e != c.want || end != c.end {
			t.Errorf("epoch %d: %d ends at %d, want %d at %d", c.epoch, e, end, c.want, c.end)
		}
	}
	if e := s.EpochAt(9); e != 2 {
		t.Errorf("epoch at 9 is %d, want 2", e)
	}
	if e := s.EpochAt(10); e != 5 {
		t.Errorf("epoch at 10 is %d, want 5", e)
	}
}

func TestExpireProducers(t *testing.T) {
	var s State
	apply(t, &s, entry(0, 1, 0, 1, 0, 0), 1, 0)
	apply(t, &s, entry(1, 1, 0, 2, 0, 0), 2, 1)
	if n := s.ExpireProducers(100, 1, nil); n != 1 || s.Producers() != 1 {
		t.Fatalf("expired %d, left %d; the one in flight stays", n, s.Producers())
	}
	if n := s.ExpireProducers(1, 2, nil); n != 0 {
		t.Fatalf("expired %d that were not idle", n)
	}
}

// A live state, with packs that become durable or fail, is always what a fold from
// zero over the durable entries gives; through the state block and back too.
func TestStateIsAFold(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	for round := range 200 {
		var live State
		var kept, open []pack.Entry
		durable, next := uint64(0), int64(0)
		seqs, epochs := map[int64]int32{}, map[int64]int16{}
		for p := uint64(1); p < 30; p++ {
			undoSeqs, undoEpochs := clone(seqs), clone(epochs)
			for range rng.IntN(8) {
				id := rng.Int64N(4) - 1
				n := 1 + rng.Int32N(5)
				if id >= 0 && rng.IntN(20) == 0 {
					epochs[id]++
					seqs[id] = 0
				}
				e := entry(live.NextOffset(), n, int32(p/10), id, epochs[id], seqs[id])
				if id < 0 {
					e.ProducerEpoch, e.BaseSequence = -1, -1
				} else if dup, err := live.Check(header(id, epochs[id], seqs[id], n), Origin{}); dup != nil || err != nil {
					t.Fatalf("seed %d round %d: %v, %v", seed, round, dup, err)
				}
				apply(t, &live, e, p, durable)
				seqs[id] += n
				open = append(open, e)
			}
			if rng.IntN(4) == 0 {
				live.RollBack(durable, next)
				seqs, epochs = undoSeqs, undoEpochs
			} else {
				durable, next = p, live.NextOffset()
				kept = append(kept, open...)
			}
			open = open[:0]
		}
		var fold State
		for i := range kept {
			apply(t, &fold, kept[i], 0, 0)
		}
		fold.SetNextOffset(next)
		a, _ := live.MarshalBinary()
		b, _ := fold.MarshalBinary()
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("seed %d round %d: the live state differs from the fold", seed, round)
		}
		var back State
		if err := back.UnmarshalBinary(a); err != nil {
			t.Fatal(err)
		}
		if c, _ := back.MarshalBinary(); !reflect.DeepEqual(a, c) {
			t.Fatalf("seed %d round %d: the state block does not come back", seed, round)
		}
	}
}

func clone[K comparable, V any](m map[K]V) map[K]V {
	out := make(map[K]V, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func FuzzUnmarshalState(f *testing.F) {
	var s State
	e := entry(0, 10, 3, 5, 1, 0)
	if err := s.Apply(&e, 0, 0); err != nil {
		f.Fatal(err)
	}
	b, _ := s.MarshalBinary()
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add([]byte{1})
	for _, e := range []pack.Entry{txnEntry(10, 2, 6, 1, 0), txnEntry(12, 1, 7, 0, 0), markerEntry(13, 7, 1, 9, false)} {
		e.LeaderEpoch = 3
		if err := s.Apply(&e, 0, 0); err != nil {
			f.Fatal(err)
		}
	}
	b, _ = s.MarshalBinary()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var s State
		if err := s.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, ErrSnapshot) {
				t.Fatalf("not a snapshot error: %v", err)
			}
			return
		}
		out, _ := s.MarshalBinary()
		b = bytes.Clone(b)
		b[0] = snapshotVersion // version 1 is read and not written
		if !bytes.Equal(b, out) {
			t.Fatalf("decoded %x, encoded %x", b, out)
		}
	})
}

// Whoever walks many producers pauses for others, and bears what they change.
func TestWalksPause(t *testing.T) {
	const many = 5000
	var s State
	for i := range int64(many) {
		apply(t, &s, entry(i, 1, 0, i, 0, 0), 1, 0)
	}
	next, pauses := int64(many), 0
	pause := func() {
		pauses++
		apply(t, &s, entry(next, 1, 0, next, 0, 0), 2, 1) // comes
		next++
		s.RollBack(1, many) // and goes
		next--
	}
	ids := s.ProducerIDs(pause)
	if pauses < many/stride || len(ids) < many {
		t.Errorf("%d pauses for %d producers", pauses, len(ids))
	}
	if got := s.DescribeProducers(nil, ids, 1); len(got) != many || got[0].ID != 0 || got[many-1].ID != many-1 {
		t.Errorf("%d producers", len(got))
	}
	pauses = 0
	if n := s.ExpireProducers(many-100, 1, pause); n != many-100 || pauses < many/stride {
		t.Errorf("%d expired, %d pauses", n, pauses)
	}
}
