package segment

import (
	"cmp"
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
// packs become one pack sorted by partition. It keeps less than a hundred bytes per
// extent in memory and streams everything else, index and data, each time the segment
// is read, so that an upload can be tried again. The sources may not change meanwhile.
type Plan struct {
	// Volume is the header the object begins with. Kind is set by Build.
	Volume pack.VolumeHeader
	// Footer collects states; its Head says where the data comes from. Extents are
	// added by Build.
	Footer FooterBuilder

	parts   map[pack.PartitionID]*PlanPart
	sources []io.ReaderAt
	runs    int
}

// PlanPart is one partition of a Plan. There may be a hundred thousand extents: their
// list holds no pointer, so that it grows cheaply, and is encoded as it is.
type PlanPart struct {
	plan       *Plan
	id         pack.PartitionID
	extents    []pack.Extent
	spans      []span
	appendTime int64 // ms; of the youngest batch
}

// Source is the number of a source of a Plan.
type Source int32

// span says from which source a part's extents up to number end come.
type span struct {
	src Source
	end int
}

// Source makes src known to the plan.
func (p *Plan) Source(src io.ReaderAt) Source {
	p.sources = append(p.sources, src)
	return Source(len(p.sources) - 1)
}

// Part returns a partition's part of the plan, for a caller that adds many extents:
// it may keep it. A part to which nothing is added leaves no trace.
func (p *Plan) Part(id pack.PartitionID) *PlanPart {
	part := p.parts[id]
	if part == nil {
		if p.parts == nil {
			p.parts = make(map[pack.PartitionID]*PlanPart)
		}
		part = &PlanPart{plan: p, id: id, appendTime: -1}
		p.parts[id] = part
	}
	return part
}

// Add is Part(id).Add of a source that is used this once.
func (p *Plan) Add(src io.ReaderAt, id pack.PartitionID, x pack.Extent, appendTime int64) {
	p.Part(id).Add(p.Source(src), x, appendTime)
}

// Add takes in the batches of the partition that lie in extent x of src, the youngest
// of which was appended at appendTime (ms).
func (p *PlanPart) Add(src Source, x pack.Extent, appendTime int64) {
	p.extents = append(p.extents, x)
	if n := len(p.spans); n > 0 && p.spans[n-1].src == src {
		p.spans[n-1].end++
	} else {
		p.spans = append(p.spans, span{src, len(p.extents)})
	}
	p.appendTime = max(p.appendTime, appendTime)
	p.plan.runs++
}

// Runs is how many extents were added.
func (p *Plan) Runs() int { return p.runs }

// run is one extent of one source, in the order of the object.
type run struct {
	id   pack.PartitionID
	from pack.Extent
	src  io.ReaderAt
}

// sorted returns all that was added, by partition and offset.
func (p *Plan) sorted() []run {
	runs := make([]run, 0, p.runs)
	for _, id := range sortedIDs(p.parts) {
		first := len(runs)
		runs = p.parts[id].appendRuns(runs)
		slices.SortStableFunc(runs[first:], func(a, b run) int { return cmp.Compare(a.from.BaseOffset, b.from.BaseOffset) })
	}
	return runs
}

func (p *PlanPart) appendRuns(runs []run) []run {
	first := 0
	for _, s := range p.spans {
		for _, x := range p.extents[first:s.end] {
			runs = append(runs, run{p.id, x, p.plan.sources[s.src]})
		}
		first = s.end
	}
	return runs
}

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
	runs := p.sorted()
	p.Volume.Kind = pack.VolumeSegment
	o := &Object{runs: runs, front: pack.AppendVolumeHeader(nil, &p.Volume)}
	dataEnd := int64(pack.VolumeHeaderSize)
	if len(runs) > 0 {
		header, err := p.packHeader(runs)
		if err != nil {
			return nil, err
		}
		p.layOut(&header, runs)
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
// where it lies: the runs stay where they are, in the order in which they were added,
// and the data ends at dataEnd. The plan may still be built afterwards.
func (p *Plan) FooterInPlace(dataEnd int64) ([]byte, error) {
	b := FooterBuilder{Head: p.Footer.Head, txns: p.Footer.txns}
	for id, part := range p.Footer.parts {
		if part.state != nil {
			b.SetState(id, *part.state)
		}
	}
	for id, part := range p.parts {
		if len(part.extents) > 0 {
			to := b.part(id)
			to.extents, to.appendTime = slices.Clip(part.extents), part.appendTime
		}
	}
	return b.Encode(dataEnd)
}

// packHeader counts and sums the index of the one pack.
func (p *Plan) packHeader(runs []run) (pack.Header, error) {
	h := pack.Header{
		Place:     pack.Place{Volume: p.Volume.Volume, Nonce: p.Volume.Nonce, Seq: p.Footer.Head.LastSeq},
		CreatedAt: p.Volume.CreatedAt,
	}
	var entries int64
	for i := range runs {
		r := &runs[i]
		if i == 0 || runs[i-1].id != r.id {
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
	if _, err := io.Copy(sum, &indexStream{runs: runs}); err != nil {
		return h, err
	}
	h.IndexCRC = sum.Sum32()
	return h, nil
}

// layOut gives every run its place in the object and joins neighbours of one
// partition to extents.
func (p *Plan) layOut(h *pack.Header, runs []run) {
	indexPos := int64(pack.VolumeHeaderSize + pack.HeaderSize)
	dataPos := indexPos + h.IndexLen()
	var open pack.Extent
	for i := range runs {
		r := &runs[i]
		x := r.from
		x.IndexPos, x.DataPos = indexPos, dataPos
		indexPos += int64(x.IndexCount) * pack.EntrySize
		dataPos += x.DataLen
		if open.IndexCount == 0 {
			open = x
		} else {
			open.LastOffset = x.LastOffset
			open.MaxTimestamp = max(open.MaxTimestamp, x.MaxTimestamp)
			open.DataLen += x.DataLen
			open.IndexCount += x.IndexCount
		}
		last := i+1 == len(runs) || runs[i+1].id != r.id
		if last || open.DataLen+runs[i+1].from.DataLen > mergeBytes ||
			open.IndexCount+runs[i+1].from.IndexCount > mergeEntries {
			p.Footer.AddExtent(r.id, open, p.parts[r.id].appendTime)
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
