// Package segment is the format of a sealed object: a volume header, packs, then a
// footer and a trailer that make it searchable by partition.
//
// One format serves every way an object comes to be. A closed file of the journal
// becomes a segment by having a footer and trailer appended, without moving a byte.
// A segment that has to be uploaded anyway is one large pack sorted by partition
// (Plan). A partition segment is that with one partition. Readers never need to
// know which it is: the footer says, per partition, at which positions its batches
// and their index entries lie.
//
// The package is pure except for Index, which caches what it reads through a
// function that it is given. docs/formats/segment.md has the byte layout.
package segment

import (
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// ErrDamaged is wrapped by every error about bytes that are not a valid segment.
var ErrDamaged = errors.New("segment: damaged")

// Sizes of the fixed parts, bytes.
const (
	headBytes    = 56
	partBytes    = 104
	extentBytes  = 52
	stateBytes   = 44 // around a state block's payload
	TrailerBytes = 40
)

// Bounds on what a decoder accepts and an encoder makes.
const (
	// PartitionsMax is how many partitions one segment may hold.
	PartitionsMax = 1 << 20
	// StateBytesMax is how large the payload of one state block may be.
	StateBytesMax = 256 << 20
)

// version is that of a footer, and of a trailer behind it; versionTxns that of a
// trailer behind a footer with a section of transactions.
const (
	version     = 1
	versionTxns = 2
)

var (
	headMagic    = [4]byte{'S', 'H', 'S', 'F'}
	trailerMagic = [4]byte{'S', 'H', 'S', 'T'}
	stateMagic   = [4]byte{'S', 'H', 'S', 'B'}
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Flags say how a segment came to be. Readers need none of them.
type Flags uint16

// The flags.
const (
	// FlagSorted: the data is one pack sorted by partition.
	FlagSorted Flags = 1 << iota
	// FlagLifted: internal topics rewritten to the latest record per key.
	FlagLifted
	// FlagStates: no data, only states of partitions that have none left.
	FlagStates

	flagsKnown = FlagSorted | FlagLifted | FlagStates
)

// Head is what a footer says about the segment as a whole: which part of the journal
// it holds, so that a store can be rebuilt from the objects alone. All four numbers
// are 0 when the data does not come straight from the journal.
type Head struct {
	Flags       Flags
	FirstVolume uint64 // journal volumes, inclusive
	LastVolume  uint64
	FirstSeq    uint64 // sequences of their packs, inclusive
	LastSeq     uint64 // FirstSeq-1: no pack
}

// Part is what a footer's directory says about one partition.
type Part struct {
	ID pack.PartitionID
	// BaseOffset to LastOffset are the offsets whose batches lie here; LastOffset is
	// BaseOffset-1 when there are none, only a state.
	BaseOffset   int64
	LastOffset   int64
	MaxTimestamp int64 // ms; largest of any record, -1 if none has one
	AppendTime   int64 // ms; of the youngest batch, -1 if there is none
	Bytes        int64 // of the batches
	Extents      int32 // how many extents the batches lie in
	// NextOffset and LeaderEpoch are those of the partition's state that this segment
	// carries, and StatePos and StateLen where its block lies in the object; StateLen 0:
	// none. The state is a fold over the sealed packs: where internal topics were lifted
	// out of the open journal it stands below LastOffset.
	NextOffset  int64
	LeaderEpoch int32
	StatePos    int64
	StateLen    int64

	extentsPos int64
	extentsCRC uint32
}

// checkExtents returns an error unless the extents are in offset order without
// overlap and lie inside the first dataEnd bytes.
func checkExtents(xs []pack.Extent, dataEnd int64) error {
	next := int64(0)
	for i := range xs {
		x := &xs[i]
		if x.BaseOffset < next || x.LastOffset < x.BaseOffset {
			return fmt.Errorf("extent %d has offsets %d to %d where at least %d is due", i, x.BaseOffset, x.LastOffset, next)
		}
		if !inside(x.DataPos, x.DataLen, dataEnd) || x.DataLen == 0 {
			return fmt.Errorf("extent %d: %d bytes at %d are not inside %d", i, x.DataLen, x.DataPos, dataEnd)
		}
		if x.IndexCount < 1 || !inside(x.IndexPos, int64(x.IndexCount), dataEnd) {
			return fmt.Errorf("extent %d: %d index entries at %d are not inside %d", i, x.IndexCount, x.IndexPos, dataEnd)
		}
		next = x.LastOffset + 1
	}
	return nil
}

// inside says whether n bytes at pos lie inside the first end bytes.
func inside(pos, n, end int64) bool {
	return pos >= 0 && n >= 0 && pos <= end && n <= end-pos
}

// Search returns the index of the first extent that holds offset or lies above it,
// or len(xs).
func Search(xs []pack.Extent, offset int64) int {
	lo, hi := 0, len(xs)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); xs[mid].LastOffset < offset {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
