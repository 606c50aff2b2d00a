package log

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// extent is where a pack of the open journal holds batches of a partition.
type extent struct {
	pack.Extent
	ref journal.Ref
}

// extents is a partition's extents in the open journal, by offset. With many partitions and
// small batches they are as many as batches, so they are kept as differences to the one
// before: some 20 bytes each instead of 88. It is one list with one owner; what comes out
// of it is a copy.
type extents struct {
	blocks []extentBlock
	last   extent // the one added last
	used   *atomic.Int64
}

// extentBlock is a run of extents. The first one is encoded as the difference to an extent
// of zeros.
type extentBlock struct {
	end         int64 // last offset
	data        int64 // bytes of batches
	first, last journal.VolumeID
	latest      int64 // ms; largest timestamp
	n           int32
	code        []byte
}

// blockExtents is how many extents a block holds: a search decodes half of them.
const blockExtents = 32

// blockOverhead is what a block takes in memory besides its code, bytes.
const blockOverhead = 80

// add appends an extent. It lies above all others.
func (x *extents) add(e *extent) {
	n := len(x.blocks)
	before := &x.last
	if n == 0 || x.blocks[n-1].n == blockExtents {
		if n > 0 {
			b := &x.blocks[n-1]
			b.code = slices.Clone(b.code) // without the room for growth
		}
		x.blocks = append(x.blocks, extentBlock{first: e.ref.Volume, latest: math.MinInt64})
		x.count(blockOverhead)
		before, n = &extent{}, n+1
	}
	b := &x.blocks[n-1]
	size := len(b.code)
	b.code = appendExtent(b.code, before, e)
	x.count(len(b.code) - size)
	b.end, b.last, b.data, b.latest, b.n = e.LastOffset, e.ref.Volume, b.data+e.DataLen, max(b.latest, e.MaxTimestamp), b.n+1
	x.last = *e
}

func (x *extents) count(n int) {
	if x.used != nil {
		x.used.Add(int64(n))
	}
}

// size is about how much memory a block takes.
func (b *extentBlock) size() int { return blockOverhead + len(b.code) }

// clear forgets all.
func (x *extents) clear() { x.keep(func(*extentBlock) verdict { return none }) }

// without forgets the extents of a volume.
func (x *extents) without(volume journal.VolumeID) {
	x.filter(func(b *extentBlock) verdict {
		switch {
		case volume < b.first || volume > b.last:
			return all
		case b.first == b.last:
			return none
		}
		return some
	}, func(e *extent) bool { return e.ref.Volume != volume })
}

// above forgets the extents that end at offset or below.
func (x *extents) above(offset int64) {
	x.filter(func(b *extentBlock) verdict {
		if b.end <= offset {
			return none
		}
		return some // of the first one that is left; the rest is above
	}, func(e *extent) bool { return e.LastOffset > offset })
}

// verdict is what a filter keeps of a block.
type verdict int8

const (
	none verdict = iota
	some
	all
)

// keep drops the blocks of which nothing is kept.
func (x *extents) keep(judge func(*extentBlock) verdict) {
	x.blocks = slices.DeleteFunc(x.blocks, func(b extentBlock) bool {
		drop := judge(&b) == none
		if drop {
			x.count(-b.size())
		}
		return drop
	})
	if len(x.blocks) == 0 {
		x.blocks = nil
	}
}

// filter keeps what judge says of each block, and of some of them the extents that ok
// says.
func (x *extents) filter(judge func(*extentBlock) verdict, ok func(*extent) bool) {
	x.keep(judge)
	for i := range x.blocks {
		if judge(&x.blocks[i]) != some {
			continue
		}
		left := extents{}
		x.blocks[i].each(func(e *extent) bool {
			if ok(e) {
				left.add(e)
			}
			return true
		})
		x.count(-x.blocks[i].size())
		x.blocks[i] = extentBlock{}
		if len(left.blocks) > 0 {
			x.blocks[i] = left.blocks[0]
			x.blocks[i].n = max(x.blocks[i].n, blockExtents) // its end is not x.last's difference
			x.count(x.blocks[i].size())
		}
	}
	x.blocks = slices.DeleteFunc(x.blocks, func(b extentBlock) bool { return b.n == 0 })
}

// each calls fn with every extent, in order, until it says no.
func (x *extents) each(fn func(*extent) bool) {
	for i := range x.blocks {
		if !x.blocks[i].each(fn) {
			return
		}
	}
}

func (b *extentBlock) each(fn func(*extent) bool) bool {
	var e extent
	for code := b.code; len(code) > 0; {
		code = nextExtent(code, &e)
		if !fn(&e) {
			return false
		}
	}
	return true
}

// from returns copies of at most n extents from the one on that ends at offset or above.
func (x *extents) from(offset int64, n int) []extent {
	i := sort.Search(len(x.blocks), func(i int) bool { return x.blocks[i].end >= offset })
	if i == len(x.blocks) {
		return nil
	}
	most := 0
	for j := i; j < len(x.blocks) && most < n; j++ {
		most += int(x.blocks[j].n)
	}
	out := make([]extent, 0, min(most, n))
	for ; i < len(x.blocks) && len(out) < n; i++ {
		x.blocks[i].each(func(e *extent) bool {
			if e.LastOffset >= offset {
				out = append(out, *e)
			}
			return len(out) < n
		})
	}
	return out
}

// dataAbove is how many bytes of batches lie in extents that end above offset.
func (x *extents) dataAbove(offset int64) (bytes int64) {
	for i := len(x.blocks) - 1; i >= 0 && x.blocks[i].end > offset; i-- {
		if i > 0 && x.blocks[i-1].end >= offset {
			bytes += x.blocks[i].data
			continue
		}
		x.blocks[i].each(func(e *extent) bool {
			if e.LastOffset > offset {
				bytes += e.DataLen
			}
			return true
		})
	}
	return bytes
}

// appendExtent appends the difference between two extents.
func appendExtent(b []byte, before, e *extent) []byte {
	for _, d := range [...]int64{
		e.BaseOffset - before.LastOffset, e.LastOffset - e.BaseOffset, e.MaxTimestamp - before.MaxTimestamp,
		int64(e.ref.Volume) - int64(before.ref.Volume), int64(e.ref.Seq) - int64(before.ref.Seq),
		e.ref.Pos - before.ref.Pos - before.ref.Len, e.ref.Len,
		e.DataPos - e.ref.Pos, e.DataLen, e.IndexPos - e.ref.Pos, int64(e.IndexCount),
	} {
		b = binary.AppendVarint(b, d)
	}
	return b
}

// nextExtent turns the extent before into the one that code begins with, and returns the
// rest of it.
func nextExtent(code []byte, e *extent) []byte {
	next := func() int64 {
		v, n := binary.Varint(code)
		if n <= 0 {
			panic("log: extents in memory do not decode")
		}
		code = code[n:]
		return v
	}
	e.BaseOffset = e.LastOffset + next()
	e.LastOffset = e.BaseOffset + next()
	e.MaxTimestamp += next()
	e.ref.Volume = journal.VolumeID(int64(e.ref.Volume) + next())
	e.ref.Seq = uint64(int64(e.ref.Seq) + next())
	e.ref.Pos += e.ref.Len + next()
	e.ref.Len = next()
	e.DataPos = e.ref.Pos + next()
	e.DataLen = next()
	e.IndexPos = e.ref.Pos + next()
	e.IndexCount = int32(next())
	return code
}
