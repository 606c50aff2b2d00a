package compact

import (
	"errors"
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
//
// Where more keys come than fit, Split makes it keep one half of them: a class of keys, which
// its hash tells from the others. They are counted class by class then.
type Map struct {
	k0, k1 uint64
	base   int64
	max    int // slots
	class  Class
	slots  []slot
	used   int
}

// Class is the keys whose hash ends in the Bits lowest bits of End. The zero Class is all keys.
type Class struct {
	Bits uint
	End  uint64
}

// bitsMax is into how many classes, as a power of two, keys are divided at most.
const bitsMax = 24

func (c Class) has(tag uint64) bool { return tag&(1<<c.Bits-1) == c.End }

// slot: tag is the hash's first 64 bits; rest its next 24 and the offset above base plus
// 1, so that no slot in use is zero.
type slot struct{ tag, rest uint64 }

// NewMap makes a map for offsets of base and above that takes at most bytesMax. seed is
// the hash's key: two random numbers.
func NewMap(seed [2]uint64, base, bytesMax int64) *Map {
	most := max(int(bytesMax/SlotBytes), 2)
	return &Map{k0: seed[0], k1: seed[1], base: base, max: most, slots: make([]slot, min(most, slotsMin))}
}

// ErrFull is what Put returns where there is no room for another key.
var ErrFull = errors.New("the memory for keys is full")

// None is an offset where there is none.
const None = -1

// Put says that a record of key is at offset, which is base or above. It returns the offset of the
// record of the same key that is superseded: the lower of the two, or None. Keys of other classes
// are passed over. ErrFull: the key was not taken.
func (m *Map) Put(key []byte, offset int64) (superseded int64, err error) {
	above := offset - m.base
	if above < 0 || above >= OffsetSpan {
		return None, ErrFull
	}
	x := m.hash(key)
	if !m.class.has(x.tag) {
		return None, nil
	}
	x.rest |= uint64(above + 1)
	s := m.find(x)
	if s.rest != 0 {
		low := min(s.rest&OffsetSpan, x.rest&OffsetSpan)
		s.rest = max(s.rest, x.rest)
		if s.rest&OffsetSpan == low {
			return None, nil // the same record again
		}
		return m.base + int64(low) - 1, nil
	}
	if m.used+1 > len(m.slots)*fillOf10/10 {
		if len(m.slots) == m.max {
			return None, ErrFull
		}
		m.grow()
		s = m.find(x)
	}
	*s = x
	m.used++
	return None, nil
}

// Superseded says whether the map has a record of key above offset.
func (m *Map) Superseded(key []byte, offset int64) bool {
	at, known := m.Latest(key)
	return known && offset < at
}

// Latest returns the highest offset of a key; false if the map has none.
func (m *Map) Latest(key []byte) (int64, bool) {
	x := m.hash(key)
	if !m.class.has(x.tag) {
		return 0, false
	}
	s := m.find(x)
	if s.rest == 0 {
		return 0, false
	}
	return m.base + int64(s.rest&OffsetSpan) - 1, true
}

// hash makes a slot of a key, without an offset.
func (m *Map) hash(key []byte) slot {
	tag, low := siphash.Hash128(m.k0, m.k1, key)
	return slot{tag, low << (64 - tagBits) >> (64 - tagBits) << 40}
}

// Split lets go of one half of the keys that the map has, and of those that will come, and returns
// the class that they are. false: the keys are as finely divided as they can be.
func (m *Map) Split() (other Class, ok bool) {
	if m.class.Bits == bitsMax {
		return Class{}, false
	}
	bit := uint64(1) << m.class.Bits
	m.class.Bits++
	other = Class{m.class.Bits, m.class.End | bit}
	// In place: behind a slot that is free, each key goes to the first free one from where it
	// belongs on, which is no further than where it was.
	begin := 0
	for m.slots[begin].rest != 0 {
		begin++
	}
	for i := range m.slots {
		s := &m.slots[(begin+i)%len(m.slots)]
		x := *s
		if x.rest == 0 {
			continue
		}
		*s = slot{}
		if m.used--; m.class.has(x.tag) {
			*m.find(x) = x
			m.used++
		}
	}
	return other, true
}

// Begin empties the map for another class.
func (m *Map) Begin(c Class) {
	m.class, m.used = c, 0
	clear(m.slots)
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
