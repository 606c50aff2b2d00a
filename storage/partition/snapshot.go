package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"
)

// The versions of a state block: its first byte. docs/formats/state.md has the layout.
// Version 1 knew no transactions; it is read and not written any more.
const (
	snapshotBefore  = 1
	snapshotVersion = 2
)

// What the byte that begins a producer says: the number of batches, and which other
// parts follow. In version 1 it is the number alone.
const (
	countMask  = 0x07
	withMarker = 0x08
	withTxn    = 0x10
)

// Sizes of the parts of a producer in a state block, bytes.
const (
	batchBytes  = 2 + 4 + 4 + 8 + 8 + 8 + 8
	markerBytes = 2 + 4 + 8 + 8 + 8
	txnBytes    = 8
)

// ErrSnapshot is returned for a state block that does not decode.
var ErrSnapshot = errors.New("partition: damaged state block")

// MarshalBinary encodes the state as a state block: version, next offset, epochs,
// then producers by id with their last marker, open transaction and last five batches. It is called on folds over
// durable packs only; it never fails.
func (s *State) MarshalBinary() ([]byte, error) {
	be := binary.BigEndian
	b := make([]byte, 0, 32+12*len(s.epochs)+(16+markerBytes+txnBytes+window*batchBytes)*len(s.producers))
	b = append(b, snapshotVersion)
	b = be.AppendUint64(b, uint64(s.next))
	b = be.AppendUint32(b, uint32(len(s.epochs)))
	for _, e := range s.epochs {
		b = be.AppendUint32(b, uint32(e.Epoch))
		b = be.AppendUint64(b, uint64(e.Start))
	}
	ids := make([]int64, 0, len(s.producers))
	for id, p := range s.producers {
		if p.known() {
			ids = append(ids, id)
		}
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	b = be.AppendUint32(b, uint32(len(ids)))
	for _, id := range ids {
		b = be.AppendUint64(b, uint64(id))
		b = s.producers[id].append(b)
	}
	return b, nil
}

func (p *producer) append(b []byte) []byte {
	be := binary.BigEndian
	batches := p.batches[max(0, len(p.batches)-window):]
	head := byte(len(batches))
	if p.marked {
		head |= withMarker
	}
	if p.txnStart != none {
		head |= withTxn
	}
	b = append(b, head)
	if m := &p.marker; p.marked {
		b = be.AppendUint16(b, uint16(m.epoch))
		b = be.AppendUint32(b, uint32(m.coordinatorEpoch))
		b = be.AppendUint64(b, uint64(m.offset))
		b = be.AppendUint64(b, uint64(m.timestamp))
		b = be.AppendUint64(b, uint64(m.appendTime))
	}
	if p.txnStart != none {
		b = be.AppendUint64(b, uint64(p.txnStart))
	}
	for i := range batches {
		b = batches[i].append(b)
	}
	return b
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
	version := r.uint8()
	if r.bad || version != snapshotBefore && version != snapshotVersion {
		return fmt.Errorf("%w: version %d", ErrSnapshot, version)
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
		if id <= last || !out.readProducer(&r, id, version) {
			return fmt.Errorf("%w: producer %d", ErrSnapshot, id)
		}
		last = id
	}
	if r.bad || len(r.b) != 0 || out.next < 0 {
		return fmt.Errorf("%w: %d bytes left", ErrSnapshot, len(r.b))
	}
	sort.Slice(out.txns, func(i, j int) bool { return out.txns[i].first < out.txns[j].first })
	for i := range out.txns {
		if first := out.txns[i].first; first < 0 || first >= out.next || i > 0 && first == out.txns[i-1].first {
			return fmt.Errorf("%w: a transaction begins at offset %d", ErrSnapshot, first)
		}
	}
	out.setNewest()
	*s = out
	return nil
}

// readProducer reads one producer; false if it is not one.
func (s *State) readProducer(r *reader, id int64, version byte) bool {
	head := r.uint8()
	k := int(head & countMask)
	if version == snapshotBefore && head != byte(k) || head&^(countMask|withMarker|withTxn) != 0 {
		return false
	}
	if r.bad || k > window || k == 0 && head&withMarker == 0 {
		return false
	}
	p := s.producer(id)
	if head&withMarker != 0 {
		p.marked = true
		p.marker = marker{
			epoch: int16(r.uint16()), coordinatorEpoch: int32(r.uint32()), offset: int64(r.uint64()),
			timestamp: int64(r.uint64()), appendTime: int64(r.uint64()),
		}
	}
	if head&withTxn != 0 {
		p.txnStart = int64(r.uint64())
		s.txns = append(s.txns, txn{producer: id, first: p.txnStart})
	}
	if r.bad || len(r.b) < k*batchBytes {
		return false
	}
	for range k {
		p.batches = append(p.batches, r.batch())
	}
	return true
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
