package log

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// TestExtentsAreAList compares a compact list with a plain one through a random history.
func TestExtentsAreAList(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var used atomic.Int64
	x := extents{used: &used}
	var plain []extent
	e := extent{ref: journal.Ref{Volume: 1}}
	e.LastOffset = -1
	check := func() {
		t.Helper()
		var got []extent
		x.each(func(e *extent) bool { got = append(got, *e); return true })
		if !reflect.DeepEqual(got, plain) {
			t.Fatalf("%d extents, want %d", len(got), len(plain))
		}
		offset := rng.Int64N(e.LastOffset + 3)
		i := slices.IndexFunc(plain, func(e extent) bool { return e.LastOffset >= offset })
		n := 1 + rng.IntN(100)
		var want []extent
		if i >= 0 {
			want = plain[i:min(i+n, len(plain))]
		}
		if got := x.from(offset, n); len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("%d extents from %d, want %d", len(got), offset, len(want))
		}
		var data int64
		for i := range plain {
			if plain[i].LastOffset > offset {
				data += plain[i].DataLen
			}
		}
		if got := x.dataAbove(offset); got != data {
			t.Fatalf("%d bytes above %d, want %d", got, offset, data)
		}
	}
	oldest := journal.VolumeID(1)
	for range 20_000 {
		switch rng.IntN(200) {
		case 0:
			if oldest < e.ref.Volume {
				x.without(oldest)
				v := oldest
				plain = slices.DeleteFunc(plain, func(e extent) bool { return e.ref.Volume == v })
				oldest++
				check()
			}
		case 1:
			upTo := e.LastOffset - rng.Int64N(300)
			x.above(upTo)
			plain = slices.DeleteFunc(plain, func(e extent) bool { return e.LastOffset <= upTo })
			check()
		case 2:
			e.ref = journal.Ref{Volume: e.ref.Volume + 1, Seq: e.ref.Seq, Pos: 0}
		default:
			at := e.ref.Pos + e.ref.Len
			e.ref = journal.Ref{Volume: e.ref.Volume, Seq: e.ref.Seq + 1 + rng.Uint64N(3), Pos: at + rng.Int64N(5000), Len: 1 + rng.Int64N(1<<21)}
			base := e.LastOffset + 1 + rng.Int64N(2)*rng.Int64N(9)
			e.Extent = pack.Extent{
				BaseOffset: base, LastOffset: base + rng.Int64N(50), MaxTimestamp: rng.Int64N(1<<40) - 1,
				DataPos: e.ref.Pos + rng.Int64N(1<<20), DataLen: 1 + rng.Int64N(1<<20), IndexPos: e.ref.Pos + rng.Int64N(1<<20), IndexCount: 1 + rng.Int32N(9),
			}
			x.add(&e)
			plain = append(plain, e)
		}
	}
	check()
	x.clear()
	plain = nil
	check()
	if n := used.Load(); n != 0 {
		t.Errorf("%d bytes are counted of an empty list", n)
	}
}

// An extent of a small batch takes some 20 bytes.
func TestExtentsAreSmall(t *testing.T) {
	var used atomic.Int64
	x := extents{used: &used}
	const many = 100_000
	var e extent
	for i := range int64(many) {
		e.ref = journal.Ref{Volume: 7, Seq: uint64(i), Pos: i * 200_000, Len: 200_000}
		e.Extent = pack.Extent{
			BaseOffset: i, LastOffset: i, MaxTimestamp: 1.7e12 + i, DataPos: e.ref.Pos + 150_000, DataLen: 90, IndexPos: e.ref.Pos + 4000, IndexCount: 1,
		}
		x.add(&e)
	}
	if n := used.Load() / many; n > 28 {
		t.Errorf("%d bytes for each", n)
	}
}

// What is known of small batches in the journal is bounded: volumes are closed for it, and
// appends are refused until enough of them are sealed.
func TestExtentsAreBounded(t *testing.T) {
	j := newScriptedJournal(1)
	r := newRigWith(t, j, func(c *Config) { c.ExtentBytesMax = 16 << 10 })
	p := r.partition(0)
	var refused error
	n := 0
	for ; refused == nil && n < 5000; n++ {
		refused = (<-r.send(p, batch(-1, 0, 1, 1))).Err
	}
	if !errors.Is(refused, protocol.KafkaStorageError) || j.rolls < 4 {
		t.Fatalf("after %d batches and %d volumes: %v", n, j.rolls, refused)
	}
	if used := r.log.extentBytes.Load(); used > 16<<10*5/4 {
		t.Errorf("%d bytes", used)
	}
	for _, v := range j.Volumes() {
		if v.Closed {
			r.log.VolumeSealed(v.ID, nil)
		}
	}
	r.log.VolumesReleased()
	waitFor(t, func() bool { return (<-r.send(p, batch(-1, 0, 1, 1))).Err == nil })
}
