package pack

import (
	"fmt"
	"hash/crc32"
	"iter"
)

// Index is a pack's table of contents: one entry per batch, sorted by partition and
// then by offset, in the order of the bodies.
type Index struct {
	Header  Header
	Entries []Entry
}

// Extents gives each partition's extent, in order of partitions. packPos is the
// position of the pack's first byte in its file or object.
func (x *Index) Extents(packPos int64) iter.Seq2[PartitionID, Extent] {
	return func(yield func(PartitionID, Extent) bool) {
		for first := 0; first < len(x.Entries); {
			end := first + 1
			for end < len(x.Entries) && x.Entries[end].ID == x.Entries[first].ID {
				end++
			}
			if !yield(x.Entries[first].ID, x.extent(packPos, first, end)) {
				return
			}
			first = end
		}
	}
}

// extent describes Entries[first:end], which are of one partition.
func (x *Index) extent(packPos int64, first, end int) Extent {
	a, z := &x.Entries[first], &x.Entries[end-1]
	ext := Extent{
		BaseOffset:   a.BaseOffset,
		LastOffset:   z.LastOffset(),
		MaxTimestamp: a.MaxTimestamp,
		DataPos:      packPos + HeaderSize + int64(len(x.Entries))*EntrySize + a.Position,
		DataLen:      z.Position + int64(z.Length) - a.Position,
		IndexPos:     packPos + HeaderSize + int64(first)*EntrySize,
		IndexCount:   int32(end - first),
	}
	for i := first + 1; i < end; i++ {
		ext.MaxTimestamp = max(ext.MaxTimestamp, x.Entries[i].MaxTimestamp)
	}
	return ext
}

// DecodeIndex decodes the index of the pack with header h; b is the index alone. It
// reuses the entries of into. ErrCorrupt if checksum, order or positions are wrong.
func DecodeIndex(h Header, b []byte, into *Index) error {
	if int64(len(b)) != h.IndexLen() {
		return fmt.Errorf("%w: index of %d bytes, header says %d", ErrCorrupt, len(b), h.IndexLen())
	}
	if got := crc32.Checksum(b, castagnoli); got != h.IndexCRC {
		return fmt.Errorf("%w: index checksum %08x, computed %08x", ErrCorrupt, h.IndexCRC, got)
	}
	if cap(into.Entries) < h.Entries {
		into.Entries = make([]Entry, 0, h.Entries)
	}
	entries, err := DecodeEntries(into.Entries[:0], b)
	if err != nil {
		return err
	}
	into.Header, into.Entries = h, entries
	return into.check()
}

// check holds an index to what every encoder keeps: entries sorted by partition and
// offset, bodies that follow one another without a gap and fill the body.
func (x *Index) check() error {
	var pos int64
	partitions := 0
	for i := range x.Entries {
		e := &x.Entries[i]
		if e.Position != pos {
			return fmt.Errorf("%w: batch %d lies at %d, the one before it ends at %d", ErrCorrupt, i, e.Position, pos)
		}
		pos += int64(e.Length)
		order := -1
		if i > 0 {
			order = x.Entries[i-1].ID.Compare(e.ID)
		}
		switch {
		case order < 0:
			partitions++
		case order > 0:
			return fmt.Errorf("%w: batch %d of %v comes after %v", ErrCorrupt, i, e.ID, x.Entries[i-1].ID)
		case e.BaseOffset <= x.Entries[i-1].LastOffset():
			return fmt.Errorf("%w: batch %d of %v has offset %d after %d", ErrCorrupt, i, e.ID, e.BaseOffset, x.Entries[i-1].LastOffset())
		}
	}
	if pos != x.Header.BodyLen || partitions != x.Header.Partitions {
		return fmt.Errorf("%w: batches of %d partitions, %d bytes; header says %d, %d",
			ErrCorrupt, partitions, pos, x.Header.Partitions, x.Header.BodyLen)
	}
	return nil
}
