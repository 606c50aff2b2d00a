package partition

import (
	"bytes"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// model is what a row of batches means, worked out the slow way: it is the oracle for
// the state's bookkeeping.
type model struct {
	open    map[int64]int64 // producer -> first offset of its open transaction
	epochs  map[int64]int16
	aborted []pack.Aborted
}

func modelOf(entries []pack.Entry) *model {
	m := &model{open: map[int64]int64{}, epochs: map[int64]int16{}}
	for i := range entries {
		e := &entries[i]
		if e.ProducerID < 0 {
			continue
		}
		m.epochs[e.ProducerID] = e.ProducerEpoch
		first, open := m.open[e.ProducerID]
		switch {
		case e.Flags&pack.FlagControl != 0:
			delete(m.open, e.ProducerID)
			if open && e.Flags&pack.FlagMarkerAbort != 0 {
				a := pack.Aborted{ProducerID: e.ProducerID, FirstOffset: first, LastOffset: e.BaseOffset, LastStable: m.unstable()}
				a.LastStable = min(a.LastStable, e.BaseOffset+1)
				m.aborted = append(m.aborted, a)
			}
		case e.Flags&pack.FlagTransactional != 0 && !open:
			m.open[e.ProducerID] = e.BaseOffset
		}
	}
	return m
}

func (m *model) unstable() int64 {
	first := int64(math.MaxInt64)
	for _, x := range m.open {
		first = min(first, x)
	}
	return first
}

// history is a live state under random batches, packs that become durable out of step
// and packs that fail.
type history struct {
	t       *testing.T
	rng     *rand.Rand
	live    State
	packs   [][]pack.Entry // not durable, oldest first
	first   uint64         // sequence of packs[0]
	kept    []pack.Entry   // durable
	aborted []pack.Aborted // as the state told
}

func (h *history) appended() []pack.Entry {
	all := append([]pack.Entry(nil), h.kept...)
	for _, p := range h.packs {
		all = append(all, p...)
	}
	return all
}

// entry makes a random batch or marker that the state takes, or says that it does not.
func (h *history) entry() (pack.Entry, bool) {
	r := h.rng
	id := r.Int64N(5) - 1
	e := entry(h.live.NextOffset(), 1+r.Int32N(3), 2, id, -1, -1)
	if id < 0 {
		return e, true
	}
	m := modelOf(h.appended())
	e.ProducerEpoch = m.epochs[id]
	_, open := m.open[id]
	switch r.IntN(6) {
	case 0: // a marker, of version 1 or 2, whether something is open or not
		two := r.IntN(2) == 0
		if two {
			e.ProducerEpoch++
		}
		x := markerEntry(e.BaseOffset, id, e.ProducerEpoch, r.Int32N(3), r.IntN(2) == 0)
		err := h.live.CheckMarker(header(id, e.ProducerEpoch, -1, 1), record.EndMarker{CoordinatorEpoch: x.CoordinatorEpoch}, two)
		return x, err == nil
	case 1:
		e.ProducerEpoch++
	}
	e.BaseSequence = h.nextSequence(id, e.ProducerEpoch)
	head := header(id, e.ProducerEpoch, e.BaseSequence, e.Records)
	if open || r.IntN(2) == 0 {
		e.Flags |= pack.FlagTransactional
		head.Attributes |= 0x10
	}
	dup, err := h.live.Check(head, Origin{Verified: true})
	if dup != nil || err != nil {
		h.t.Fatalf("%+v: %+v, %v", head, dup, err)
	}
	return e, true
}

// nextSequence is the sequence that a well-behaved producer sends next.
func (h *history) nextSequence(id int64, epoch int16) int32 {
	next := int32(0)
	for _, e := range h.appended() {
		if e.ProducerID != id {
			continue
		}
		switch {
		case e.Flags&pack.FlagControl == 0 && e.ProducerEpoch == epoch:
			next = e.BaseSequence + e.Records
		case e.ProducerEpoch != epoch:
			next = 0
		}
	}
	return next
}

func (h *history) step() {
	switch n := h.rng.IntN(10); {
	case n < 6 || len(h.packs) == 0: // a pack is appended
		var p []pack.Entry
		seq := h.first + uint64(len(h.packs))
		h.packs = append(h.packs, nil)
		for range 1 + h.rng.IntN(5) {
			e, ok := h.entry()
			if !ok {
				continue
			}
			apply(h.t, &h.live, e, seq, h.first-1)
			p = append(p, e)
			h.packs[len(h.packs)-1] = p
		}
	case n < 9: // the oldest becomes durable
		h.kept = append(h.kept, h.packs[0]...)
		h.packs = h.packs[1:]
		h.first++
		h.aborted = append(h.aborted, h.live.Settle(h.first-1)...)
	default: // it fails, and all behind it with it
		h.packs = nil
		next := int64(0)
		if n := len(h.kept); n > 0 {
			next = h.kept[n-1].LastOffset() + 1
		}
		h.live.RollBack(h.first-1, next)
	}
}

// check compares the state with the model: what readers may see with the durable
// batches, what writers may do with all.
func (h *history) check(round int) {
	durable, all := modelOf(h.kept), modelOf(h.appended())
	seq := h.first - 1
	if got, want := h.live.FirstUnstable(seq), durable.unstable(); got != want && (want != math.MaxInt64 || got < h.end()) {
		h.t.Fatalf("round %d: first unstable offset %d, want %d", round, got, want)
	}
	if !reflect.DeepEqual(h.aborted, durable.aborted) {
		h.t.Fatalf("round %d: aborted %+v, want %+v", round, h.aborted, durable.aborted)
	}
	for id := range int64(4) {
		_, open := all.open[id]
		if got := h.live.InTransaction(id, all.epochs[id]); got != open {
			h.t.Fatalf("round %d: producer %d in a transaction: %v, want %v", round, id, got, open)
		}
	}
	var fold State
	for i := range h.kept {
		apply(h.t, &fold, h.kept[i], 0, 0)
	}
	if got, want := describe(&h.live, seq), describe(&fold, 0); !reflect.DeepEqual(got, want) {
		h.t.Fatalf("round %d: producers %+v, want %+v", round, got, want)
	}
	if len(h.packs) > 0 {
		return
	}
	got, _ := h.live.MarshalBinary()
	want, _ := fold.MarshalBinary()
	if !bytes.Equal(got, want) {
		h.t.Fatalf("round %d: the live state differs from the fold:\n%x\n%x", round, got, want)
	}
	var back State
	if err := back.UnmarshalBinary(want); err != nil {
		h.t.Fatal(err)
	}
	if again, _ := back.MarshalBinary(); !bytes.Equal(again, want) || back.FirstUnstable(0) != fold.FirstUnstable(0) {
		h.t.Fatalf("round %d: the state block does not come back", round)
	}
}

// end is where the durable batches end.
func (h *history) end() int64 {
	if n := len(h.kept); n > 0 {
		return h.kept[n-1].LastOffset() + 1
	}
	return 0
}

// A live state is at each moment what its batches mean, and once all is durable what a
// fold from zero gives.
func TestTransactionsAreAFold(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 7))
	markers, aborts, failures := 0, 0, 0
	for range 60 {
		h := &history{t: t, rng: rng, first: 1}
		for round := range 60 {
			before := len(h.packs)
			h.step()
			if before > 1 && len(h.packs) == 0 {
				failures++
			}
			h.check(round)
		}
		for _, e := range h.kept {
			if e.Flags&pack.FlagControl != 0 {
				markers++
			}
		}
		aborts += len(h.aborted)
	}
	if markers < 100 || aborts < 50 || failures < 10 {
		t.Errorf("%d markers, %d aborted transactions and %d failures show too little", markers, aborts, failures)
	}
}
