package compact

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

func TestMapAgainstAMap(t *testing.T) {
	for _, base := range []int64{0, 1 << 50} {
		m := NewMap([2]uint64{1, 2}, base, 1<<20)
		model := map[string]int64{}
		rng := rand.New(rand.NewPCG(3, uint64(base)))
		var key [9]byte
		for range 100_000 {
			n := 1 + rng.IntN(8)
			binary.BigEndian.PutUint64(key[:], rng.Uint64N(1<<17))
			k := key[8-n : 8]
			offset := base + rng.Int64N(1<<39)
			old, has := model[string(k)]
			if _, err := m.Put(k, offset); err == nil {
				model[string(k)] = max(old, offset)
			} else if has {
				t.Fatal("a full map refuses a key that it has")
			}
		}
		if full := 1 << 20 / SlotBytes * fillOf10 / 10; m.Len() != full || len(model) != full || m.Bytes() > 1<<20 {
			t.Fatalf("%d keys in %d bytes, the model has %d, %d fit", m.Len(), m.Bytes(), len(model), full)
		}
		for k, want := range model {
			if got, ok := m.Latest([]byte(k)); !ok || got != want {
				t.Fatalf("key %x: %d, %v, want %d", k, got, ok, want)
			}
		}
		if _, ok := m.Latest([]byte("never put")); ok {
			t.Fatal("a key that was never put is there")
		}
	}
}

func TestMapEdges(t *testing.T) {
	m := NewMap([2]uint64{7, 7}, 100, 0) // two slots
	for _, c := range []struct {
		key    string
		offset int64
		ok     bool
	}{
		{"below", 99, false}, {"far", 100 + OffsetSpan, false}, {"", 100 + OffsetSpan - 1, true}, {"", 100, true}, {"second", 100, false},
	} {
		if _, err := m.Put([]byte(c.key), c.offset); (err == nil) != c.ok {
			t.Errorf("%q at %d: %v", c.key, c.offset, err)
		}
	}
	if at, ok := m.Latest(nil); !ok || at != 100+OffsetSpan-1 {
		t.Errorf("the empty key is at %d, %v", at, ok)
	}
	// A small partition costs little, whatever the bound.
	if m := NewMap([2]uint64{}, 0, 128<<20); m.Bytes() > 64<<10 {
		t.Errorf("an empty map takes %d bytes", m.Bytes())
	}
}

// 128 MiB hold the 7.5 million keys that the documentation says.
func TestMapHoldsWhatItSays(t *testing.T) {
	if testing.Short() {
		t.Skip("256 MiB of memory")
	}
	m := NewMap([2]uint64{5, 6}, 0, 128<<20)
	var key [8]byte
	for i := range int64(7_500_000) {
		binary.BigEndian.PutUint64(key[:], uint64(i))
		if _, err := m.Put(key[:], i); err != nil {
			t.Fatalf("after %d keys: %v", i, err)
		}
	}
	for i := range int64(7_500_000) {
		binary.BigEndian.PutUint64(key[:], uint64(i))
		if at, ok := m.Latest(key[:]); !ok || at != i {
			t.Fatalf("key %d is at %d, %v", i, at, ok)
		}
	}
}

func BenchmarkMapPut(b *testing.B) {
	m := NewMap([2]uint64{5, 6}, 0, 128<<20)
	key := []byte("a key of sixteen")
	b.ReportAllocs()
	for i := range int64(b.N) {
		binary.BigEndian.PutUint64(key, uint64(i)%4_000_000)
		_, _ = m.Put(key, i) // never full
	}
}
