package log

import (
	"context"
	"fmt"
	"sort"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// OpenAborted returns the transactions of the partition whose abort is durable and lies in
// the open journal.
func (p *Partition) OpenAborted() []pack.Aborted {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return append([]pack.Aborted(nil), p.aborted...)
}

// listAborted is aborted, tried again when segments moved meanwhile.
func (r *reading) listAborted(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		err := r.aborted(ctx)
		if err == nil || !gone(err) || attempt == readAttempts {
			return err
		}
		r.result.Aborted = r.result.Aborted[:0]
	}
}

// aborted adds to the result the aborted transactions that overlap what was read. A
// transaction is listed where its marker lies, which may be behind what was read: the
// search goes on until everything below the end of what was read is decided.
func (r *reading) aborted(ctx context.Context) error {
	for at := r.req.Offset; ; {
		slice, open := r.part.abortedAt(at, r.at)
		if slice == nil {
			r.result.Aborted = append(r.result.Aborted, open...)
			return nil
		}
		stable, err := r.abortedIn(ctx, slice, at)
		if err != nil {
			return err
		}
		if stable >= r.at {
			return nil
		}
		at = slice.LastOffset + 1
	}
}

// abortedAt returns the slice of a segment that offset at lies in or below; or, if there
// is none, the transactions aborted in the open journal whose markers lie at or above at and
// that overlap the offsets before end. Both are of one moment: what a seal takes from the one is in the
// other.
func (p *Partition) abortedAt(at, end int64) (*metadata.Slice, []Aborted) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if i := sort.Search(len(p.sealed), func(i int) bool { return p.sealed[i].LastOffset >= at }); i < len(p.sealed) {
		s := p.sealed[i]
		return &s, nil
	}
	return nil, overlapping(nil, p.aborted, at, end)
}

// abortedIn adds those that a segment lists whose markers lie at or above an offset, and
// returns the last stable offset behind the slice. Below that offset they were listed: by
// segments that may have been merged into this one since.
func (r *reading) abortedIn(ctx context.Context, s *metadata.Slice, at int64) (stable int64, err error) {
	l := r.log
	seg, err := l.rows.get(ctx, l.cfg.Store, s.Segment)
	if err != nil {
		return 0, err
	}
	t, has, err := l.cfg.Segments.Transactions(ctx, seg, r.part.id)
	if err != nil {
		l.rows.forget(seg.ID)
		return 0, fmt.Errorf("transactions in %s: %w", seg.Key, err)
	}
	if !has {
		return s.LastOffset + 1, nil
	}
	// A marker below the slice is not there to be read: a lift has taken its place, and
	// a client that was told of it would drop what the producer committed later.
	r.result.Aborted = overlapping(r.result.Aborted, t.Aborted, max(at, s.BaseOffset), r.at)
	return t.LastStable, nil
}

// overlapping appends to dst those of list, in order of their markers, that overlap the
// offsets from first to before end.
func overlapping(dst []Aborted, list []pack.Aborted, first, end int64) []Aborted {
	i := sort.Search(len(list), func(i int) bool { return list[i].LastOffset >= first })
	for ; i < len(list); i++ {
		if list[i].FirstOffset < end {
			dst = append(dst, Aborted{ProducerID: list[i].ProducerID, FirstOffset: list[i].FirstOffset})
		}
		if list[i].LastStable >= end {
			break // all that ended later began above
		}
	}
	return dst
}
