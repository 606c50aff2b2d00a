package log

import (
	"fmt"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/partition"
)

// extent is where a pack of the open journal holds batches of a partition.
type extent struct {
	pack.Extent
	ref journal.Ref
}

// Partition is one partition's log. It is a new object in every tenure.
type Partition struct {
	id          pack.PartitionID
	leaderEpoch int32
	log         *Log

	// Guarded by log.mu.
	state   partition.State // what is appended, durable or not
	deleted bool

	high     atomic.Int64 // high watermark: the durable end
	logStart atomic.Int64
	started  int64 // durable end when this tenure began

	mu      sync.RWMutex
	open    []extent         // in the journal, by offset
	sealed  []metadata.Slice // in segments, by offset, all before open
	version int              // raised by every change of sealed
	gone    bool
	watches []watch

	ready   chan struct{} // closed when the sealed state is loaded
	loadErr error
	usable  atomic.Bool // loaded without an error
}

// ID returns the partition's name.
func (p *Partition) ID() pack.PartitionID { return p.id }

// LeaderEpoch is the epoch of this tenure.
func (p *Partition) LeaderEpoch() int32 { return p.leaderEpoch }

// Bounds returns the partition's durable offsets.
func (p *Partition) Bounds() Bounds {
	high := p.high.Load()
	// Without transactions everything durable is stable.
	return Bounds{
		LogStart:      min(p.logStart.Load(), high),
		HighWatermark: high,
		LastStable:    high,
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

// Producers lists the idempotent producers the partition remembers.
func (p *Partition) Producers() []partition.ProducerInfo {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return p.state.DescribeProducers(p.log.durable)
}

// replay applies a pack's entries of this partition while the journal is read.
// Entries that a seal already covers are skipped.
func (p *Partition) replay(ref journal.Ref, ext pack.Extent, entries []pack.Entry) error {
	for i := range entries {
		if entries[i].LastOffset() < p.state.NextOffset() {
			continue
		}
		if err := p.state.Apply(&entries[i], 0, 0); err != nil {
			return fmt.Errorf("%w: volume %d, pack %d: %w", journal.ErrDamaged, ref.Volume, ref.Seq, err)
		}
	}
	if ext.LastOffset > p.sealedEnd() {
		p.open = append(p.open, extent{ext, ref})
	}
	return nil
}

// begin starts the tenure after replay.
func (p *Partition) begin() {
	p.started = p.state.NextOffset()
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

// publish makes a durable pack's extent readable.
func (p *Partition) publish(ref journal.Ref, ext pack.Extent) {
	p.mu.Lock()
	if !p.gone {
		p.open = append(p.open, extent{ext, ref})
	}
	p.mu.Unlock()
	p.high.Store(ext.LastOffset + 1)
}

// partitions holds the handles by id.
type partitions struct {
	mu      sync.RWMutex
	byID    map[pack.PartitionID]*Partition
	dropped map[pack.TopicID]struct{} // since the start; ids are never reused
	log     *Log
}

func (t *partitions) init(l *Log) {
	t.log = l
	t.byID = make(map[pack.PartitionID]*Partition)
	t.dropped = make(map[pack.TopicID]struct{})
}

// loaded returns the handle if it is there and ready.
func (t *partitions) loaded(id pack.PartitionID) *Partition {
	t.mu.RLock()
	p := t.byID[id]
	t.mu.RUnlock()
	if p == nil || !p.usable.Load() {
		return nil
	}
	return p
}

// claim returns the handle; first says that the caller has to load it.
func (t *partitions) claim(id pack.PartitionID, leaderEpoch int32) (p *Partition, first bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.dropped[id.Topic]; ok {
		return nil, false, protocol.UnknownTopicOrPartition
	}
	if p := t.byID[id]; p != nil {
		return p, false, nil
	}
	p = &Partition{id: id, leaderEpoch: leaderEpoch, log: t.log, ready: make(chan struct{})}
	t.byID[id] = p
	return p, true, nil
}

func (t *partitions) forget(p *Partition) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID[p.id] == p {
		delete(t.byID, p.id)
	}
}

// drop forgets a topic's partitions for good and returns them.
func (t *partitions) drop(topic pack.TopicID) []*Partition {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropped[topic] = struct{}{}
	var out []*Partition
	for id, p := range t.byID {
		if id.Topic == topic {
			out = append(out, p)
			delete(t.byID, id)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].id.Partition < out[j].id.Partition })
	return out
}

// each calls fn for every handle; fn may block.
func (t *partitions) each(fn func(*Partition)) {
	t.mu.RLock()
	all := make([]*Partition, 0, len(t.byID))
	for _, p := range t.byID {
		all = append(all, p)
	}
	t.mu.RUnlock()
	for _, p := range all {
		fn(p)
	}
}

func (t *partitions) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byID)
}
