package log

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

const (
	// smallExtent is the size below which extents are not worth a system call each:
	// neighbours are read together.
	smallExtent = 64 << 10
	// gatherSpan is how far apart the first and the last of them may lie.
	gatherSpan = 256 << 10
)

// source is bytes that can be read by position, in memory or from a file.
type source interface {
	ReadAt(b []byte, off int64) (int, error)
	File() *os.File
	Close() error
}

// handle is an open source with a count of holders: the read itself and every
// chunk that goes straight from the file.
type handle struct {
	src  source
	refs atomic.Int32
	ref  journal.Ref // what a journal's source covers
	pack bool        // it covers that one pack only, not the volume
	// remote: its bytes come from a store, and are checked where they are used.
	remote bool
}

func newHandle(src source) *handle {
	h := &handle{src: src, remote: src.File() == nil}
	h.refs.Store(1)
	return h
}

func (h *handle) retain() { h.refs.Add(1) }

func (h *handle) release() {
	if h.refs.Add(-1) == 0 {
		// A source that was only read has nothing to lose at its end.
		_ = h.src.Close()
	}
}

// covers says whether the pack at ref can be read from this handle.
func (h *handle) covers(ref journal.Ref) bool {
	if h.pack {
		return ref.Seq == h.ref.Seq
	}
	return ref.Volume == h.ref.Volume
}

// entries reads the index entries of an extent.
func (h *handle) entries(e pack.Extent) ([]pack.Entry, error) {
	b := buffer.Get(int(e.IndexCount) * pack.EntrySize)
	defer b.Release()
	if _, err := h.src.ReadAt(b.Bytes(), e.IndexPos); err != nil {
		return nil, fmt.Errorf("read %d index entries at %d: %w", e.IndexCount, e.IndexPos, err)
	}
	entries, err := pack.DecodeEntries(nil, b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("index entries at %d: %w", e.IndexPos, err)
	}
	return entries, nil
}

// add appends a run of bytes to the result, as a section of the file where there
// is one.
func (r *reading) add(h *handle, pos, n int64) error {
	if f := h.src.File(); f != nil {
		h.retain()
		r.push(Chunk{File: f, Pos: pos, Len: n, free: h.release})
		return nil
	}
	b := buffer.Get(int(n))
	if _, err := h.src.ReadAt(b.Bytes(), pos); err != nil {
		b.Release()
		return fmt.Errorf("read %d bytes at %d: %w", n, pos, err)
	}
	r.push(Chunk{Mem: b.Bytes(), Len: n, free: b.Release})
	return nil
}

func (r *reading) push(c Chunk) {
	r.result.Chunks = append(r.result.Chunks, c)
	r.result.Bytes += int(c.Len)
	r.left -= int(c.Len)
}

// small says how many of the extents, all whole and small, one read may span: close
// together, and at least an eighth of the span wanted.
func (r *reading) small(extents []pack.Extent) int {
	first := extents[0].DataPos
	var bytes int64
	n := 0
	for i := range extents {
		e := &extents[i]
		span := e.DataPos + e.DataLen - first
		if e.DataLen >= smallExtent || e.LastOffset >= r.end || e.DataPos < first ||
			bytes+e.DataLen > int64(r.left) || span > gatherSpan || span > 8*(bytes+e.DataLen)+4096 {
			break
		}
		bytes += e.DataLen
		n++
	}
	return n
}

// gather reads a span once and keeps what belongs to the extents.
func (r *reading) gather(h *handle, extents []pack.Extent) error {
	first, last := extents[0].DataPos, &extents[len(extents)-1]
	b := buffer.Get(int(last.DataPos + last.DataLen - first))
	span := b.Bytes()
	if _, err := h.src.ReadAt(span, first); err != nil {
		b.Release()
		return fmt.Errorf("read %d bytes at %d: %w", len(span), first, err)
	}
	n := 0
	for i := range extents {
		pos := int(extents[i].DataPos - first)
		n += copy(span[n:], span[pos:pos+int(extents[i].DataLen)])
	}
	r.push(Chunk{Mem: span[:n], Len: int64(n), free: b.Release})
	return nil
}

// sources keeps the journal's volumes open for reading.
type sources struct {
	journal journal.Journal
}

// source opens what holds the pack at ref: memory if it is recent, else the journal.
func (l *Log) source(ref journal.Ref) (*handle, error) {
	if l.recent.limit > 0 {
		if src := l.recent.get(ref); src != nil {
			h := newHandle(src)
			h.ref, h.pack, h.remote = ref, true, false
			return h, nil
		}
	}
	src, err := l.sources.journal.OpenSource(ref)
	if err != nil {
		return nil, err
	}
	h := newHandle(src)
	if h.remote {
		fetched, err := fetchPack(src, ref)
		if err != nil || fetched != nil {
			h.release()
		}
		if err != nil {
			return nil, err
		}
		if fetched != nil {
			h = newHandle(fetched)
			h.remote = false
		}
	}
	// A pack at the very beginning is alone there: a volume begins with its header.
	h.ref, h.pack = ref, ref.Pos == 0
	return h, nil
}

// recent keeps the youngest packs in memory where the journal is remote, so that
// readers at the end of the log do not fetch what has just been sent.
type recent struct {
	limit int64

	mu    sync.Mutex
	bytes int64
	packs []recentPack // oldest first
}

type recentPack struct {
	ref  journal.Ref
	data []byte
}

// put copies a pack; the buffers may change afterwards.
func (c *recent) put(ref journal.Ref, bufs [][]byte) {
	data := make([]byte, 0, ref.Len)
	for _, b := range bufs {
		data = append(data, b...)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.packs = append(c.packs, recentPack{ref, data})
	c.bytes += int64(len(data))
	for c.bytes > c.limit && len(c.packs) > 1 {
		c.bytes -= int64(len(c.packs[0].data))
		c.packs[0] = recentPack{}
		c.packs = c.packs[1:]
	}
}

// get returns the pack's bytes as a source, or nil.
func (c *recent) get(ref journal.Ref) source {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.packs) == 0 || ref.Seq < c.packs[0].ref.Seq {
		return nil
	}
	// Sequences are contiguous but for what a roll voided; look from the back.
	for i := len(c.packs) - 1; i >= 0; i-- {
		if c.packs[i].ref.Seq == ref.Seq {
			return memory{c.packs[i].data, ref.Pos}
		}
	}
	return nil
}

// memory is a pack in memory; positions are those of the volume.
type memory struct {
	data []byte
	base int64
}

func (m memory) ReadAt(b []byte, off int64) (int, error) {
	off -= m.base
	if off < 0 || off+int64(len(b)) > int64(len(m.data)) {
		return 0, fmt.Errorf("log: %d bytes at %d lie outside the pack", len(b), off)
	}
	return copy(b, m.data[off:]), nil
}

func (m memory) File() *os.File { return nil }
func (m memory) Close() error   { return nil }
