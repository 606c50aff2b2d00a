package upkeep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// told is what was done to one partition: what a reader must see of it is worked out
// from this alone.
type told struct {
	rng     *rand.Rand
	batches []toldBatch
	open    map[int64]int64 // producer -> first offset
	ended   map[int64]bool  // first offset of a transaction -> committed
	next    map[int64]int32 // producer -> sequence
	keys    int64           // how many keys there are; the key is the offset modulo this
}

func newTold(rng *rand.Rand, keys int64) *told {
	return &told{rng: rng, open: map[int64]int64{}, ended: map[int64]bool{}, next: map[int64]int32{}, keys: keys}
}

// latest gives the latest offset of each key.
func (m *told) latest(offsets []int64) map[int64]int64 {
	out := map[int64]int64{}
	for _, offset := range offsets {
		out[offset%m.keys] = max(out[offset%m.keys], offset)
	}
	return out
}

type toldBatch struct {
	offset   int64
	producer int64 // of a transaction, or -1
	first    int64 // its transaction's first offset
}

// visible lists the offsets that read_committed shows between two offsets, and where it
// stops.
func (m *told) visible(from int64) (offsets []int64, stable int64) {
	stable = math.MaxInt64
	for _, first := range m.open {
		stable = min(stable, first)
	}
	for _, b := range m.batches {
		if b.offset >= from && b.offset < stable && (b.producer < 0 || m.ended[b.first]) {
			offsets = append(offsets, b.offset)
		}
	}
	return offsets, stable
}

// step appends a random batch or marker.
func (m *told) step(r *rig, id pack.PartitionID) {
	r.t.Helper()
	now := r.clock.Now().UnixMilli()
	p, err := r.log.Partition(context.Background(), id, r.topics.epoch)
	r.must(err)
	at := p.Bounds().HighWatermark
	producer := 1 + m.rng.Int64N(4)
	first, open := m.open[producer]
	switch n := m.rng.IntN(10); {
	case n < 3:
		r.produce(id, plain(now, fmt.Sprint(at%m.keys), "x"))
		m.batches = append(m.batches, toldBatch{offset: at, producer: -1})
	case open && n < 6, !open && n == 9: // the end of a transaction, or of nothing
		commit := m.rng.IntN(2) == 0
		r.produce(id, marker(producer, commit, now))
		if open {
			m.ended[first] = commit
			delete(m.open, producer)
		}
	default:
		if !open {
			first = at
			m.open[producer] = at
		}
		b := batchOf(producer, m.next[producer], now, []byte(fmt.Sprint(at%m.keys)), []byte("x"))
		setAttributes(b, now, 0x10)
		r.produce(id, b)
		m.next[producer]++
		m.batches = append(m.batches, toldBatch{at, producer, first})
	}
}

// consume reads from an offset on as a consumer with isolation level read_committed:
// it drops what the broker lists as aborted, by the client's algorithm.
//
// Source: Kafka's CompletedFetch.
func (r *rig) consume(id pack.PartitionID, from int64, bytesMax int) (offsets []int64, end int64) {
	r.t.Helper()
	ctx := context.Background()
	p, err := r.log.Partition(ctx, id, r.topics.epoch)
	r.must(err)
	for {
		res, err := r.log.Read(ctx, p, log.ReadRequest{Offset: from, MaxBytes: bytesMax, AtLeastOne: true, Committed: true})
		r.must(err)
		if res.Bytes == 0 {
			res.Release()
			return offsets, res.LastStable
		}
		for i, a := range res.Aborted {
			if slices.Contains(res.Aborted[:i], a) {
				r.t.Fatalf("from %d: %+v is listed twice: librdkafka then drops what the producer commits next", from, a)
			}
		}
		slices.SortFunc(res.Aborted, func(a, b log.Aborted) int { return int(a.FirstOffset - b.FirstOffset) })
		dropping := map[int64]bool{}
		var data []byte
		for i := range res.Chunks {
			data, err = appendChunk(data, &res.Chunks[i])
			r.must(err)
		}
		res.Release()
		for b, err := range record.Batches(data) {
			r.must(err)
			h := &b.Header
			for len(res.Aborted) > 0 && res.Aborted[0].FirstOffset <= h.LastOffset() {
				dropping[res.Aborted[0].ProducerID] = true
				res.Aborted = res.Aborted[1:]
			}
			if h.Control() {
				m, err := record.ParseMarker(b.Bytes)
				r.must(err)
				if !m.Commit {
					delete(dropping, h.ProducerID)
				}
			} else if (!h.Transactional() || !dropping[h.ProducerID]) && h.Records > 0 {
				offsets = append(offsets, h.BaseOffset)
			}
			from = h.LastOffset() + 1
		}
	}
}

// What a read_committed consumer gets is what was committed, wherever the batches and
// their markers lie: in the journal, in segments, across a restart.
func TestReadCommittedOfRandomHistories(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 3))
		seals, stops, dropped, merged := 0, 0, 0, 0
		for range 3 {
			r := newRig(t, k)
			ctx := context.Background()
			id := at(orders, 0)
			m := newTold(rng, math.MaxInt64)
			for range 60 {
				for range 1 + rng.IntN(5) {
					m.step(r, id)
				}
				switch rng.IntN(8) {
				case 0:
					r.roll()
				case 1:
					r.roll()
					r.must(r.upkeep.Seal(ctx))
					seals++
				case 2:
					r.restart()
				case 4:
					merged += r.joinSome(rng, id)
				case 3: // a seal that is stopped between two steps, and a process that may die of it
					r.roll()
					left := rng.IntN(8)
					r.seam = func(string) error {
						if left--; left < 0 {
							return errors.New("stopped")
						}
						return nil
					}
					if err := r.upkeep.Seal(ctx); err != nil {
						stops++
					}
					r.seam = nil
					if rng.IntN(2) == 0 {
						r.restart()
					}
				}
				from := int64(0)
				if n := len(m.batches); n > 0 && rng.IntN(2) == 0 {
					from = rng.Int64N(m.batches[n-1].offset + 1)
				}
				want, stable := m.visible(from)
				got, end := r.consume(id, from, []int{1, 200, 2000, 1 << 20}[rng.IntN(4)])
				if !slices.Equal(got, want) || stable != math.MaxInt64 && end != stable {
					t.Fatalf("from offset %d a consumer gets %v, then stands at %d; want %v, %d", from, got, end, want, stable)
				}
			}
			for _, committed := range m.ended {
				if !committed {
					dropped++
				}
			}
			m.step(r, id)
			r.roll()
			r.must(r.upkeep.Seal(ctx))
			r.checkStates()
			r.stop()
		}
		if seals < 5 || stops < 5 || dropped < 10 || merged < 5 {
			t.Errorf("%d seals, %d stopped ones, %d aborted transactions and %d slices merged show too little", seals, stops, dropped, merged)
		}
	})
}

// Of an internal topic, lifted again and again, the latest committed record of each key is
// what a reader gets.
func TestLiftsOfRandomTransactions(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 4))
		r := newRig(t, k)
		ctx := context.Background()
		id := at(consumers, 0)
		m := newTold(rng, 7)
		lifts, seals := 0, 0
		for range 100 {
			for range 1 + rng.IntN(5) {
				m.step(r, id)
			}
			switch rng.IntN(6) {
			case 0:
				r.roll()
				r.must(r.upkeep.Seal(ctx))
				seals++
			case 1:
				r.restart()
			case 2, 3:
				r.must(r.upkeep.Lift(ctx))
				lifts++
			}
			visible, _ := m.visible(0)
			got, _ := r.consume(id, 0, []int{1, 500, 1 << 20}[rng.IntN(3)])
			if want, have := m.latest(visible), m.latest(got); !maps.Equal(want, have) {
				t.Fatalf("after %d lifts the latest records are %v, want %v, of %s", lifts, have, want, r.list(id))
			}
			for _, offset := range got {
				if !slices.Contains(visible, offset) {
					t.Fatalf("offset %d was never committed", offset)
				}
			}
		}
		if lifts < 10 || seals < 5 || len(m.ended) < 20 {
			t.Errorf("%d lifts, %d seals and %d transactions show too little", lifts, seals, len(m.ended))
		}
	})
}

// A transaction that ends in a later segment than it began in is listed there; a reader
// of the first segment looks for it, and no further than needed.
func TestAbortedInALaterSegment(t *testing.T) {
	kinds(t, testAbortedInALaterSegment)
}

func testAbortedInALaterSegment(t *testing.T, k kind) {
	r := newRig(t, k)
	ctx := context.Background()
	id := at(orders, 0)
	now := r.clock.Now().UnixMilli()
	seal := func(batches ...[]byte) {
		t.Helper()
		for _, b := range batches {
			r.produce(id, b)
		}
		r.roll()
		r.must(r.upkeep.Seal(ctx))
	}
	seal(plain(now, "a", "1"), inTransaction(5, now, "b", "1"), plain(now, "c", "1"))
	seal(plain(now, "d", "1"))
	seal(marker(5, false, now), plain(now, "e", "1"))
	seal(inTransaction(6, now, "f", "1"))
	seal(marker(6, false, now))
	r.restart()
	p, err := r.log.Partition(ctx, id, r.topics.epoch)
	r.must(err)
	for _, c := range []struct {
		from, bytes int64
		want        []log.Aborted
	}{
		{0, 1, nil}, // one batch, below both
		{1, 1, []log.Aborted{{ProducerID: 5, FirstOffset: 1}}},
		{2, 1, []log.Aborted{{ProducerID: 5, FirstOffset: 1}}},
		{5, 1, nil},
		{0, 1 << 20, []log.Aborted{{ProducerID: 5, FirstOffset: 1}, {ProducerID: 6, FirstOffset: 6}}},
	} {
		res, err := r.log.Read(ctx, p, log.ReadRequest{Offset: c.from, MaxBytes: int(c.bytes), AtLeastOne: true, Committed: true})
		r.must(err)
		res.Release()
		if !slices.Equal(res.Aborted, c.want) {
			t.Errorf("%d bytes from %d: aborted %+v, want %+v", c.bytes, c.from, res.Aborted, c.want)
		}
	}
	if got, end := r.consume(id, 0, 1); !slices.Equal(got, []int64{0, 2, 3, 5}) || end != 8 {
		t.Errorf("visible %v, end %d", got, end)
	}
}
