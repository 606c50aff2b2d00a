package compact

import (
	"fmt"
	"math"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Rules are what one rewrite of a partition goes by.
type Rules struct {
	// Superseded says whether a record, which is not aborted, has a later one of its key that is
	// not aborted.
	Superseded func(key []byte, offset int64) bool
	// Aborted are the transactions that overlap what is rewritten.
	Aborted []pack.Aborted
	// LastBatches has, for each producer that the partition remembers, the base offset of
	// its last batch, which stays as a header at least: a state that is folded from the
	// batches knows the sequence. If an end marker has brought the producer a new epoch
	// since, it is that marker's, which stays whole.
	LastBatches map[int64]int64
	// Last is the last offset of all that is rewritten. The batch that holds it stays, as
	// a header at least: readers wait until their position is the end (Connect, Streams).
	Last int64
	// Now and DeleteRetention (delete.retention.ms) are in ms.
	Now, DeleteRetention int64
}

// horizon is the delete horizon that a run sets.
func (r *Rules) horizon() int64 {
	return r.Now + min(r.DeleteRetention, math.MaxInt64-r.Now)
}

// Count says what a rewrite did.
type Count struct {
	Batches, BatchesKept    int64
	Records, RecordsKept    int64
	Tombstones              int64 // that went, their horizon passed
	Markers                 int64 // likewise
	BytesRead, BytesWritten int64
	// Horizon is the earliest delete horizon that is left (ms), 0 if there is none.
	Horizon int64
}

// Filter decides what stays of a partition, batch by batch from the log start on.
type Filter struct {
	Count Count

	rules Rules
	voids *Voids
	// met are the producers of whose open or just ended transaction this run saw a batch.
	met map[int64]struct{}
}

// NewFilter makes a filter for one run.
func NewFilter(r Rules) *Filter {
	return &Filter{rules: r, voids: NewVoids(r.Aborted), met: make(map[int64]struct{})}
}

// Batch returns what stays of the next batch: the batch itself, byte for byte, if nothing
// changes; else its new form, appended to dst[:0]; nil if nothing does. It was compared
// with its checksum before.
func (f *Filter) Batch(dst []byte, b *record.Batch) ([]byte, error) {
	f.Count.Batches++
	f.Count.BytesRead += int64(len(b.Bytes))
	void := f.voids.Void(&b.Header)
	var out []byte
	var err error
	if b.Header.Control() {
		out, err = f.marker(dst, b)
	} else {
		out, err = f.data(dst, b, void)
	}
	if err != nil {
		return nil, fmt.Errorf("compact the batch at offset %d: %w", b.Header.BaseOffset, err)
	}
	if out != nil {
		f.Count.BatchesKept++
		f.Count.BytesWritten += int64(len(out))
	}
	return out, nil
}

// marker: an end marker stays while this run met a batch of its transaction; then it gets
// a horizon, and goes after that.
func (f *Filter) marker(dst []byte, b *record.Batch) ([]byte, error) {
	h := &b.Header
	_, met := f.met[h.ProducerID]
	delete(f.met, h.ProducerID)
	horizon, has := h.DeleteHorizon()
	switch {
	case met:
		f.horizon(horizon, has)
		return b.Bytes, nil
	case !has:
		horizon = f.rules.horizon()
		f.horizon(horizon, true)
		out, _, err := record.Rewrite(dst[:0], b.Bytes, horizon, func(*record.Record) bool { return true })
		return out, err
	case horizon > f.rules.Now:
		f.horizon(horizon, true)
		return b.Bytes, nil
	case f.stays(h):
		// It would go, but shows where the log ends or its producer's epoch: it keeps its
		// time, which has passed, and its record, which readers of markers expect (Kafka
		// leaves a header alone).
		return b.Bytes, nil
	}
	f.Count.Markers++
	return nil, nil
}

// data: a batch keeps the records that are their key's latest and not aborted.
func (f *Filter) data(dst []byte, b *record.Batch, void bool) ([]byte, error) {
	h := &b.Header
	if h.Transactional() {
		f.met[h.ProducerID] = struct{}{}
	}
	horizon, has := h.DeleteHorizon()
	passed := has && horizon <= f.rules.Now
	set := int64(record.NoHorizon)
	kept, tombstones, dropped := 0, 0, 0
	// The first look only counts: most batches of a clean part stay byte for byte.
	for r, err := range record.Records(b.Bytes, record.RewriteMax(b.Bytes)) {
		if err != nil {
			return nil, err
		}
		switch {
		case void || !f.latest(r):
			dropped++
		case r.Value == nil && passed:
			dropped++
			f.Count.Tombstones++
		default:
			kept++
			if r.Value == nil {
				tombstones++
			}
		}
	}
	f.Count.Records += int64(kept + dropped)
	f.Count.RecordsKept += int64(kept)
	if tombstones > 0 && !has {
		set = f.rules.horizon()
	}
	switch {
	case kept == 0 && !f.stays(h):
		return nil, nil
	case dropped == 0 && set == record.NoHorizon && (kept > 0 || h.Codec() == record.CodecNone):
		f.horizon(horizon, has && tombstones > 0)
		return b.Bytes, nil
	}
	if tombstones > 0 {
		f.horizon(max(set, horizon), true)
	}
	out, n, err := record.Rewrite(dst[:0], b.Bytes, set, func(r *record.Record) bool {
		return !void && f.latest(r) && (r.Value != nil || !passed)
	})
	if err == nil && n != kept {
		err = fmt.Errorf("%d records stay where %d were counted", n, kept)
	}
	return out, err
}

// latest says whether a record is the latest of its key. A record without a key, written
// while the policy was another, is nobody's.
func (f *Filter) latest(r *record.Record) bool {
	if r.Key == nil {
		return false
	}
	return !f.rules.Superseded(r.Key, r.Offset)
}

// stays says whether the batch stays though no record of it does.
func (f *Filter) stays(h *record.Header) bool {
	if h.BaseOffset <= f.rules.Last && f.rules.Last <= h.LastOffset() {
		return true
	}
	at, has := f.rules.LastBatches[h.ProducerID]
	return has && h.ProducerID >= 0 && at == h.BaseOffset
}

// horizon takes note of one that is left.
func (f *Filter) horizon(at int64, has bool) {
	if has && (f.Count.Horizon == 0 || at < f.Count.Horizon) {
		f.Count.Horizon = max(at, 1)
	}
}

// Keys shows each the key of each record of a batch that has one, with its offset.
func Keys(b *record.Batch, each func(key []byte, offset int64) error) error {
	for r, err := range record.Records(b.Bytes, record.RewriteMax(b.Bytes)) {
		if err == nil && r.Key != nil {
			err = each(r.Key, r.Offset)
		}
		if err != nil {
			return fmt.Errorf("records of the batch at offset %d: %w", b.Header.BaseOffset, err)
		}
	}
	return nil
}
