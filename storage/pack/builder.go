package pack

import (
	"fmt"
	"hash/crc32"
	"slices"
)

// Builder collects batches in the order of their arrival and encodes them as a
// pack, grouped by partition. After Reset it is used again and keeps its memory, so
// that a steady stream of packs allocates nothing per batch. It has one owner.
type Builder struct {
	entries []Entry  // in order of arrival
	data    [][]byte // likewise
	group   []int32  // likewise: index into groups
	groups  []group
	byID    map[PartitionID]int32
	bytes   int64

	// What Encode returns, kept for reuse.
	order []int32
	next  []int32
	head  []byte
	bufs  [][]byte
	index Index
}

// group is one partition of the pack under construction.
type group struct {
	id    PartitionID
	count int32
}

// Len is the number of batches added since Reset.
func (b *Builder) Len() int { return len(b.entries) }

// Size is the size in bytes that the pack has when it is encoded now.
func (b *Builder) Size() int64 {
	return HeaderSize + int64(len(b.entries))*EntrySize + b.bytes
}

// Add puts a batch into the pack. data is its wire form and is not copied: it may
// not change until whoever got the encoded pack has let go of it. Batches of one
// partition come in the order of their offsets. e.Position and e.Length are set by
// the builder.
func (b *Builder) Add(e Entry, data []byte) {
	b.Put(b.groupOf(&e), &e, data)
}

func (b *Builder) groupOf(e *Entry) int32 {
	if n := len(b.group); n > 0 && b.groups[b.group[n-1]].id == e.ID {
		return b.group[n-1]
	}
	g, ok := b.byID[e.ID]
	if !ok {
		if b.byID == nil {
			b.byID = make(map[PartitionID]int32)
		}
		g = b.Group(e.ID)
		b.byID[e.ID] = g
	}
	return g
}

// Group begins a partition and returns its number in this pack, for a caller that
// remembers by itself which partitions it has begun: it calls Group once for each
// and Put for every batch, and never Add.
func (b *Builder) Group(id PartitionID) int32 {
	b.groups = append(b.groups, group{id: id})
	return int32(len(b.groups) - 1)
}

// Put is Add for a partition that Group began; e is copied.
func (b *Builder) Put(g int32, e *Entry, data []byte) {
	e.Length = int32(len(data))
	if err := e.check(); err != nil {
		panic("pack: added to a builder: " + err.Error())
	}
	if b.groups[g].id != e.ID {
		panic(fmt.Sprintf("pack: batch of %v put where those of %v go", e.ID, b.groups[g].id))
	}
	b.groups[g].count++
	b.entries = append(b.entries, *e)
	b.data = append(b.data, data)
	b.group = append(b.group, g)
	b.bytes += int64(len(data))
}

// Entry is the i-th batch that was added; not to be changed, and valid until Reset.
func (b *Builder) Entry(i int) *Entry { return &b.entries[i] }

// Data is the i-th batch as it was added. Whoever changes it before Encode says so with
// SetCRC.
func (b *Builder) Data(i int) []byte { return b.data[i] }

// SetCRC gives the i-th batch another checksum, that of its bytes as they are now.
func (b *Builder) SetCRC(i int, crc uint32) { b.entries[i].CRC = crc }

// Order lists the groups as Encode put them: that of the first extent comes first.
// It is valid until Reset.
func (b *Builder) Order() []int32 { return b.order }

// Encode returns the pack's wire form and its index. bufs[0] is header and index,
// the others are views of the batches in the order of the index. Of h, only Flags
// and CreatedAt are read, and Place where the caller knows it (a journal stamps its
// own). All of it belongs to the builder and is valid until Reset.
//
// It panics if batches of a partition were not added in the order of their offsets:
// such a pack would be refused by every reader after it was acknowledged.
func (b *Builder) Encode(h Header) (bufs [][]byte, index *Index) {
	b.sort()
	b.index.Header = Header{
		Place:      h.Place,
		Flags:      h.Flags,
		CreatedAt:  h.CreatedAt,
		Entries:    len(b.entries),
		Partitions: len(b.groups),
		BodyLen:    b.bytes,
	}
	if err := b.index.check(); err != nil {
		panic("pack: encoded: " + err.Error())
	}
	size := HeaderSize + len(b.entries)*EntrySize
	b.head = slices.Grow(b.head[:0], size)[:size]
	for i := range b.index.Entries {
		putEntry(b.head[HeaderSize+i*EntrySize:], &b.index.Entries[i])
	}
	b.index.Header.IndexCRC = crc32.Checksum(b.head[HeaderSize:], castagnoli)
	putHeader(b.head, &b.index.Header)
	b.bufs[0] = b.head
	return b.bufs, &b.index
}

// sort fills index.Entries and bufs[1:] in order of partitions, stable within one.
// It sorts the partitions and then places each batch by counting: batches may be
// many, partitions of one pack are few.
func (b *Builder) sort() {
	b.order, b.next = b.order[:0], slices.Grow(b.next[:0], len(b.groups))[:len(b.groups)]
	for i := range b.groups {
		b.order = append(b.order, int32(i))
	}
	slices.SortFunc(b.order, func(i, j int32) int { return b.groups[i].id.Compare(b.groups[j].id) })
	var at int32
	for _, g := range b.order {
		b.next[g] = at
		at += b.groups[g].count
	}
	n := len(b.entries)
	b.index.Entries = slices.Grow(b.index.Entries[:0], n)[:n]
	b.bufs = slices.Grow(b.bufs[:0], n+1)[:n+1]
	for i := range b.entries {
		at := b.next[b.group[i]]
		b.next[b.group[i]]++
		b.index.Entries[at] = b.entries[i]
		b.bufs[at+1] = b.data[i]
	}
	var pos int64
	for i := range b.index.Entries {
		b.index.Entries[i].Position = pos
		pos += int64(b.index.Entries[i].Length)
	}
}

// Reset forgets the batches, and the references to their memory.
func (b *Builder) Reset() {
	clear(b.data)
	clear(b.bufs)
	clear(b.byID)
	b.entries, b.data, b.group, b.groups = b.entries[:0], b.data[:0], b.group[:0], b.groups[:0]
	b.bufs, b.bytes = b.bufs[:0], 0
	b.index.Entries = b.index.Entries[:0]
}

// Mark returns the wire form of an empty pack: a clean stop or a fence.
func Mark(flags HeaderFlags, p Place, createdAt int64) []byte {
	if flags&(FlagCleanStop|FlagFence) == 0 {
		panic(fmt.Sprintf("pack: mark with flags %#x", flags))
	}
	return AppendHeader(nil, &Header{Place: p, Flags: flags, CreatedAt: createdAt})
}
