package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// FooterBuilder collects what a footer says and encodes it. The same calls in
// another order across partitions give the same bytes.
type FooterBuilder struct {
	Head  Head
	parts map[pack.PartitionID]*building
	txns  map[pack.PartitionID]Transactions
}

type building struct {
	extents    []pack.Extent
	appendTime int64
	state      *State
}

func (b *FooterBuilder) part(id pack.PartitionID) *building {
	p := b.parts[id]
	if p == nil {
		if b.parts == nil {
			b.parts = make(map[pack.PartitionID]*building)
		}
		p = &building{appendTime: -1}
		b.parts[id] = p
	}
	return p
}

// AddExtent says that batches of a partition lie in x, whose youngest was appended
// at appendTime (ms). Extents of one partition are added in offset order.
func (b *FooterBuilder) AddExtent(id pack.PartitionID, x pack.Extent, appendTime int64) {
	p := b.part(id)
	p.extents = append(p.extents, x)
	p.appendTime = max(p.appendTime, appendTime)
}

// SetState gives the partition's state after this segment.
func (b *FooterBuilder) SetState(id pack.PartitionID, s State) { b.part(id).state = &s }

// Extents returns what was added for a partition; not to be changed.
func (b *FooterBuilder) Extents(id pack.PartitionID) []pack.Extent {
	if p := b.parts[id]; p != nil {
		return p.extents
	}
	return nil
}

// Partitions returns the partitions that have an extent or a state, in the order of
// the directory.
func (b *FooterBuilder) Partitions() []pack.PartitionID {
	return sortedIDs(b.parts)
}

func sortedIDs[T any](of map[pack.PartitionID]T) []pack.PartitionID {
	ids := make([]pack.PartitionID, 0, len(of))
	for id := range of {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, pack.PartitionID.Compare)
	return ids
}

// Encode returns footer and trailer for an object whose header and packs end at
// dataEnd, which is where the returned bytes go. It fails when the extents do not
// lie inside or are out of order: the builder's caller is at fault then.
func (b *FooterBuilder) Encode(dataEnd int64) ([]byte, error) {
	ids := b.Partitions()
	if len(ids) > PartitionsMax {
		return nil, fmt.Errorf("segment: %d partitions, at most %d fit", len(ids), PartitionsMax)
	}
	dirEnd := headBytes + len(ids)*partBytes
	out, parts, err := b.encodeBody(make([]byte, dirEnd, dirEnd+b.bodyBytes()+TrailerBytes), ids, dataEnd)
	if err != nil {
		return nil, err
	}
	dir := appendHead(out[:0], b.Head, len(parts), dataEnd)
	for i := range parts {
		dir = appendPart(dir, &parts[i])
	}
	dirCRC := crc32.Checksum(dir, castagnoli)
	if len(b.txns) == 0 {
		return appendTrailer(out, dataEnd, int64(len(out)), 0, dirCRC), nil
	}
	txnPos := dataEnd + int64(len(out))
	out = appendTransactions(out, b.txns, txnPos)
	return appendTrailer(out, dataEnd, int64(len(out)), txnPos, dirCRC), nil
}

// encodeBody appends what follows the directory (extent lists, then state blocks) to
// out, which has room for head and directory, and returns the directory's content.
func (b *FooterBuilder) encodeBody(out []byte, ids []pack.PartitionID, dataEnd int64) ([]byte, []Part, error) {
	parts := make([]Part, len(ids))
	for i, id := range ids {
		from := b.parts[id]
		if err := checkExtents(from.extents, dataEnd); err != nil {
			return nil, nil, fmt.Errorf("segment: partition %v: %w", id, err)
		}
		start := len(out)
		parts[i] = summarize(id, from)
		parts[i].extentsPos = dataEnd + int64(start)
		for j := range from.extents {
			out = appendExtent(out, &from.extents[j])
		}
		parts[i].extentsCRC = crc32.Checksum(out[start:], castagnoli)
	}
	for i, id := range ids {
		s := b.parts[id].state
		if s == nil {
			continue
		}
		if len(s.Payload) > StateBytesMax || s.NextOffset < 0 {
			return nil, nil, fmt.Errorf("segment: partition %v: state of %d bytes with next offset %d", id, len(s.Payload), s.NextOffset)
		}
		parts[i].StatePos = dataEnd + int64(len(out))
		out = AppendState(out, id, *s)
		parts[i].StateLen = dataEnd + int64(len(out)) - parts[i].StatePos
	}
	return out, parts, nil
}

// bodyBytes is how much encodeBody encodes.
func (b *FooterBuilder) bodyBytes() (n int) {
	for _, p := range b.parts {
		n += len(p.extents) * extentBytes
		if p.state != nil {
			n += stateBytes + len(p.state.Payload)
		}
	}
	return n
}

func summarize(id pack.PartitionID, from *building) Part {
	p := Part{ID: id, MaxTimestamp: -1, AppendTime: from.appendTime, Extents: int32(len(from.extents)), LastOffset: -1}
	if s := from.state; s != nil {
		p.NextOffset, p.LeaderEpoch = s.NextOffset, s.LeaderEpoch
		p.BaseOffset, p.LastOffset = s.NextOffset, s.NextOffset-1
	}
	for i := range from.extents {
		x := &from.extents[i]
		if i == 0 {
			p.BaseOffset = x.BaseOffset
		}
		p.LastOffset = x.LastOffset
		p.MaxTimestamp = max(p.MaxTimestamp, x.MaxTimestamp)
		p.Bytes += x.DataLen
	}
	return p
}

func appendHead(b []byte, h Head, partitions int, dataEnd int64) []byte {
	be := binary.BigEndian
	b = append(b, headMagic[:]...)
	b = be.AppendUint16(b, version)
	b = be.AppendUint16(b, uint16(h.Flags))
	b = be.AppendUint32(b, uint32(partitions))
	b = be.AppendUint32(b, 0)
	b = be.AppendUint64(b, uint64(dataEnd))
	b = be.AppendUint64(b, h.FirstVolume)
	b = be.AppendUint64(b, h.LastVolume)
	b = be.AppendUint64(b, h.FirstSeq)
	return be.AppendUint64(b, h.LastSeq)
}

func appendPart(b []byte, p *Part) []byte {
	be := binary.BigEndian
	b = append(b, p.ID.Topic[:]...)
	b = be.AppendUint32(b, uint32(p.ID.Partition))
	b = be.AppendUint32(b, uint32(p.LeaderEpoch))
	b = be.AppendUint64(b, uint64(p.BaseOffset))
	b = be.AppendUint64(b, uint64(p.LastOffset))
	b = be.AppendUint64(b, uint64(p.NextOffset))
	b = be.AppendUint64(b, uint64(p.MaxTimestamp))
	b = be.AppendUint64(b, uint64(p.AppendTime))
	b = be.AppendUint64(b, uint64(p.Bytes))
	b = be.AppendUint64(b, uint64(p.extentsPos))
	b = be.AppendUint32(b, uint32(p.Extents))
	b = be.AppendUint32(b, p.extentsCRC)
	b = be.AppendUint64(b, uint64(p.StatePos))
	return be.AppendUint64(b, uint64(p.StateLen))
}

func appendExtent(b []byte, x *pack.Extent) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(b, uint64(x.BaseOffset))
	b = be.AppendUint64(b, uint64(x.LastOffset))
	b = be.AppendUint64(b, uint64(x.MaxTimestamp))
	b = be.AppendUint64(b, uint64(x.DataPos))
	b = be.AppendUint64(b, uint64(x.DataLen))
	b = be.AppendUint64(b, uint64(x.IndexPos))
	return be.AppendUint32(b, uint32(x.IndexCount))
}

// appendTrailer appends the trailer. txnPos is where the section of transactions lies,
// 0 if there is none: then the trailer is of version 1, which older releases read.
func appendTrailer(b []byte, footerPos, footerLen, txnPos int64, dirCRC uint32) []byte {
	be := binary.BigEndian
	start := len(b)
	b = append(b, trailerMagic[:]...)
	v := uint16(version)
	if txnPos != 0 {
		v = versionTxns
	}
	b = be.AppendUint16(b, v)
	b = be.AppendUint16(b, 0)
	b = be.AppendUint64(b, uint64(footerPos))
	b = be.AppendUint64(b, uint64(footerLen))
	b = be.AppendUint64(b, uint64(txnPos))
	b = be.AppendUint32(b, dirCRC)
	return be.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}
