package group

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPendingOffsets(t *testing.T) {
	type step func(o *Offsets)
	set := func(offset, at int64) step { return func(o *Offsets) { o.Set("t", 0, Offset{Offset: offset, At: at}) } }
	pend := func(producer, offset, at int64) step {
		return func(o *Offsets) { o.SetPending(producer, "t", 0, Offset{Offset: offset, At: at}) }
	}
	end := func(producer int64, commit bool) step {
		return func(o *Offsets) { o.EndTransaction(producer, commit) }
	}
	remove := func(o *Offsets) { o.Delete("t", 0) }
	for _, c := range []struct {
		name     string
		steps    []step
		want     int64 // -1: none
		unstable bool
	}{
		{"not seen before the end", []step{set(1, 1), pend(7, 5, 2)}, 1, true},
		{"committed", []step{set(1, 1), pend(7, 5, 2), end(7, true)}, 5, false},
		{"aborted", []step{set(1, 1), pend(7, 5, 2), end(7, false)}, 1, false},
		{"aborted, alone", []step{pend(7, 5, 2), end(7, false)}, -1, false},
		{"the last of a transaction", []step{pend(7, 5, 2), pend(7, 6, 3), end(7, true)}, 6, false},
		{"overtaken by one outside", []step{pend(7, 5, 2), set(9, 3), end(7, true)}, 9, false},
		{"two producers", []step{pend(7, 5, 2), pend(8, 6, 3), end(8, true)}, 6, true},
		{"two producers, the older commits last", []step{pend(7, 5, 2), pend(8, 6, 3), end(8, true), end(7, true)}, 6, false},
		{"end of another", []step{pend(7, 5, 2), end(8, true)}, -1, true},
		{"ended twice", []step{pend(7, 5, 2), end(7, true), set(9, 4), end(7, true)}, 9, false},
		{"removed while pending", []step{set(1, 1), pend(7, 5, 2), remove, end(7, true)}, -1, false},
		{"again after the removal", []step{pend(7, 5, 2), remove, pend(7, 6, 4), end(7, true)}, 6, false},
	} {
		var o Offsets
		for _, s := range c.steps {
			s(&o)
		}
		got := int64(-1)
		if v, ok := o.Get("t", 0, [16]byte{}); ok {
			got = v.Offset
		}
		if got != c.want || o.Unstable("t", 0) != c.unstable {
			t.Errorf("%s: offset %d, unstable %v; want %d, %v", c.name, got, o.Unstable("t", 0), c.want, c.unstable)
		}
		if gone := got < 0 && !c.unstable; o.Empty() != gone || gone && len(o.topics) != 0 {
			t.Errorf("%s: empty %v with %d topics", c.name, o.Empty(), len(o.topics))
		}
	}
}

// TestPendingIsTheLogWithDecidedTransactions compares with the definition: of all
// records of a partition that are committed, the last in the log counts.
func TestPendingIsTheLogWithDecidedTransactions(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var o Offsets
		want := map[int32]Offset{}           // by partition, decided
		open := map[int64]map[int32]Offset{} // by producer
		for at := int64(1); at < 200; at++ {
			p, producer := int32(r.IntN(4)), int64(r.IntN(3))
			v := Offset{Offset: r.Int64N(1000), At: at}
			switch r.IntN(6) {
			case 0, 1:
				o.Set("t", p, v)
				want[p] = v
			case 2, 3:
				o.SetPending(producer, "t", p, v)
				if open[producer] == nil {
					open[producer] = map[int32]Offset{}
				}
				open[producer][p] = v
			case 4:
				o.Delete("t", p)
				delete(want, p)
				for _, m := range open {
					delete(m, p)
				}
			case 5:
				commit := r.IntN(2) == 0
				o.EndTransaction(producer, commit)
				for p, v := range open[producer] {
					if commit && want[p].At < v.At {
						want[p] = v
					}
				}
				delete(open, producer)
			}
			for p := range int32(4) {
				got, ok := o.Get("t", p, [16]byte{})
				if w, there := want[p]; ok != there || got != w {
					t.Fatalf("seed %d, step %d, partition %d: %+v, %v; want %+v, %v", seed, at, p, got, ok, w, there)
				}
				unstable := slices.ContainsFunc(slices.Collect(maps.Values(open)), func(m map[int32]Offset) bool { _, ok := m[p]; return ok })
				if o.Unstable("t", p) != unstable {
					t.Fatalf("seed %d, step %d, partition %d: unstable %v", seed, at, p, !unstable)
				}
			}
			if o.Len() != len(want) {
				t.Fatalf("seed %d, step %d: %d offsets, want %d", seed, at, o.Len(), len(want))
			}
		}
	}
}
