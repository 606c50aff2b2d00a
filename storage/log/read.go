package log

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sort"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/pack"
)

const (
	// readAttempts is how often a read resolves again when what it found was
	// sealed, merged or deleted meanwhile.
	readAttempts = 3
	// planExtents is how many extents one look at the index takes.
	planExtents = 256
)

// Read returns the batches from req.Offset on, as stored. OFFSET_OUT_OF_RANGE
// outside log start and log end; an offset at the durable end gives no bytes. The
// caller releases the result's chunks.
func (l *Log) Read(ctx context.Context, p *Partition, req ReadRequest) (ReadResult, error) {
	for attempt := 0; ; attempt++ {
		before := p.replaced.Load()
		res, err := l.read(ctx, p, req)
		if err != nil || len(res.Chunks) == 0 || !req.Committed || p.replaced.Load() == before {
			return res, err
		}
		// What was read and what is listed as aborted may be of different segments: a
		// compaction leaves out both, so aborted records would pass for committed ones.
		res.Release()
		if attempt == readAttempts {
			return ReadResult{Bounds: res.Bounds, Aborted: []Aborted{}}, l.readError(p, req.Offset, errReplaced)
		}
	}
}

// errReplaced is what a read ends with whose segments are replaced time and again.
var errReplaced = errors.New("the segments were replaced during each attempt to read them")

// read is one attempt of Read.
func (l *Log) read(ctx context.Context, p *Partition, req ReadRequest) (ReadResult, error) {
	res := ReadResult{Bounds: p.Bounds()}
	if req.Committed {
		res.Aborted = []Aborted{}
	}
	if p.Deleted() {
		return res, protocol.UnknownTopicOrPartition
	}
	if err := l.checkRange(p, &res.Bounds, req.Offset); err != nil {
		return res, err
	}
	end := res.HighWatermark
	if req.Committed {
		end = res.LastStable
	}
	r := reading{log: l, part: p, req: req, end: end, at: req.Offset, left: req.MaxBytes, result: &res}
	for attempt := 0; r.at < end; attempt++ {
		more, err := r.step(ctx)
		if err == nil && more {
			attempt = 0
			continue
		}
		if err == nil {
			break
		}
		if again(err) && attempt < readAttempts {
			continue
		}
		if len(res.Chunks) > 0 {
			break // what was read so far is good; the error comes again at its place
		}
		return res, l.readError(p, r.at, err)
	}
	if req.Committed && res.Bytes > 0 {
		if err := r.listAborted(ctx); err != nil {
			res.Release()
			return ReadResult{Bounds: res.Bounds, Aborted: []Aborted{}}, l.readError(p, req.Offset, err)
		}
	}
	return res, nil
}

// checkRange refuses offsets outside the log. Between the durable and the appended
// end an offset is legal and sees nothing yet.
func (l *Log) checkRange(p *Partition, b *Bounds, offset int64) error {
	if offset < b.LogStart {
		return protocol.OffsetOutOfRange
	}
	if offset <= b.HighWatermark {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if offset > p.state.NextOffset() {
		return protocol.OffsetOutOfRange
	}
	return nil
}

// gone says that bytes are not where the index said any more.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, bucket.ErrNotFound) || errors.Is(err, metadata.ErrNotFound)
}

// again says that a read may be repeated: it moved, and is resolved through the index
// once more, or what came does not check, and is fetched once more.
func again(err error) bool { return gone(err) || errors.Is(err, errSpoiled) }

// readError turns a failed read into the protocol's error, and says it in the log.
func (l *Log) readError(p *Partition, offset int64, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return protocol.RequestTimedOut
	}
	l.metrics.readFailures.Inc()
	l.logger.Error("read failed", zap.Stringer("partition", p.id), zap.Int64("offset", offset), zap.Error(err))
	return protocol.KafkaStorageError
}

// reading is one Read in progress: at moves from the request's offset towards end.
type reading struct {
	log    *Log
	part   *Partition
	req    ReadRequest
	end    int64
	at     int64
	left   int
	result *ReadResult
}

// step reads the next run of extents. more is false when the reading is complete.
func (r *reading) step(ctx context.Context) (more bool, err error) {
	slice, run := r.part.find(r.at)
	if slice != nil {
		return r.sealed(ctx, slice)
	}
	if len(run) == 0 {
		return false, nil
	}
	return r.journal(run)
}

// find says where offset lies: in a segment's slice, or in a run of extents of the
// open journal. Where the offset is in a gap, the next batch above it counts.
func (p *Partition) find(offset int64) (*metadata.Slice, []extent) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if i := sort.Search(len(p.sealed), func(i int) bool { return p.sealed[i].LastOffset >= offset }); i < len(p.sealed) {
		s := p.sealed[i]
		return &s, nil
	}
	return nil, p.open.from(offset, planExtents)
}

// sealed reads from a slice of a segment.
func (r *reading) sealed(ctx context.Context, s *metadata.Slice) (bool, error) {
	l := r.log
	seg, err := l.rows.get(ctx, l.cfg.Store, s.Segment)
	if err != nil {
		return false, err
	}
	extents, err := l.cfg.Segments.Extents(ctx, seg, r.part.id)
	if err != nil {
		return false, fmt.Errorf("index of %s: %w", seg.Key, err)
	}
	src, err := l.cfg.OpenObject(ctx, seg.Key, seg.Bytes)
	if err != nil {
		l.rows.forget(seg.ID)
		return false, fmt.Errorf("open %s: %w", seg.Key, err)
	}
	h := newHandle(src)
	defer h.release()
	i := sort.Search(len(extents), func(i int) bool { return extents[i].LastOffset >= r.at })
	run := extents[i:]
	for len(run) > 0 && run[len(run)-1].BaseOffset > s.LastOffset {
		run = run[:len(run)-1]
	}
	if len(run) == 0 { // a gap up to the slice's end
		r.at = s.LastOffset + 1
		return true, nil
	}
	run = run[:min(len(run), planExtents)]
	bytes := int64(0)
	for n, e := range run {
		if err := l.check(h, seg.ID, seg.Key, e); err != nil {
			return false, err
		}
		if bytes += e.DataLen; bytes >= int64(r.left) || e.BaseOffset >= r.end {
			run = run[:n+1]
			break
		}
	}
	more, err := r.run(h, run)
	if err == nil && more && run[len(run)-1].LastOffset == extents[len(extents)-1].LastOffset && r.at <= s.LastOffset {
		r.at = s.LastOffset + 1
	}
	return more, err
}

// journal reads from consecutive extents of the open journal, as many as lie in
// the same source.
func (r *reading) journal(run []extent) (bool, error) {
	h, err := r.log.source(run[0].ref)
	if err != nil {
		return false, err
	}
	defer h.release()
	same := make([]pack.Extent, 0, len(run))
	for i := range run {
		if !h.covers(run[i].ref) {
			break
		}
		same = append(same, run[i].Extent)
	}
	return r.run(h, same)
}

// run adds the extents to the result until it is full.
func (r *reading) run(h *handle, extents []pack.Extent) (more bool, err error) {
	for i := 0; i < len(extents); i++ {
		e := extents[i]
		if e.BaseOffset >= r.end {
			return false, nil
		}
		whole := !h.remote && e.BaseOffset >= r.at && e.LastOffset < r.end && e.DataLen <= int64(r.left)
		if !whole {
			if more, err = r.part1(h, e); err != nil || !more {
				return false, err
			}
			continue
		}
		n := 1
		if e.DataLen < smallExtent {
			n = r.small(extents[i:])
		}
		if n > 1 {
			err = r.gather(h, extents[i:i+n])
		} else {
			err = r.add(h, e.DataPos, e.DataLen)
		}
		if err != nil {
			return false, err
		}
		i += n - 1
		r.at = extents[i].LastOffset + 1
	}
	return r.left > 0, nil
}

// part1 adds the batches of one extent that pick chooses. more is false once a batch did
// not fit.
func (r *reading) part1(h *handle, e pack.Extent) (more bool, err error) {
	entries, err := h.checkedEntries(r.part.id, e)
	if err != nil {
		return false, err
	}
	from, to, bytes := r.pick(entries)
	switch {
	case h.remote:
		err = r.fetch(h, e, entries, from, to)
	case bytes > 0:
		err = r.add(h, e.DataPos+entries[from].Position-entries[0].Position, bytes)
	}
	if err != nil {
		return false, err
	}
	if bytes > 0 {
		r.at = entries[to-1].LastOffset() + 1
	}
	if to == len(entries) {
		r.at = e.LastOffset + 1
		return r.left > 0, nil
	}
	return false, nil
}
