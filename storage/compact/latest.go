package compact

import "github.com/streamhouse/streamhouse/protocol/record"

// Latest finds which records of a partition a later one of their key supersedes, in bounded
// memory however many keys there are. What was compacted before lies below a base; above it, up to
// a last offset, is what is new. It is used in this order:
//
//  1. Add each record above the base. ErrFull: there are more keys than fit. Divide allows for
//     that: half of them is left for later, as often as it takes.
//  2. If Divided: Rewind, then for each batch below the base Enter it and Mark its records.
//  3. While Next: both again, with a class of the keys that was left.
//  4. Rewind, and Superseded for each record, batch by batch; Enter first.
//
// Records that do not count, being aborted, are not shown to it.
type Latest struct {
	keys  *Map
	marks *Marks  // nil where there would be too many: then there is one class of keys only
	left  []Class // that were not looked at yet
	many  bool    // classes
}

// NewLatest makes one whose keys take at most bytesMax, and marks marksMax bits. seed is as NewMap's.
func NewLatest(seed [2]uint64, base, last, bytesMax, marksMax int64) *Latest {
	marks, _ := NewMarks(base, last, marksMax)
	return &Latest{keys: NewMap(seed, base, bytesMax), marks: marks}
}

// Add says that a record of key is at offset, which is base or above. ErrFull: it was not taken.
func (l *Latest) Add(key []byte, offset int64) error {
	superseded, err := l.keys.Put(key, offset)
	for err == ErrFull && l.many {
		other, ok := l.keys.Split()
		if !ok {
			return ErrFull
		}
		l.left = append(l.left, other)
		superseded, err = l.keys.Put(key, offset)
	}
	if superseded != None && l.marks != nil {
		l.marks.Mark(superseded)
	}
	return err
}

// Divide allows for more keys than fit. below is how many offsets the batches below the base span,
// without the gaps between them. false: they are too many for that, or new records are.
func (l *Latest) Divide(below int64) bool {
	l.many = l.many || l.marks != nil && l.marks.Below(below)
	return l.many
}

// Divided says that the keys were divided.
func (l *Latest) Divided() bool { return l.many }

// Next begins with a class of keys that was left; false if there is none.
func (l *Latest) Next() bool {
	n := len(l.left)
	if n == 0 {
		return false
	}
	l.keys.Begin(l.left[n-1])
	l.left = l.left[:n-1]
	return true
}

// Rewind begins another reading of what lies below the base.
func (l *Latest) Rewind() {
	if l.marks != nil {
		l.marks.Rewind()
	}
}

// Enter goes to the next batch.
func (l *Latest) Enter(h *record.Header) {
	if l.marks != nil {
		l.marks.Enter(h)
	}
}

// Mark looks at a record below the base, of the batch at hand.
func (l *Latest) Mark(key []byte, offset int64) {
	if l.keys.Superseded(key, offset) {
		l.marks.Mark(offset)
	}
}

// Superseded says whether a record, of the batch at hand if it lies below the base, has a later one
// of its key.
func (l *Latest) Superseded(key []byte, offset int64) bool {
	if l.marks != nil && (l.many || offset >= l.marks.base) {
		return l.marks.Has(offset)
	}
	return l.keys.Superseded(key, offset)
}
