package segment

import (
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// mergeBytes is how large the extents of a planned segment grow by joining
// neighbours: large enough that a catch-up read is a few large reads, small enough
// that the index entries of one extent are read at once.
const mergeBytes = 1 << 20

// mergeEntries bounds the same by index entries (112 bytes each).
const mergeEntries = 2048

// Plan lays out a segment that has to be written anew: extents from any number of
// packs become one pack sorted by partition. It keeps a hundred bytes per extent in
// memory and streams everything else, index and data, each time the segment is
// read, so that an upload can be tried again. The sources may not change meanwhile.
type Plan struct {
	// Volume is the header the object begins with. Kind is set by Build.
	Volume pack.VolumeHeader
	// Footer collects states; its Head says where the data comes from. Extents are
	// added by Build.
	Footer FooterBuilder

	runs []run
}

// run is one extent of one source.
type run struct {
	id         pack.PartitionID
	from       pack.Extent
	appendTime int64
	src        io.ReaderAt
}

// Add takes in the batches of a partition that lie in extent x of src, the youngest
// of which was appended at appendTime (ms).
func (p *Plan) Add(src io.ReaderAt, id pack.PartitionID, x pack.Extent, appendTime int64) {
	p.runs = append(p.runs, run{id, x, appendTime, src})
}

// Runs is how many extents were added.
func (p *Plan) Runs() int { return len(p.runs) }

// Object is a planned segment, ready to be written.
type Object struct {
	runs   []run
	front  []byte // volume header and pack header
	footer []byte // with trailer
	size   int64
}

// Build sorts what was added, reads all index entries once and fixes every byte of
// the object. A plan is built once.
func (p *Plan) Build() (*Object, error) {
	slices.SortStableFunc(p.runs, func(a, b run) int {
		if c := a.id.Compare(b.id); c != 0 {
			return c
		}
		if a.from.BaseOffset < b.from.BaseOffset {
			return -1
		}
		return 1
	})
	p.Volume.Kind = pack.VolumeSegment
	o := &Object{runs: p.runs, front: pack.AppendVolumeHeader(nil, &p.Volume)}
	dataEnd := int64(pack.VolumeHeaderSize)
	if len(p.runs) > 0 {
		header, err := p.packHeader()
		if err != nil {
			return nil, err
		}
		p.layOut(&header)
		o.front = pack.AppendHeader(o.front, &header)
		dataEnd += header.Size()
	}
	var err error
	if o.footer, err = p.Footer.Encode(dataEnd); err != nil {
		return nil, err
	}
	o.size = dataEnd + int64(len(o.footer))
	return o, nil
}

// FooterInPlace returns footer and trailer for a journal volume that becomes a segment
// where it lies: the runs stay where they are, and the data ends at dataEnd. The plan
// may still be built afterwards.
func (p *Plan) FooterInPlace(dataEnd int64) ([]byte, error) {
	b := FooterBuilder{Head: p.Footer.Head}
	for id, part := range p.Footer.parts {
		if part.state != nil {
			b.SetState(id, *part.state)
		}
	}
	for i := range p.runs {
		b.AddExtent(p.runs[i].id, p.runs[i].from, p.runs[i].appendTime)
	}
	return b.Encode(dataEnd)
}

// packHeader counts and sums the index of the one pack.
func (p *Plan) packHeader() (pack.Header, error) {
	h := pack.Header{
		Place:     pack.Place{Volume: p.Volume.Volume, Nonce: p.Volume.Nonce, Seq: p.Footer.Head.LastSeq},
		CreatedAt: p.Volume.CreatedAt,
	}
	var entries int64
	for i := range p.runs {
		r := &p.runs[i]
		if i == 0 || p.runs[i-1].id != r.id {
			h.Partitions++
		}
		entries += int64(r.from.IndexCount)
		h.BodyLen += r.from.DataLen
	}
	if entries > math.MaxInt32 {
		return h, fmt.Errorf("segment: %d batches do not fit one pack", entries)
	}
	h.Entries = int(entries)
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, &indexStream{runs: p.runs}); err != nil {
		return h, err
	}
	h.IndexCRC = sum.Sum32()
	return h, nil
}

// layOut gives every run its place in the object and joins neighbours of one
// partition to extents.
func (p *Plan) layOut(h *pack.Header) {
	indexPos := int64(pack.VolumeHeaderSize + pack.HeaderSize)
	dataPos := indexPos + h.IndexLen()
	var open pack.Extent
	openTime := int64(-1)
	for i := range p.runs {
		r := &p.runs[i]
		x := r.from
		x.IndexPos, x.DataPos = indexPos, dataPos
		indexPos += int64(x.IndexCount) * pack.EntrySize
		dataPos += x.DataLen
		if open.IndexCount == 0 {
			open, openTime = x, r.appendTime
		} else {
			open.LastOffset = x.LastOffset
			open.MaxTimestamp = max(open.MaxTimestamp, x.MaxTimestamp)
			open.DataLen += x.DataLen
			open.IndexCount += x.IndexCount
			openTime = max(openTime, r.appendTime)
		}
		last := i+1 == len(p.runs) || p.runs[i+1].id != r.id
		if last || open.DataLen+p.runs[i+1].from.DataLen > mergeBytes ||
			open.IndexCount+p.runs[i+1].from.IndexCount > mergeEntries {
			p.Footer.AddExtent(r.id, open, openTime)
			open = pack.Extent{}
		}
	}
}

// Size is the object's size in bytes.
func (o *Object) Size() int64 { return o.size }

// Footer returns footer and trailer; not to be changed.
func (o *Object) Footer() []byte { return o.footer }

// Open returns a reader of the whole object. It may be called again, and several
// readers may be in use at once. Each batch is checked against its index entry on
// its way; an error that wraps pack.ErrCorrupt means that a source is damaged.
func (o *Object) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(
		&bytesStream{o.front},
		&indexStream{runs: o.runs},
		&dataStream{runs: o.runs},
		&bytesStream{o.footer},
	)), nil
}
