package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/compact"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// errSmallBuffer: the keys of a single slice do not fit into the memory for keys, and are too many
// to be divided.
var errSmallBuffer = errors.New("its keys do not fit into the memory for keys: raise log.cleaner.dedupe.buffer.size or lower log.cleaner.threads")

// uncleanable says that trying again would not help, as with bytes that do not check.
func uncleanable(err error) bool {
	for _, e := range []error{pack.ErrCorrupt, segment.ErrDamaged, errSmallBuffer, protocol.InvalidRecord, protocol.CorruptMessage} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// cleaning is one run over a partition: from its first slice to its cleanable end.
type cleaning struct {
	u      *Upkeep
	id     pack.PartitionID
	slices []metadata.Slice
	clean  int // how many of them were compacted before
	w      *cleanWriter
	filter *compact.Filter
	latest *compact.Latest
	voids  []pack.Aborted
	// lastBatches has the base offset of each producer's last batch, or of the end marker
	// that brought it a new epoch.
	lastBatches map[int64]int64
	batch       []byte
}

// cleanOne compacts one partition into w.
func (u *Upkeep) cleanOne(ctx context.Context, j *cleanJob, w *cleanWriter, o *Cleaning) error {
	began := u.cfg.Now()
	c := &cleaning{u: u, id: j.id, w: w}
	if err := c.plan(ctx, &j.topic, began); err != nil {
		return err
	}
	u.clean.noteParts(j.id) // whatever comes of it, the next pass looks anew
	if c.clean == len(c.slices) && (j.reason != compact.Horizon || c.clean == 0) {
		return nil // retention was quicker
	}
	if err := c.keys(ctx, o.DedupeBytes/int64(o.Threads)); err != nil {
		return err
	}
	if err := u.cfg.Seam("map"); err != nil {
		return err
	}
	c.filter = compact.NewFilter(compact.Rules{
		Superseded: c.latest.Superseded, Aborted: c.voids, LastBatches: c.lastBatches,
		Last: c.slices[len(c.slices)-1].LastOffset, Now: began.UnixMilli(), DeleteRetention: j.topic.DeleteRetentionMs,
	})
	c.latest.Rewind()
	for i := range c.slices {
		if err := w.slice(ctx, c, i, &j.topic); err != nil {
			return err
		}
	}
	j.part.horizon, j.part.lastRun = c.filter.Count.Horizon, began
	j.part.took = u.cfg.Now().Sub(began)
	n := &c.filter.Count
	u.metrics.cleaned(n)
	u.logger.Debug("partition compacted", zap.Stringer("partition", j.id), zap.Stringer("because", j.reason),
		zap.Int64("records", n.Records), zap.Int64("kept", n.RecordsKept), zap.Int64("bytes", n.BytesRead),
		zap.Int64("written", n.BytesWritten), zap.Duration("took", j.part.took))
	return nil
}

// plan finds what the run covers, and what it has to know of transactions and producers.
func (c *cleaning) plan(ctx context.Context, t *Topic, now time.Time) error {
	// What is aborted in the open journal is asked for first: what a seal takes from there
	// meanwhile is in the segments that are read afterwards.
	stable, open, err := c.u.cfg.Log.Decided(ctx, c.id)
	if err != nil {
		return err
	}
	all, _, err := c.u.cfg.Store.Partition(ctx, c.id)
	if err != nil {
		return err
	}
	// Those that later segments list count too: a marker may lie behind the end of the run.
	sealed, err := c.u.sealedAborted(ctx, c.id, all)
	if err != nil {
		return err
	}
	for c.clean < len(all) {
		compacted, err := c.u.isCompacted(ctx, all[c.clean].Segment)
		if err != nil {
			return err
		}
		if !compacted {
			break
		}
		c.clean++
	}
	n := c.clean + cleanableSlices(all[c.clean:], stable, t.policy().MinLag, now)
	c.slices, c.voids = all[:n], append(open, sealed...)
	return nil
}

// keys finds which records a later one supersedes: it reads the batches that were not compacted for
// their keys, once for each class of keys, and those that were as often, if there are several
// classes. Where the keys can not be divided, the run ends with the slice before the one that does
// not fit.
func (c *cleaning) keys(ctx context.Context, bytesMax int64) error {
	last := c.slices[len(c.slices)-1].LastOffset
	base := last + 1
	if c.clean < len(c.slices) {
		base = c.slices[c.clean].BaseOffset
	}
	c.latest = compact.NewLatest(seed(), base, last, bytesMax, c.u.clean.marks)
	for first := true; first || c.latest.Next(); first = false {
		c.u.metrics.cleanReadings.Inc()
		voids := compact.NewVoids(c.voids)
		for i := c.clean; i < len(c.slices); i++ {
			err := c.add(ctx, i, voids)
			switch {
			case errors.Is(err, compact.ErrFull) && i > c.clean && first:
				// Some keys of slice i are known: for what lies below it they count all the
				// same, since what lies in it stays and is above.
				c.slices = c.slices[:i]
			case errors.Is(err, compact.ErrFull):
				return errSmallBuffer
			case err != nil:
				return err
			}
		}
		if err := c.markBelow(ctx); err != nil {
			return err
		}
	}
	return c.producers(ctx)
}

// add shows the records of slice i to c.latest, of transactions only what is committed.
func (c *cleaning) add(ctx context.Context, i int, voids *compact.Voids) error {
	return c.batches(ctx, &c.slices[i], func(_ *pack.Entry, b []byte) error {
		h, err := record.ParseHeader(b)
		if err != nil || voids.Void(&h) || h.Control() {
			return err
		}
		return compact.Keys(&record.Batch{Header: h, Bytes: b}, func(key []byte, offset int64) error {
			err := c.latest.Add(key, offset)
			if err != compact.ErrFull || c.latest.Divided() {
				return err
			}
			below, err := c.span(ctx)
			if err != nil {
				return err
			}
			c.latest.Divide(below)
			return c.latest.Add(key, offset)
		})
	})
}

// span is how many offsets the batches of what was compacted before have, gaps between them left
// out.
func (c *cleaning) span(ctx context.Context) (offsets int64, err error) {
	for i := range c.clean {
		err := c.entries(ctx, &c.slices[i], func(e *pack.Entry) { offsets += e.LastOffset() + 1 - e.BaseOffset })
		if err != nil {
			return 0, err
		}
	}
	return offsets, nil
}

// markBelow holds what was compacted before against the keys of the class at hand, if there are
// several.
func (c *cleaning) markBelow(ctx context.Context) error {
	if !c.latest.Divided() {
		return nil
	}
	c.latest.Rewind()
	for i := range c.clean {
		err := c.batches(ctx, &c.slices[i], func(_ *pack.Entry, b []byte) error {
			h, err := record.ParseHeader(b)
			if err != nil {
				return err
			}
			if c.latest.Enter(&h); h.Control() {
				return nil
			}
			return compact.Keys(&record.Batch{Header: h, Bytes: b}, func(key []byte, offset int64) error {
				c.latest.Mark(key, offset)
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// producers finds the last batch of each producer that is not forgotten yet. Where the
// producer's next life has aborted its transaction, that is the end marker: it carries the
// new epoch, and what the producer wrote before counts no more.
func (c *cleaning) producers(ctx context.Context) error {
	c.lastBatches = make(map[int64]int64)
	epochs := make(map[int64]int16)
	oldest := c.u.cfg.Now().Add(-c.u.cfg.ProducerExpiry()).UnixMilli()
	for i := range c.slices {
		err := c.entries(ctx, &c.slices[i], func(e *pack.Entry) {
			epoch, known := epochs[e.ProducerID]
			switch {
			case e.ProducerID < 0, e.Flags&pack.FlagControl != 0 && known && e.ProducerEpoch <= epoch:
				return
			case e.AppendTime < oldest:
				delete(c.lastBatches, e.ProducerID)
				delete(epochs, e.ProducerID)
				return
			}
			c.lastBatches[e.ProducerID], epochs[e.ProducerID] = e.BaseOffset, e.ProducerEpoch
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readMax is how much of a segment is read at once.
const readMax = 8 << 20

// extents returns the segment of a slice and where the partition's batches lie in it,
// neighbours joined up to readMax.
func (c *cleaning) extents(ctx context.Context, s *metadata.Slice) (objectReader, []pack.Extent, error) {
	seg, err := c.u.cfg.Store.Segment(ctx, s.Segment)
	if err != nil {
		return objectReader{}, nil, fmt.Errorf("segment %d: %w", s.Segment, err)
	}
	xs, err := c.u.cfg.Index.Extents(ctx, seg, c.id)
	if err != nil {
		return objectReader{}, nil, fmt.Errorf("index of %s: %w", seg.Key, err)
	}
	var out []pack.Extent
	for i := segment.Search(xs, s.BaseOffset); i < len(xs) && xs[i].BaseOffset <= s.LastOffset; i++ {
		x := xs[i]
		if n := len(out); n > 0 {
			o := &out[n-1]
			if o.DataPos+o.DataLen == x.DataPos && o.IndexPos+int64(o.IndexCount)*pack.EntrySize == x.IndexPos && o.DataLen+x.DataLen <= readMax {
				o.DataLen, o.IndexCount, o.LastOffset = o.DataLen+x.DataLen, o.IndexCount+x.IndexCount, x.LastOffset
				continue
			}
		}
		out = append(out, x)
	}
	return objectReader{ctx, c.u.cfg.Bucket, seg.Key}, out, nil
}

// entries calls fn for each index entry of a slice.
func (c *cleaning) entries(ctx context.Context, s *metadata.Slice, fn func(e *pack.Entry)) error {
	src, xs, err := c.extents(ctx, s)
	if err != nil {
		return err
	}
	for i := range xs {
		list, err := c.index(ctx, src, &xs[i])
		if err != nil {
			return err
		}
		for j := range list {
			fn(&list[j])
		}
	}
	return nil
}

func (c *cleaning) index(ctx context.Context, src objectReader, x *pack.Extent) ([]pack.Entry, error) {
	raw := make([]byte, int64(x.IndexCount)*pack.EntrySize)
	if err := c.w.wait(ctx, len(raw)); err != nil {
		return nil, err
	}
	if _, err := src.ReadAt(raw, x.IndexPos); err != nil {
		return nil, fmt.Errorf("index of %s at %d: %w", src.key, x.IndexPos, err)
	}
	return pack.DecodeEntries(nil, raw)
}

// batches calls fn for each batch of a slice with its index entry, once it is checked
// against that and its checksum: what is read here gets a new checksum.
func (c *cleaning) batches(ctx context.Context, s *metadata.Slice, fn func(e *pack.Entry, b []byte) error) error {
	src, xs, err := c.extents(ctx, s)
	if err != nil {
		return err
	}
	for i := range xs {
		x := &xs[i]
		list, err := c.index(ctx, src, x)
		if err != nil {
			return err
		}
		if err := c.w.wait(ctx, int(x.DataLen)); err != nil {
			return err
		}
		if int64(cap(c.batch)) < x.DataLen {
			c.batch = make([]byte, x.DataLen)
		}
		data := c.batch[:x.DataLen]
		if _, err := src.ReadAt(data, x.DataPos); err != nil {
			return fmt.Errorf("%s at %d: %w", src.key, x.DataPos, err)
		}
		for j := range list {
			e := &list[j]
			if e.ID != c.id || int(e.Length) > len(data) {
				return fmt.Errorf("%w: index of %s: batch of %v with %d bytes of %d left", pack.ErrCorrupt, src.key, e.ID, e.Length, len(data))
			}
			if err := pack.VerifyBatch(e, data[:e.Length]); err != nil {
				return fmt.Errorf("%s: %w", src.key, err)
			}
			if err := fn(e, data[:e.Length]); err != nil {
				return err
			}
			data = data[e.Length:]
		}
		if len(data) > 0 {
			return fmt.Errorf("%w: %s: %d bytes behind the last batch of an extent", pack.ErrCorrupt, src.key, len(data))
		}
	}
	return nil
}

// rewrite filters the batches of slice i into the writer and says whether any changed.
func (c *cleaning) rewrite(ctx context.Context, i int) (changed bool, err error) {
	var out []byte
	err = c.batches(ctx, &c.slices[i], func(e *pack.Entry, b []byte) error {
		h, err := record.ParseHeader(b)
		if err != nil {
			return err
		}
		c.latest.Enter(&h)
		kept, err := c.filter.Batch(out, &record.Batch{Header: h, Bytes: b})
		switch {
		case err != nil:
			return err
		case kept == nil:
			changed = true
			return nil
		case &kept[0] == &b[0]:
			return c.w.add(ctx, *e, b)
		}
		changed, out = true, kept
		rewritten, err := entryAfter(*e, kept)
		if err != nil {
			return err
		}
		return c.w.add(ctx, rewritten, kept)
	})
	return changed, err
}

// entryAfter is the index entry of a batch that was rewritten: what the batch says, and
// when it was appended.
func entryAfter(e pack.Entry, b []byte) (pack.Entry, error) {
	h, err := record.ParseHeader(b)
	if err != nil {
		return e, err
	}
	e.Records, e.BaseTimestamp, e.MaxTimestamp = h.Records, h.BaseTimestamp, h.MaxTimestamp
	e.Attributes, e.CRC, e.Length = h.Attributes, h.CRC, int32(len(b))
	return e, nil
}

// segmentsOf lists the segments of slices, in their order.
func segmentsOf(list []metadata.Slice) []metadata.SegmentID {
	out := make([]metadata.SegmentID, 0, len(list))
	for i := range list {
		out = append(out, list[i].Segment)
	}
	return slices.Clip(out)
}
