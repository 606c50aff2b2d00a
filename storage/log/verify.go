package log

import (
	"fmt"
	"sync"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// verifiedMax bounds how many extents are remembered as verified. Past it the memory
// starts anew, which costs a second look at some.
const verifiedMax = 1 << 18

// verified remembers which sealed bytes this process has checked against their
// checksums: extents one by one when they are first read, and whole segments when
// the process wrote or replayed their content itself. What is verified may go from
// file to socket without being looked at.
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

// check reads an extent of a segment that nobody has looked at in this process and
// compares every batch with its index entry and its checksum.
func (l *Log) check(h *handle, id metadata.SegmentID, key string, e pack.Extent) error {
	if l.verified.has(id, e.DataPos) {
		return nil
	}
	entries, err := h.entries(e)
	if err != nil {
		return err
	}
	pos := e.DataPos
	for i := range entries {
		x := &entries[i]
		b := buffer.Get(int(x.Length))
		_, err := h.src.ReadAt(b.Bytes(), pos)
		if err == nil {
			err = pack.VerifyBatch(x, b.Bytes())
		}
		b.Release()
		if err != nil {
			return fmt.Errorf("%s at %d: %w", key, pos, err)
		}
		pos += int64(x.Length)
	}
	l.verified.add(id, e.DataPos)
	return nil
}
