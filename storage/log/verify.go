package log

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"sync"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Bytes are verified when they enter the process. Local files do that once: what was
// checked, or written by this process, goes from file to socket without being looked at
// again. What comes from a remote store may be another string of bytes each time it is
// fetched, also where this process wrote it, so it is checked in memory on its way out:
// every batch against its index entry and its own checksum, and the index entries against
// the extent, which a footer's checksum covers, or which this process made itself.
// (Rejected: to remember which fetched blocks were checked. An extent spans blocks that
// come and go one by one, and the sum costs less than the copy.)

// errSpoiled: bytes that were fetched do not check. The read is tried again with new ones.
var errSpoiled = errors.New("log: what the store sent does not check")

// verifiedMax bounds how many extents are remembered as verified. Past it the memory
// starts anew, which costs a second look at some.
const verifiedMax = 1 << 18

// verified remembers which sealed bytes in local files this process has checked against
// their checksums: extents one by one when they are first read, and whole segments when
// the process wrote or replayed their content itself.
type verified struct {
	mu       sync.Mutex
	segments map[metadata.SegmentID]struct{}
	extents  map[extentKey]struct{}
}

type extentKey struct {
	segment metadata.SegmentID
	pos     int64
}

// trust marks a segment whose content came through this process.
func (v *verified) trust(id metadata.SegmentID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.segments == nil || len(v.segments) >= verifiedMax {
		v.segments = make(map[metadata.SegmentID]struct{})
	}
	v.segments[id] = struct{}{}
}

func (v *verified) has(id metadata.SegmentID, pos int64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.segments[id]; ok {
		return true
	}
	_, ok := v.extents[extentKey{id, pos}]
	return ok
}

func (v *verified) add(id metadata.SegmentID, pos int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.extents == nil || len(v.extents) >= verifiedMax {
		v.extents = make(map[extentKey]struct{})
	}
	v.extents[extentKey{id, pos}] = struct{}{}
}

// check reads an extent of a local segment that nobody has looked at in this process and
// compares every batch with its index entry and its checksum. A remote one is checked
// where its bytes are used.
func (l *Log) check(h *handle, id metadata.SegmentID, key string, e pack.Extent) error {
	if h.remote || l.verified.has(id, e.DataPos) {
		return nil
	}
	entries, err := h.entries(e)
	if err != nil {
		return err
	}
	pos := e.DataPos
	for i := range entries {
		if err := h.verifyAt(&entries[i], pos); err != nil {
			return fmt.Errorf("%s at %d: %w", key, pos, err)
		}
		pos += int64(entries[i].Length)
	}
	l.verified.add(id, e.DataPos)
	return nil
}

// verifyAt reads the batch at pos, which e describes, and checks it.
func (h *handle) verifyAt(e *pack.Entry, pos int64) error {
	b := buffer.Get(int(e.Length))
	defer b.Release()
	if _, err := h.src.ReadAt(b.Bytes(), pos); err != nil {
		return err
	}
	return pack.VerifyBatch(e, b.Bytes())
}

// checkedEntries reads the index entries of a partition's extent, and of a remote one
// makes sure that they are what the extent says: nothing but a whole row of its batches.
func (h *handle) checkedEntries(id pack.PartitionID, x pack.Extent) ([]pack.Entry, error) {
	entries, err := h.entries(x)
	if !h.remote {
		return entries, err
	}
	if err == nil {
		err = checkRow(id, &x, entries)
	}
	if errors.Is(err, pack.ErrCorrupt) {
		err = h.spoiled(err)
	}
	return entries, err
}

func checkRow(id pack.PartitionID, x *pack.Extent, entries []pack.Entry) error {
	first, last := &entries[0], &entries[len(entries)-1]
	newest, next := first.MaxTimestamp, first.BaseOffset
	pos := first.Position
	for i := range entries {
		e := &entries[i]
		if e.ID != id || e.Position != pos || e.BaseOffset < next {
			return fmt.Errorf("%w: index entry %d of %d at %d does not continue the row", pack.ErrCorrupt, i, len(entries), x.IndexPos)
		}
		pos += int64(e.Length)
		next = e.LastOffset() + 1
		newest = max(newest, e.MaxTimestamp)
	}
	if first.BaseOffset != x.BaseOffset || last.LastOffset() != x.LastOffset || pos-first.Position != x.DataLen || newest != x.MaxTimestamp {
		return fmt.Errorf("%w: the index entries at %d are not those of offsets %d to %d", pack.ErrCorrupt, x.IndexPos, x.BaseOffset, x.LastOffset)
	}
	return nil
}

// verify checks batches that were fetched against their entries.
func (h *handle) verify(entries []pack.Entry, data []byte) error {
	for i := range entries {
		e := &entries[i]
		b := data[:e.Length]
		if err := verifyFetched(e, b); err != nil {
			return h.spoiled(err)
		}
		data = data[e.Length:]
	}
	return nil
}

// verifyFetched is VerifyBatch, and compares what a reader goes by in the entry.
func verifyFetched(e *pack.Entry, b []byte) error {
	if err := pack.VerifyBatch(e, b); err != nil {
		return err
	}
	if delta := int32(binary.BigEndian.Uint32(b[23:])); delta != e.LastOffsetDelta {
		return fmt.Errorf("%w: batch of %v at offset %d has %d offsets more, its index entry %d", pack.ErrCorrupt, e.ID, e.BaseOffset, delta, e.LastOffsetDelta)
	}
	return nil
}

// spoiled lets go of what is held of the object, so that it is fetched anew.
func (h *handle) spoiled(err error) error {
	if d, ok := h.src.(distruster); ok {
		d.Distrust()
	}
	return fmt.Errorf("%w: %w", errSpoiled, err)
}

// distruster is a source that keeps what it has fetched.
type distruster interface {
	// Distrust lets go of it.
	Distrust()
}

// wholePack is up to which size a remote pack is fetched as a whole: one request then
// brings the batches with what they are checked against, and more costs little.
const wholePack = 256 << 10

// fetchPack reads a small remote pack into memory and checks all of it. The result is
// nil if the pack is not small.
func fetchPack(src journal.Source, ref journal.Ref) (source, error) {
	if ref.Pos != 0 || ref.Len < pack.HeaderSize || ref.Len > wholePack {
		return nil, nil
	}
	b := buffer.Get(int(ref.Len))
	if _, err := src.ReadAt(b.Bytes(), 0); err != nil {
		b.Release()
		return nil, fmt.Errorf("read pack %d of %d bytes: %w", ref.Seq, ref.Len, err)
	}
	if err := verifyPack(b.Bytes(), ref); err != nil {
		b.Release()
		return nil, fmt.Errorf("%w: %w", errSpoiled, err)
	}
	return fetchedPack{memory{b.Bytes(), 0}, b}, nil
}

// verifyPack checks a whole pack.
func verifyPack(b []byte, ref journal.Ref) error {
	h, err := pack.DecodeHeader(b)
	if err != nil {
		return err
	}
	if h.Seq != ref.Seq || h.Size() != int64(len(b)) {
		return fmt.Errorf("%w: pack %d of %d bytes where pack %d of %d is due", pack.ErrCorrupt, h.Seq, h.Size(), ref.Seq, len(b))
	}
	var x pack.Index
	split := pack.HeaderSize + h.IndexLen()
	if err := pack.DecodeIndex(h, b[pack.HeaderSize:split], &x); err != nil {
		return err
	}
	return pack.VerifyBody(&x, b[split:])
}

// fetchedPack is a remote pack in memory.
type fetchedPack struct {
	memory
	b *buffer.Buf
}

func (p fetchedPack) Close() error {
	p.b.Release()
	return nil
}

// pick chooses the batches of an extent that a reading takes: those at or above r.at,
// below r.end and within what is left, the first of the result in any case if the request
// asks for at least one.
func (r *reading) pick(entries []pack.Entry) (from, to int, bytes int64) {
	from = sort.Search(len(entries), func(i int) bool { return entries[i].LastOffset() >= r.at })
	for to = from; to < len(entries) && entries[to].BaseOffset < r.end; to++ {
		n := int64(entries[to].Length)
		first := bytes == 0 && len(r.result.Chunks) == 0
		if bytes+n > int64(r.left) && !(first && r.req.AtLeastOne) {
			break
		}
		bytes += n
	}
	return from, to, bytes
}

// fetch adds batches of a remote extent, checked. Where a gap lies in front of them, the
// batch before it is looked at too: its entry alone says that it ends below r.at.
func (r *reading) fetch(h *handle, e pack.Extent, entries []pack.Entry, from, to int) error {
	at := func(i int) int64 { return e.DataPos + entries[i].Position - entries[0].Position }
	if from > 0 && from < len(entries) && entries[from].BaseOffset > r.at {
		b := buffer.Get(int(entries[from-1].Length))
		defer b.Release()
		if _, err := h.src.ReadAt(b.Bytes(), at(from-1)); err != nil {
			return fmt.Errorf("read %d bytes at %d: %w", len(b.Bytes()), at(from-1), err)
		}
		if err := h.verify(entries[from-1:from], b.Bytes()); err != nil {
			return err
		}
	}
	if from == to {
		return nil
	}
	pos, end := at(from), at(to-1)+int64(entries[to-1].Length)
	b := buffer.Get(int(end - pos))
	_, err := h.src.ReadAt(b.Bytes(), pos)
	if err != nil {
		err = fmt.Errorf("read %d bytes at %d: %w", end-pos, pos, err)
	} else {
		err = h.verify(entries[from:to], b.Bytes())
	}
	if err != nil {
		b.Release()
		return err
	}
	r.push(Chunk{Mem: b.Bytes(), Len: end - pos, free: b.Release})
	return nil
}
