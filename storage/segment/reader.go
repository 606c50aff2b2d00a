package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// tailRead is how much is read from the end of an object at first: enough for the
// whole footer of a segment with some hundred partitions, so that a remote object
// costs one request.
const tailRead = 32 << 10

// Reader finds things in one segment. It keeps the directory in memory (104 bytes
// per partition) and reads extent lists and states when they are asked for. It is
// safe for concurrent use if its source is.
type Reader struct {
	src       io.ReaderAt
	size      int64
	head      Head
	dir       []byte // the directory's entries as stored, checked
	txns      []byte // likewise those of the section of transactions
	footerPos int64
	tail      []byte // the object's last bytes, from tailPos on; nil once dropped
	tailPos   int64
}

// Open reads and checks trailer and directory of a segment of size bytes. An error
// that wraps ErrDamaged says what is wrong with the bytes; any other comes from src.
func Open(src io.ReaderAt, size int64) (*Reader, error) {
	if size < headBytes+TrailerBytes {
		return nil, fmt.Errorf("%w: %d bytes cannot be a segment", ErrDamaged, size)
	}
	r := &Reader{src: src, size: size}
	tail := make([]byte, min(size, tailRead))
	if err := readFull(src, tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	r.tail, r.tailPos = tail, size-int64(len(tail))
	t, err := r.readTrailer()
	if err != nil {
		return nil, err
	}
	if err := r.readDirectory(t.footerLen, t.dirCRC); err != nil {
		return nil, err
	}
	if t.txnPos != 0 {
		if err := r.readTransactions(t.txnPos, r.footerPos+t.footerLen); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Detach returns a reader that keeps only the directory in memory and reads from
// src. A cache holds detached readers.
func (r *Reader) Detach(src io.ReaderAt) *Reader {
	d := *r
	d.src, d.tail = src, nil
	return &d
}

// trailer is what the last bytes of an object say, but for where the footer is.
type trailer struct {
	footerLen int64
	txnPos    int64 // of the section of transactions, 0: none
	dirCRC    uint32
}

func (r *Reader) readTrailer() (trailer, error) {
	be := binary.BigEndian
	t := r.tail[len(r.tail)-TrailerBytes:]
	if [4]byte(t) != trailerMagic {
		return trailer{}, fmt.Errorf("%w: no trailer in the last %d bytes", ErrDamaged, TrailerBytes)
	}
	if crc32.Checksum(t[:TrailerBytes-4], castagnoli) != be.Uint32(t[TrailerBytes-4:]) {
		return trailer{}, fmt.Errorf("%w: checksum of the trailer", ErrDamaged)
	}
	out := trailer{footerLen: int64(be.Uint64(t[16:])), txnPos: int64(be.Uint64(t[24:])), dirCRC: be.Uint32(t[32:])}
	v := be.Uint16(t[4:])
	known := v == version && out.txnPos == 0 || v == versionTxns && out.txnPos != 0
	if !known || be.Uint16(t[6:]) != 0 {
		return trailer{}, fmt.Errorf("%w: trailer of version %d", ErrDamaged, v)
	}
	r.footerPos = int64(be.Uint64(t[8:]))
	if out.footerLen < headBytes || !inside(r.footerPos, out.footerLen, r.size) || r.footerPos+out.footerLen+TrailerBytes != r.size {
		return trailer{}, fmt.Errorf("%w: footer of %d bytes at %d in an object of %d", ErrDamaged, out.footerLen, r.footerPos, r.size)
	}
	return out, nil
}

func (r *Reader) readDirectory(footerLen int64, dirCRC uint32) error {
	be := binary.BigEndian
	h := make([]byte, headBytes)
	if err := r.read(h, r.footerPos); err != nil {
		return err
	}
	n := int64(be.Uint32(h[8:]))
	if [4]byte(h) != headMagic || be.Uint16(h[4:]) != version {
		return fmt.Errorf("%w: no footer of version %d at %d", ErrDamaged, version, r.footerPos)
	}
	if n > PartitionsMax || headBytes+n*partBytes > footerLen {
		return fmt.Errorf("%w: %d partitions in a footer of %d bytes", ErrDamaged, n, footerLen)
	}
	r.dir = make([]byte, n*partBytes)
	if err := r.read(r.dir, r.footerPos+headBytes); err != nil {
		return err
	}
	if crc32.Update(crc32.Checksum(h, castagnoli), castagnoli, r.dir) != dirCRC {
		return fmt.Errorf("%w: checksum of the directory", ErrDamaged)
	}
	r.head = Head{
		Flags:       Flags(be.Uint16(h[6:])),
		FirstVolume: be.Uint64(h[24:]),
		LastVolume:  be.Uint64(h[32:]),
		FirstSeq:    be.Uint64(h[40:]),
		LastSeq:     be.Uint64(h[48:]),
	}
	if r.head.Flags&^flagsKnown != 0 || be.Uint32(h[12:]) != 0 || int64(be.Uint64(h[16:])) != r.footerPos {
		return fmt.Errorf("%w: footer's head at %d", ErrDamaged, r.footerPos)
	}
	return r.checkDirectory(r.footerPos + footerLen)
}

// checkDirectory checks that entries are in order and point inside the footer.
func (r *Reader) checkDirectory(footerEnd int64) error {
	bodyPos := r.footerPos + headBytes + int64(len(r.dir))
	for i := range r.Len() {
		p := r.Part(i)
		if i > 0 && r.idAt(i-1).Compare(p.ID) >= 0 {
			return fmt.Errorf("%w: directory out of order at partition %v", ErrDamaged, p.ID)
		}
		extentsLen := int64(p.Extents) * extentBytes
		ok := p.ID.Partition >= 0 && p.Extents >= 0 && p.BaseOffset >= 0 && p.LastOffset >= p.BaseOffset-1 && p.Bytes >= 0 &&
			(p.Extents > 0) == (p.LastOffset >= p.BaseOffset) &&
			p.extentsPos >= bodyPos && inside(p.extentsPos, extentsLen, footerEnd)
		if p.StateLen != 0 {
			ok = ok && p.StateLen >= stateBytes && p.StateLen <= stateBytes+StateBytesMax && p.NextOffset >= 0 &&
				p.StatePos >= bodyPos && inside(p.StatePos, p.StateLen, footerEnd)
		}
		if !ok {
			return fmt.Errorf("%w: directory entry of partition %v", ErrDamaged, p.ID)
		}
	}
	return nil
}

// Head returns what the footer says about the whole segment.
func (r *Reader) Head() Head { return r.head }

// DataEnd is where the data ends and the footer begins.
func (r *Reader) DataEnd() int64 { return r.footerPos }

// Len is how many partitions the segment knows.
func (r *Reader) Len() int { return len(r.dir) / partBytes }

// MemoryBytes is about how much memory the reader holds.
func (r *Reader) MemoryBytes() int64 { return int64(cap(r.dir)+cap(r.txns)+cap(r.tail)) + 128 }

// Part returns the i-th directory entry, 0 <= i < Len, in the order of topic id and
// partition.
func (r *Reader) Part(i int) Part {
	be := binary.BigEndian
	b := r.dir[i*partBytes:]
	return Part{
		ID:           r.idAt(i),
		LeaderEpoch:  int32(be.Uint32(b[20:])),
		BaseOffset:   int64(be.Uint64(b[24:])),
		LastOffset:   int64(be.Uint64(b[32:])),
		NextOffset:   int64(be.Uint64(b[40:])),
		MaxTimestamp: int64(be.Uint64(b[48:])),
		AppendTime:   int64(be.Uint64(b[56:])),
		Bytes:        int64(be.Uint64(b[64:])),
		extentsPos:   int64(be.Uint64(b[72:])),
		Extents:      int32(be.Uint32(b[80:])),
		extentsCRC:   be.Uint32(b[84:]),
		StatePos:     int64(be.Uint64(b[88:])),
		StateLen:     int64(be.Uint64(b[96:])),
	}
}

func (r *Reader) idAt(i int) pack.PartitionID {
	b := r.dir[i*partBytes:]
	return pack.PartitionID{Topic: [16]byte(b), Partition: int32(binary.BigEndian.Uint32(b[16:]))}
}

// Find returns the directory entry of a partition.
func (r *Reader) Find(id pack.PartitionID) (Part, bool) {
	lo, hi := 0, r.Len()
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch c := r.idAt(mid).Compare(id); {
		case c == 0:
			return r.Part(mid), true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return Part{}, false
}

// Extents returns where the batches of a partition lie, in offset order; none if the
// segment has none of it.
func (r *Reader) Extents(id pack.PartitionID) ([]pack.Extent, error) {
	p, ok := r.Find(id)
	if !ok || p.Extents == 0 {
		return nil, nil
	}
	b := make([]byte, int64(p.Extents)*extentBytes)
	if err := r.read(b, p.extentsPos); err != nil {
		return nil, err
	}
	if crc32.Checksum(b, castagnoli) != p.extentsCRC {
		return nil, fmt.Errorf("%w: checksum of the extents of partition %v", ErrDamaged, id)
	}
	xs := make([]pack.Extent, p.Extents)
	for i := range xs {
		xs[i] = decodeExtent(b[i*extentBytes:])
	}
	if err := checkExtents(xs, r.footerPos); err != nil {
		return nil, fmt.Errorf("%w: partition %v: %w", ErrDamaged, id, err)
	}
	if xs[0].BaseOffset != p.BaseOffset || xs[len(xs)-1].LastOffset != p.LastOffset {
		return nil, fmt.Errorf("%w: extents of partition %v do not agree with the directory", ErrDamaged, id)
	}
	return xs, nil
}

// State returns the state block of a partition; false if the segment has none.
func (r *Reader) State(id pack.PartitionID) (State, bool, error) {
	p, ok := r.Find(id)
	if !ok || p.StateLen == 0 {
		return State{}, false, nil
	}
	b := make([]byte, p.StateLen)
	if err := r.read(b, p.StatePos); err != nil {
		return State{}, false, err
	}
	s, err := DecodeState(id, b)
	if err != nil {
		return State{}, false, err
	}
	if s.NextOffset != p.NextOffset || s.LeaderEpoch != p.LeaderEpoch {
		return State{}, false, fmt.Errorf("%w: state of partition %v does not agree with the directory", ErrDamaged, id)
	}
	return s, true, nil
}

func decodeExtent(b []byte) pack.Extent {
	be := binary.BigEndian
	return pack.Extent{
		BaseOffset:   int64(be.Uint64(b[0:])),
		LastOffset:   int64(be.Uint64(b[8:])),
		MaxTimestamp: int64(be.Uint64(b[16:])),
		DataPos:      int64(be.Uint64(b[24:])),
		DataLen:      int64(be.Uint64(b[32:])),
		IndexPos:     int64(be.Uint64(b[40:])),
		IndexCount:   int32(be.Uint32(b[48:])),
	}
}

// read fills p from position off, from the tail if it is there.
func (r *Reader) read(p []byte, off int64) error {
	if r.tail != nil && off >= r.tailPos && off+int64(len(p)) <= r.size {
		copy(p, r.tail[off-r.tailPos:])
		return nil
	}
	return readFull(r.src, p, off)
}

func readFull(src io.ReaderAt, p []byte, off int64) error {
	n, err := src.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("segment: read %d bytes at %d: %w", len(p), off, err)
}
