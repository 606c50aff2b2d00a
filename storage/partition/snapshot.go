package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"
)

// snapshotVersion is the first byte of a state block. docs/formats/state.md has the
// layout.
const snapshotVersion = 1

// batchBytes is the size of one remembered batch in a state block.
const batchBytes = 2 + 4 + 4 + 8 + 8 + 8 + 8

// ErrSnapshot is returned for a state block that does not decode.
var ErrSnapshot = errors.New("partition: damaged state block")

// MarshalBinary encodes the state as a state block: version, next offset, epochs,
// then producers by id with their last five batches. It is called on folds over
// durable packs only; it never fails.
func (s *State) MarshalBinary() ([]byte, error) {
	be := binary.BigEndian
	b := make([]byte, 0, 32+12*len(s.epochs)+(16+window*batchBytes)*len(s.producers))
	b = append(b, snapshotVersion)
	b = be.AppendUint64(b, uint64(s.next))
	b = be.AppendUint32(b, uint32(len(s.epochs)))
	for _, e := range s.epochs {
		b = be.AppendUint32(b, uint32(e.Epoch))
		b = be.AppendUint64(b, uint64(e.Start))
	}
	ids := make([]int64, 0, len(s.producers))
	for id, p := range s.producers {
		if len(p.batches) > 0 {
			ids = append(ids, id)
		}
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	b = be.AppendUint32(b, uint32(len(ids)))
	for _, id := range ids {
		batches := s.producers[id].batches
		batches = batches[max(0, len(batches)-window):]
		b = be.AppendUint64(b, uint64(id))
		b = append(b, byte(len(batches)))
		for i := range batches {
			b = batches[i].append(b)
		}
	}
	return b, nil
}

func (x *Batch) append(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint16(b, uint16(x.Epoch))
	b = be.AppendUint32(b, uint32(x.FirstSequence))
	b = be.AppendUint32(b, uint32(x.LastSequence))
	b = be.AppendUint64(b, uint64(x.BaseOffset))
	b = be.AppendUint64(b, uint64(x.LastOffset))
	b = be.AppendUint64(b, uint64(x.Timestamp))
	return be.AppendUint64(b, uint64(x.AppendTime))
}

// UnmarshalBinary replaces the state by what the block holds. Errors wrap
// ErrSnapshot; memory is bounded by the block's length.
func (s *State) UnmarshalBinary(b []byte) error {
	r := reader{b: b}
	if v := r.uint8(); r.bad || v != snapshotVersion {
		return fmt.Errorf("%w: version %d", ErrSnapshot, v)
	}
	var out State
	out.next = int64(r.uint64())
	n := r.count(12)
	for range n {
		e := EpochStart{int32(r.uint32()), int64(r.uint64())}
		if k := len(out.epochs); k > 0 && (out.epochs[k-1].Epoch >= e.Epoch || out.epochs[k-1].Start > e.Start) {
			return fmt.Errorf("%w: leader epochs out of order", ErrSnapshot)
		}
		out.epochs = append(out.epochs, e)
	}
	n = r.count(9)
	last := int64(math.MinInt64)
	for range n {
		id := int64(r.uint64())
		k := int(r.uint8())
		if r.bad || id <= last || k == 0 || k > window || len(r.b) < k*batchBytes {
			return fmt.Errorf("%w: producer %d", ErrSnapshot, id)
		}
		last = id
		p := out.producer(id)
		for range k {
			p.batches = append(p.batches, r.batch())
		}
		p.epoch = p.batches[k-1].Epoch
	}
	if r.bad || len(r.b) != 0 || out.next < 0 {
		return fmt.Errorf("%w: %d bytes left", ErrSnapshot, len(r.b))
	}
	*s = out
	return nil
}

// reader takes big-endian integers off a slice; bad is set once it was too short.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.bad, r.b = true, nil
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uint8() byte    { return r.take(1)[0] }
func (r *reader) uint16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

// count reads an element count and refuses one that the rest cannot hold.
func (r *reader) count(elementBytes int) int {
	n := int(r.uint32())
	if n*elementBytes > len(r.b) {
		r.bad, r.b = true, nil
		return 0
	}
	return n
}

func (r *reader) batch() Batch {
	return Batch{
		Epoch:         int16(r.uint16()),
		FirstSequence: int32(r.uint32()),
		LastSequence:  int32(r.uint32()),
		BaseOffset:    int64(r.uint64()),
		LastOffset:    int64(r.uint64()),
		Timestamp:     int64(r.uint64()),
		AppendTime:    int64(r.uint64()),
	}
}
