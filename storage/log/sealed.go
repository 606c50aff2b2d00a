package log

import (
	"context"
	"math"
	"sort"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// VolumeSealed tells readers that a journal volume's content is registered as a
// segment: from now on its offsets are read there. It is called after the metadata
// store has committed and before the journal releases the volume.
func (l *Log) VolumeSealed(volume journal.VolumeID, slices []metadata.Slice) {
	bySlice := make(map[pack.PartitionID]metadata.Slice, len(slices))
	for _, s := range slices {
		bySlice[s.ID] = s
	}
	l.trust(slices)
	l.parts.each(func(p *Partition) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s, ok := bySlice[p.id]; ok && !p.gone {
			if s.LastOffset >= p.logStart.Load() { // it may have been raised meanwhile
				p.insert(s)
			}
			p.version++
			p.trimAborted()
		}
		p.open.without(volume)
	})
}

// trust takes segments as verified that this process has written.
func (l *Log) trust(slices []metadata.Slice) {
	for i := range slices {
		l.verified.trust(slices[i].Segment)
	}
}

// insert adds a slice in offset order, once. The caller holds p.mu.
func (p *Partition) insert(s metadata.Slice) {
	i := sort.Search(len(p.sealed), func(i int) bool { return p.sealed[i].BaseOffset >= s.BaseOffset })
	if i < len(p.sealed) && p.sealed[i].BaseOffset == s.BaseOffset {
		p.sealed[i] = s
		return
	}
	p.sealed = append(p.sealed, metadata.Slice{})
	copy(p.sealed[i+1:], p.sealed[i:])
	p.sealed[i] = s
}

// Lifted tells readers of an internal partition that everything up to and with
// offset upTo is now held, compacted, by the given slices.
func (l *Log) Lifted(id pack.PartitionID, upTo int64, slices []metadata.Slice) {
	l.replace(id, slices, func(s *metadata.Slice) bool { return s.LastOffset <= upTo }, func(p *Partition) {
		p.open.above(upTo)
		p.trimAborted()
	})
}

// Replaced tells readers that what lay wholly inside the offsets from to to (inclusive) of
// a partition's segments is now held, compacted, by the given slices.
func (l *Log) Replaced(id pack.PartitionID, from, to int64, slices []metadata.Slice) {
	l.replace(id, slices, func(s *metadata.Slice) bool { return from <= s.BaseOffset && s.LastOffset <= to }, func(p *Partition) { p.replaced.Add(1) })
}

// Merged is Replaced where nothing is left out: the given slices hold the same batches,
// and list the same aborted transactions. Reads that are under way need not begin anew.
func (l *Log) Merged(id pack.PartitionID, from, to int64, slices []metadata.Slice) {
	l.replace(id, slices, func(s *metadata.Slice) bool { return from <= s.BaseOffset && s.LastOffset <= to }, (*Partition).trimAborted)
}

// replace puts slices in the place of those sealed ones that are old; also is done under the
// same lock, before readers see it.
func (l *Log) replace(id pack.PartitionID, slices []metadata.Slice, old func(*metadata.Slice) bool, also func(*Partition)) {
	l.trust(slices)
	p := l.parts.known(id) // one that is loading may have read what was there before
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return
	}
	var rest []metadata.Slice
	for i := range p.sealed {
		if !old(&p.sealed[i]) {
			rest = append(rest, p.sealed[i])
		}
	}
	p.sealed = rest
	for _, s := range slices {
		if s.LastOffset >= p.logStart.Load() { // it may have been raised meanwhile
			p.insert(s)
		}
	}
	also(p)
	p.version++
}

// LogStartRaised tells the log that the metadata store has a higher log start.
func (l *Log) LogStartRaised(id pack.PartitionID, offset int64) {
	if p := l.parts.known(id); p != nil { // one that is loading may have read the lower one
		p.raise(offset)
	}
}

// raise moves the log start up and lets go of what lies wholly below it.
func (p *Partition) raise(offset int64) {
	p.mu.Lock()
	if offset <= p.logStart.Load() {
		p.mu.Unlock()
		return
	}
	p.logStart.Store(offset)
	i := sort.Search(len(p.sealed), func(i int) bool { return p.sealed[i].LastOffset >= offset })
	p.sealed = append(p.sealed[:0:0], p.sealed[i:]...)
	p.version++
	p.trimAborted()
	p.mu.Unlock()
	p.advanced()
}

// DeleteRecords raises the log start durably to offset (-1: the high watermark) and
// returns it. OFFSET_OUT_OF_RANGE above the high watermark; an offset at or below
// the log start changes nothing (KIP-107).
func (l *Log) DeleteRecords(ctx context.Context, p *Partition, offset int64) (int64, error) {
	b := p.Bounds()
	if offset == -1 {
		offset = b.HighWatermark
	}
	switch {
	case p.Deleted():
		return -1, protocol.UnknownTopicOrPartition
	case offset < 0 || offset > b.HighWatermark:
		return -1, protocol.OffsetOutOfRange
	case offset <= b.LogStart:
		return b.LogStart, nil
	}
	if err := l.cfg.Store.SetLogStarts(ctx, metadata.LogStart{ID: p.id, Offset: offset}); err != nil {
		l.logger.Error("log start not stored", zap.Stringer("partition", p.id), zap.Error(err))
		return -1, protocol.KafkaStorageError
	}
	p.raise(offset)
	return offset, nil
}

// DurableEnd returns the high watermark of a partition that is loaded.
func (l *Log) DurableEnd(id pack.PartitionID) (int64, bool) {
	if p := l.parts.loaded(id); p != nil {
		return p.high.Load(), true
	}
	return 0, false
}

// Liftable returns how many bytes of a partition lie in the open journal and below the
// last stable offset, whole packs of it; and that offset, or MaxInt64 for a partition
// that is not loaded.
func (l *Log) Liftable(id pack.PartitionID) (bytes, stable int64) {
	p := l.parts.loaded(id)
	if p == nil {
		return 0, math.MaxInt64
	}
	stable = p.Bounds().LastStable
	_, bytes = p.liftable(stable)
	return bytes, stable
}

// liftable returns where the last extent that lies wholly below stable ends, and the
// bytes of those in the open journal.
func (p *Partition) liftable(stable int64) (end, bytes int64) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	end = min(p.sealedEnd()+1, stable)
	p.open.each(func(x *extent) bool {
		if x.LastOffset >= stable {
			return false
		}
		end, bytes = x.LastOffset+1, bytes+x.DataLen
		return true
	})
	return end, bytes
}

// LiftEnd returns how far the partition may be lifted: to the end of a pack, below the
// last stable offset. Above it nobody knows yet which records count.
func (p *Partition) LiftEnd() int64 {
	end, _ := p.liftable(p.Bounds().LastStable)
	return end
}

// OpenBytes returns how many bytes of a partition lie in the open journal above an
// offset: that of its last slice, for a caller that adds up both. While a volume is being
// sealed it may be in the store already, and in the journal still.
func (l *Log) OpenBytes(id pack.PartitionID, above int64) int64 {
	p := l.parts.loaded(id)
	if p == nil {
		return 0
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.open.dataAbove(above)
}

// ExpireProducers forgets idempotent producers that have been idle for longer than
// producer.id.expiration.ms and returns how many; see ExpiredBefore.
func (l *Log) ExpireProducers() (expired int) {
	before := l.ExpiredBefore()
	if before == math.MinInt64 {
		return 0
	}
	l.parts.each(func(p *Partition) {
		l.mu.Lock()
		defer l.mu.Unlock()
		expired += p.state.ExpireProducers(before, l.durable, l.yield)
	})
	return expired
}
