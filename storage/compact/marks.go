package compact

import "github.com/streamhouse/streamhouse/protocol/record"

// MarksMax bounds the bits of Marks: 32 MiB.
const MarksMax = (32 << 20) * 8

// Marks has a bit for each record that a later one of its key supersedes. Records from a base on
// are told apart by their offset. Those below were compacted before, and most of their offsets are
// gone: they are told apart by their batch's place in a row of all batches, and their offset in it.
// So they are found only batch by batch, in the same order in each reading.
type Marks struct {
	base  int64
	max   int64  // bits in all
	above bitmap // by offset, from base on
	below bitmap // by batch and offset in it; nil until Below
	first int64  // of the batch's bits
	batch int64  // its base offset
	next  int64  // the first bit of the batch after it
}

type bitmap []uint64

func newBitmap(n int64) bitmap { return make(bitmap, (n+63)/64) }

func (b bitmap) set(i int64)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) has(i int64) bool { return b[i/64]&(1<<(i%64)) != 0 }

// NewMarks makes marks for the offsets from base to last, of bitsMax bits at most. false: they
// are too many.
func NewMarks(base, last, bitsMax int64) (*Marks, bool) {
	n := last + 1 - base
	if n > bitsMax {
		return nil, false
	}
	return &Marks{base: base, max: bitsMax, above: newBitmap(max(n, 0))}, true
}

// Below makes room for batches below the base that span so many offsets in all, gaps between them
// left out. false: there are too many.
func (m *Marks) Below(offsets int64) bool {
	if offsets > m.max-int64(len(m.above))*64 {
		return false
	}
	m.below = newBitmap(offsets)
	return true
}

// Rewind begins another reading below the base.
func (m *Marks) Rewind() { m.first, m.next = 0, 0 }

// Enter goes to the next batch below the base; one above is passed over.
func (m *Marks) Enter(h *record.Header) {
	if h.BaseOffset < m.base {
		m.batch, m.first = h.BaseOffset, m.next
		m.next += h.LastOffset() + 1 - h.BaseOffset
	}
}

// Mark says that the record at an offset is superseded; below the base, of the batch at hand.
func (m *Marks) Mark(offset int64) {
	if offset >= m.base {
		m.above.set(offset - m.base)
	} else {
		m.below.set(m.first + offset - m.batch)
	}
}

// Has says whether the record at an offset is superseded; below the base, of the batch at hand.
func (m *Marks) Has(offset int64) bool {
	if offset >= m.base {
		return m.above.has(offset - m.base)
	}
	return m.below.has(m.first + offset - m.batch)
}
