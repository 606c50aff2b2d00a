package upkeep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// move is a row of neighbouring slices of one partition that become one slice in another
// object, byte for byte.
type move struct {
	id     pack.PartitionID
	was    []metadata.Slice
	level  int32 // of what becomes of them
	reason string

	extents [][]pack.Extent // of each slice, in the spool
	txns    []transactions  // of each slice
	err     error           // why it is not moved
}

// transactions is what a segment says of a partition's transactions; listed is false if it
// says nothing.
type transactions struct {
	segment.Transactions
	listed bool
}

// mergeSpool is a file into which slices are read, segment by segment: what several
// partitions have next to one another in a segment comes with one read.
type mergeSpool struct {
	u    *Upkeep
	rate float64
	f    *os.File
	end  int64
	buf  []byte
	raw  []byte
}

// readGap is how many bytes that nobody asked for are read rather than asking twice.
const readGap = 64 << 10

// discard removes the file.
func (s *mergeSpool) discard() {
	if s.f == nil {
		return
	}
	if err := errors.Join(s.f.Close(), os.Remove(s.f.Name())); err != nil {
		s.u.logger.Warn("spool file of a merge", zap.Error(err))
	}
}

// lying is slice i of a move.
type lying struct {
	move *move
	i    int
}

// fetch reads what is moved. Of a move that cannot be done err says why; an error is about
// all of them.
func (s *mergeSpool) fetch(ctx context.Context, moves []*move) error {
	f, err := os.CreateTemp(s.u.cfg.SpoolDir, "merge-*.spool")
	if err != nil {
		return fmt.Errorf("make a spool file: %w", err)
	}
	s.f = f
	in := make(map[metadata.SegmentID][]lying)
	for _, m := range moves {
		m.extents, m.txns = make([][]pack.Extent, len(m.was)), make([]transactions, len(m.was))
		for i := range m.was {
			in[m.was[i].Segment] = append(in[m.was[i].Segment], lying{m, i})
		}
	}
	ids := make([]metadata.SegmentID, 0, len(in))
	for id := range in {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := s.segment(ctx, id, in[id]); err != nil {
			return err
		}
	}
	return nil
}

// segment reads what is moved out of one segment.
func (s *mergeSpool) segment(ctx context.Context, id metadata.SegmentID, list []lying) error {
	seg, err := s.u.cfg.Store.Segment(ctx, id)
	if errors.Is(err, metadata.ErrNotFound) {
		for _, l := range list {
			l.move.err = conflict(l.move.id)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("segment %d: %w", id, err)
	}
	ahead := &aheadReader{src: objectReader{ctx, s.u.cfg.Bucket, seg.Key}, size: seg.Bytes}
	footer, err := s.footer(ahead)
	if err != nil {
		if !notMovable(err) {
			return fmt.Errorf("footer of %s: %w", seg.Key, err)
		}
		for _, l := range list {
			l.move.err = fmt.Errorf("footer of %s: %w", seg.Key, err)
		}
		return nil
	}
	var pieces []piece
	for _, l := range list {
		if l.move.err != nil {
			continue
		}
		found, err := s.place(footer, l)
		if err != nil && !notMovable(err) {
			return fmt.Errorf("footer of %s: %w", seg.Key, err)
		}
		if err != nil {
			l.move.err = fmt.Errorf("footer of %s: %w", seg.Key, err)
			continue
		}
		pieces = append(pieces, found...)
	}
	// All indexes first: they go to the spool, and what they say is checked with the batches.
	if err := s.ranges(ctx, ahead.src, pieces, index, func(p *piece, b []byte) error {
		_, err := s.f.WriteAt(b, p.to.IndexPos)
		return err
	}); err != nil {
		return err
	}
	return s.ranges(ctx, ahead.src, pieces, data, func(p *piece, b []byte) error {
		return s.batches(ctx, ahead.src, p, b)
	})
}

// footer opens a segment, and once more where what came does not check.
func (s *mergeSpool) footer(src *aheadReader) (r *segment.Reader, err error) {
	for range readTries {
		if r, err = segment.Open(src, src.size); !errors.Is(err, segment.ErrDamaged) {
			break
		}
		src.buf = nil
	}
	return r, err
}

// piece is an extent that is moved: where it lies, and where in the spool.
type piece struct {
	move     *move
	from, to pack.Extent
}

// place gives the extents of a slice their places in the spool.
func (s *mergeSpool) place(footer *segment.Reader, l lying) (pieces []piece, err error) {
	m, slice := l.move, &l.move.was[l.i]
	xs, err := footer.Extents(m.id)
	if err != nil {
		return nil, err
	}
	t, listed, err := footer.Transactions(m.id)
	if err != nil {
		return nil, err
	}
	m.txns[l.i] = transactions{t, listed}
	xs = xs[segment.Search(xs, slice.BaseOffset):]
	var bytes int64
	for i := range xs {
		x := xs[i]
		if x.BaseOffset > slice.LastOffset {
			break
		}
		if x.BaseOffset < slice.BaseOffset || x.LastOffset > slice.LastOffset {
			return nil, fmt.Errorf("%w: offsets %d to %d where a slice has %d to %d", segment.ErrDamaged, x.BaseOffset, x.LastOffset, slice.BaseOffset, slice.LastOffset)
		}
		to := x
		to.IndexPos = s.end
		to.DataPos = s.end + index.of(&x)
		s.end = to.DataPos + x.DataLen
		bytes += x.DataLen
		m.extents[l.i] = append(m.extents[l.i], to)
		pieces = append(pieces, piece{m, x, to})
	}
	if bytes != slice.Bytes {
		return nil, fmt.Errorf("%w: %d bytes where a slice has %d", segment.ErrDamaged, bytes, slice.Bytes)
	}
	return pieces, nil
}

// part is one of the two places of an extent.
type part bool

const (
	index part = false
	data  part = true
)

func (p part) at(x *pack.Extent) int64 {
	if p == index {
		return x.IndexPos
	}
	return x.DataPos
}

func (p part) of(x *pack.Extent) int64 {
	if p == index {
		return int64(x.IndexCount) * pack.EntrySize
	}
	return x.DataLen
}

// ranges reads one part of all pieces, in the order in which they lie, neighbours together.
func (s *mergeSpool) ranges(ctx context.Context, src objectReader, pieces []piece, p part, take func(p *piece, b []byte) error) error {
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Compare(p.at(&a.from), p.at(&b.from)) })
	for len(pieces) > 0 {
		n, pos := 1, p.at(&pieces[0].from)
		end := pos + p.of(&pieces[0].from)
		for n < len(pieces) {
			at, to := p.at(&pieces[n].from), p.at(&pieces[n].from)+p.of(&pieces[n].from)
			if at-end > readGap || to-pos > mergeRead {
				break
			}
			end = max(end, to)
			n++
		}
		// What is read is written again.
		if err := s.u.clean.pace.wait(ctx, int(2*(end-pos)), s.rate); err != nil {
			return err
		}
		if int64(cap(s.buf)) < end-pos {
			s.buf = make([]byte, end-pos)
		}
		b := s.buf[:end-pos]
		if _, err := src.ReadAt(b, pos); err != nil {
			return fmt.Errorf("%s at %d: %w", src.key, pos, err)
		}
		for i := range pieces[:n] {
			x := &pieces[i]
			at := p.at(&x.from) - pos
			if err := take(x, b[at:at+p.of(&x.from)]); err != nil {
				return err
			}
		}
		pieces = pieces[n:]
	}
	return nil
}

// batches writes the batches of an extent to the spool, once they check: against their
// index entries, these against the extent, and each against its checksum. What does not is
// read anew, and then the move's fault.
func (s *mergeSpool) batches(ctx context.Context, src objectReader, p *piece, b []byte) error {
	if p.move.err != nil {
		return nil
	}
	err := s.check(p, b)
	for try := 1; errors.Is(err, pack.ErrCorrupt) && try < readTries; try++ {
		fresh := make([]byte, index.of(&p.from)+p.from.DataLen)
		split := index.of(&p.from)
		if _, err := src.ReadAt(fresh[:split], p.from.IndexPos); err != nil {
			return fmt.Errorf("index of %s at %d: %w", src.key, p.from.IndexPos, err)
		}
		if _, err := src.ReadAt(fresh[split:], p.from.DataPos); err != nil {
			return fmt.Errorf("%s at %d: %w", src.key, p.from.DataPos, err)
		}
		if _, err := s.f.WriteAt(fresh[:split], p.to.IndexPos); err != nil {
			return err
		}
		b = fresh[split:]
		err = s.check(p, b)
	}
	if errors.Is(err, pack.ErrCorrupt) {
		p.move.err = fmt.Errorf("%s: %w", src.key, err)
		return nil
	}
	if err == nil {
		_, err = s.f.WriteAt(b, p.to.DataPos)
	}
	return err
}

// check holds the batches of an extent, all of b, to the index entries in the spool.
func (s *mergeSpool) check(p *piece, b []byte) error {
	n := int(index.of(&p.to))
	if cap(s.raw) < n {
		s.raw = make([]byte, n)
	}
	raw := s.raw[:n]
	if n, err := s.f.ReadAt(raw, p.to.IndexPos); n < len(raw) {
		return fmt.Errorf("read %d bytes of the spool file at %d: %w", len(raw), p.to.IndexPos, err)
	}
	x := &p.from
	next, newest, at := x.BaseOffset, int64(-1), int64(-1)
	for i := 0; len(raw) > 0; i++ {
		e, err := pack.DecodeEntry(raw)
		if err != nil {
			return err
		}
		raw = raw[pack.EntrySize:]
		if at < 0 {
			at = e.Position
		}
		if e.ID != p.move.id || e.Position != at || e.BaseOffset < next || int(e.Length) > len(b) || i == 0 && e.BaseOffset != next {
			return fmt.Errorf("%w: index entry %d at %d does not continue the row", pack.ErrCorrupt, i, x.IndexPos)
		}
		if err := checkEntry(&e, b[:e.Length]); err != nil {
			return err
		}
		b = b[e.Length:]
		at, next, newest = at+int64(e.Length), e.LastOffset()+1, max(newest, e.MaxTimestamp)
	}
	if len(b) > 0 || next != x.LastOffset+1 || newest != x.MaxTimestamp {
		return fmt.Errorf("%w: the index entries at %d are not those of offsets %d to %d", pack.ErrCorrupt, x.IndexPos, x.BaseOffset, x.LastOffset)
	}
	return nil
}

// checkEntry checks a batch against its entry: state is folded from entries, so all that a
// batch's header says must be what they say.
func checkEntry(e *pack.Entry, b []byte) error {
	if err := pack.VerifyBatch(e, b); err != nil {
		return err
	}
	h, err := record.ParseHeader(b)
	if err != nil {
		return fmt.Errorf("%w: batch of %v at offset %d: %w", pack.ErrCorrupt, e.ID, e.BaseOffset, err)
	}
	flags := e.Flags & (pack.FlagLogAppendTime | pack.FlagTransactional | pack.FlagControl)
	if h.LastOffsetDelta != e.LastOffsetDelta || h.Records != e.Records || h.BaseTimestamp != e.BaseTimestamp || h.MaxTimestamp != e.MaxTimestamp ||
		h.ProducerID != e.ProducerID || h.ProducerEpoch != e.ProducerEpoch || h.BaseSequence != e.BaseSequence || h.Attributes != e.Attributes ||
		flags != flagsOf(&h) {
		return fmt.Errorf("%w: the index entry of the batch of %v at offset %d says other than its header", pack.ErrCorrupt, e.ID, e.BaseOffset)
	}
	return nil
}

// flagsOf are the flags of an entry that a batch's header tells.
func flagsOf(h *record.Header) (f pack.Flags) {
	if h.LogAppendTime() {
		f |= pack.FlagLogAppendTime
	}
	if h.Transactional() {
		f |= pack.FlagTransactional
	}
	if h.Control() {
		f |= pack.FlagControl
	}
	return f
}

// aheadReader reads a footer, which is searched from its directory on, in large pieces.
type aheadReader struct {
	src  objectReader
	size int64
	buf  []byte
	pos  int64 // of buf
}

// footerRead is how much of a footer is read at once, and tailRead how much from the end of
// an object on back: the footer of a thousand partitions.
const (
	footerRead = 1 << 20
	tailRead   = 256 << 10
)

// mergeRead is how much of a segment is read at once. Merging pays by the request.
const mergeRead = 16 << 20

// ReadAt fills p or fails.
func (r *aheadReader) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.pos && off+int64(len(p)) <= r.pos+int64(len(r.buf)) {
		return copy(p, r.buf[off-r.pos:]), nil
	}
	if off+int64(len(p)) > r.size {
		return 0, io.ErrUnexpectedEOF
	}
	from, to := off, min(r.size, off+max(int64(len(p)), footerRead))
	if to == r.size {
		from = max(0, min(off, to-tailRead))
	}
	buf := make([]byte, to-from)
	if _, err := r.src.ReadAt(buf, from); err != nil {
		return 0, err
	}
	r.buf, r.pos = buf, from
	return copy(p, buf[off-from:]), nil
}
