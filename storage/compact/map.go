package compact

import (
	"math/bits"

	"github.com/dchest/siphash"
)

// SlotBytes is what a key takes in a Map.
const SlotBytes = 16

// Bounds of a Map.
const (
	slotsMin = 1 << 10
	// A table is at most 9/10 full, so that probing stays short.
	fillOf10 = 9
	// OffsetSpan is how far above its base a Map can remember offsets.
	OffsetSpan = 1<<40 - 1
	tagBits    = 24
)

// Map remembers the highest offset of each key. A slot has 88 bits of a keyed 128-bit
// hash, and 40 bits of offset: the key itself is not kept. Two keys are taken for one with
// a probability of 2^-88 per pair that meets, 3e-11 for a billion records over the 7.5
// million keys of 128 MiB; and since the hash is keyed anew for each run, nobody can make
// keys that do.
type Map struct {
	k0, k1 uint64
	base   int64
	max    int // slots
	slots  []slot
	used   int
}

// slot: tag is the hash's first 64 bits; rest its next 24 and the offset above base plus
// 1, so that no slot in use is zero.
type slot struct{ tag, rest uint64 }

// NewMap makes a map for offsets of base and above that takes at most bytesMax. seed is
// the hash's key: two random numbers.
func NewMap(seed [2]uint64, base, bytesMax int64) *Map {
	most := max(int(bytesMax/SlotBytes), 2)
	return &Map{k0: seed[0], k1: seed[1], base: base, max: most, slots: make([]slot, min(most, slotsMin))}
}

// Put says that key has a record at offset, which is base or above. false: the map is full
// and did not take the key.
func (m *Map) Put(key []byte, offset int64) bool {
	above := offset - m.base
	if above < 0 || above >= OffsetSpan {
		return false
	}
	tag, low := siphash.Hash128(m.k0, m.k1, key)
	x := slot{tag, low<<(64-tagBits)>>(64-tagBits)<<40 | uint64(above+1)}
	s := m.find(x)
	if s.rest != 0 {
		if s.rest&OffsetSpan < x.rest&OffsetSpan {
			*s = x
		}
		return true
	}
	if m.used+1 > len(m.slots)*fillOf10/10 {
		if len(m.slots) == m.max {
			return false
		}
		m.grow()
		s = m.find(x)
	}
	*s = x
	m.used++
	return true
}

// Latest returns the highest offset of a key; false if the map has none.
func (m *Map) Latest(key []byte) (int64, bool) {
	tag, low := siphash.Hash128(m.k0, m.k1, key)
	s := m.find(slot{tag, low << (64 - tagBits) >> (64 - tagBits) << 40})
	if s.rest == 0 {
		return 0, false
	}
	return m.base + int64(s.rest&OffsetSpan) - 1, true
}

// Len is the number of keys.
func (m *Map) Len() int { return m.used }

// Bytes is what the map takes now.
func (m *Map) Bytes() int64 { return int64(len(m.slots)) * SlotBytes }

// find returns the slot of a hash, or the free one where it belongs.
func (m *Map) find(x slot) *slot {
	at, _ := bits.Mul64(x.tag, uint64(len(m.slots)))
	for {
		s := &m.slots[at]
		if s.rest == 0 || s.tag == x.tag && s.rest>>40 == x.rest>>40 {
			return s
		}
		if at++; at == uint64(len(m.slots)) {
			at = 0
		}
	}
}

// grow doubles the table. A slot's place follows from what is stored, so that no key is
// read again.
func (m *Map) grow() {
	old := m.slots
	m.slots = make([]slot, min(2*len(old), m.max))
	for i := range old {
		if old[i].rest != 0 {
			*m.find(old[i]) = old[i]
		}
	}
}
