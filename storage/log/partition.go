package log

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/partition"
)

// Partition is one partition's log. It is a new object in every tenure.
type Partition struct {
	// What an append touches, together: with thousands of partitions in a request the
	// cost is in the memory. state, deleted, inPack and group are guarded by log.mu.
	id          pack.PartitionID
	leaderEpoch int32
	group       int32  // its place in the builder of the pack inPack
	inPack      uint64 // the last pack that holds a batch of it (batchPack.number)
	deleted     bool
	state       partition.State // what is appended, durable or not
	log         *Log

	unstable atomic.Int64 // first offset of the oldest transaction open in the durable state, or MaxInt64
	started  int64        // durable end when this tenure began

	// What publishing touches. mu guards what follows it.
	high          atomic.Int64 // high watermark: the durable end
	logStart      atomic.Int64
	transactional atomic.Bool  // it may have transactions that settle must look at
	replaced      atomic.Int64 // how often segments gave way to compacted ones; raised under mu
	mu            sync.RWMutex
	gone          bool
	open          extents // in the journal
	watches       []watch
	sealed        []metadata.Slice // in segments, by offset, all before open
	aborted       []pack.Aborted   // that end in the open journal, by their ends
	version       int              // raised by every change of sealed
	received      int64            // bytes of batches that became durable in this tenure

	ready   chan struct{} // closed when the sealed state is loaded
	loadErr error
}

// ID returns the partition's name.
func (p *Partition) ID() pack.PartitionID { return p.id }

// LeaderEpoch is the epoch of this tenure.
func (p *Partition) LeaderEpoch() int32 { return p.leaderEpoch }

// Bounds returns the partition's durable offsets.
func (p *Partition) Bounds() Bounds {
	// In this order: what is stable is settled before the high watermark rises.
	high := p.high.Load()
	unstable := p.unstable.Load()
	logStart := min(p.logStart.Load(), high)
	return Bounds{
		LogStart:      logStart,
		HighWatermark: high,
		LastStable:    max(min(unstable, high), logStart),
		LeaderEpoch:   p.leaderEpoch,
	}
}

// Deleted says whether the topic was dropped.
func (p *Partition) Deleted() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.gone
}

// EpochEnd answers OffsetForLeaderEpoch; see partition.State.
func (p *Partition) EpochEnd(epoch int32) (int32, int64) {
	b := p.Bounds()
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return p.state.EpochEnd(epoch, p.leaderEpoch, p.started, b.HighWatermark, b.LogStart)
}

// EpochAt returns the leader epoch of the record at offset; for the end of the log,
// and where nothing is known, the current one.
func (p *Partition) EpochAt(offset int64) int32 {
	if offset >= p.high.Load() {
		return p.leaderEpoch
	}
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	if e := p.state.EpochAt(offset); e >= 0 {
		return e
	}
	return p.leaderEpoch
}

// Producers lists the idempotent producers the partition remembers, by id. Appends go on
// meanwhile: each is shown as it is when it is looked at.
func (p *Partition) Producers() []partition.ProducerInfo {
	l := p.log
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := p.state.ProducerIDs(l.yield)
	out := make([]partition.ProducerInfo, 0, len(ids))
	for some := range slices.Chunk(ids, producersAtOnce) {
		l.yield()
		out = p.state.DescribeProducers(out, some, l.durable)
	}
	return out
}

// producersAtOnce is how many producers are described under the log's mutex.
const producersAtOnce = 256

// yield lets others have l.mu for a moment. The caller holds it.
func (l *Log) yield() {
	l.mu.Unlock()
	l.mu.Lock()
}

// replay applies a pack's entries of this partition while the journal is read.
// Entries that a seal already covers are skipped.
func (p *Partition) replay(ref journal.Ref, ext pack.Extent, entries []pack.Entry) error {
	if err := p.fold(ref, entries, p.floor()); err != nil {
		return err
	}
	if ext.LastOffset > p.sealedEnd() {
		p.open.add(&extent{ext, ref})
	}
	return nil
}

// fold applies what is not covered by a seal. The caller holds the log's mutex or is alone.
// Below floor no record is numbered any more: a gap there is none.
func (p *Partition) fold(ref journal.Ref, entries []pack.Entry, floor int64) error {
	for i := range entries {
		if entries[i].LastOffset() < p.state.NextOffset() {
			continue
		}
		p.state.Bridge(entries[i].BaseOffset, floor)
		if err := p.state.Apply(&entries[i], 0, 0); err != nil {
			return fmt.Errorf("%w: volume %d, pack %d: %w", journal.ErrDamaged, ref.Volume, ref.Seq, err)
		}
	}
	return nil
}

// floor is the offset below which no record is numbered any more. The caller is alone.
func (p *Partition) floor() int64 { return floorOf(p.logStart.Load(), p.sealed) }

// begin starts the tenure after replay.
func (p *Partition) begin() {
	p.state.SetNextOffset(p.floor())
	p.started = p.state.NextOffset()
	p.settleAll()
	p.high.Store(p.started)
}

// sealedEnd is the last offset that lies in a segment, or -1. The caller holds p.mu
// or is alone.
func (p *Partition) sealedEnd() int64 {
	if n := len(p.sealed); n > 0 {
		return p.sealed[n-1].LastOffset
	}
	return -1
}

// publish makes a durable pack's extent readable, and says whether somebody waits
// for that.
func (p *Partition) publish(ref journal.Ref, ext pack.Extent) (watched bool) {
	p.settle(ref.Seq)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return false
	}
	p.open.add(&extent{ext, ref})
	p.received += ext.DataLen
	p.high.Store(ext.LastOffset + 1)
	return len(p.watches) > 0
}
