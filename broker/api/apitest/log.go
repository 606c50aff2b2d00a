// Package apitest has what tests of handlers and connections need in place of the
// real thing: a log in memory, a directory of topics, a client that speaks kmsg.
package apitest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Log is an api.Log in memory. Appends are durable at once, unless Hold was called.
type Log struct {
	// Discard makes appends cost nothing: batches are dropped.
	Discard bool

	mu      sync.Mutex
	parts   map[pack.PartitionID]*Partition
	held    []func()
	holding bool
	full    bool
	queued  int // appends that wait for room
	refuse  error
	lost    error
	fenced  error
	epoch   int32              // of partitions made from now on, if larger
	order   []pack.PartitionID // of all appends
}

// NewLog makes an empty log.
func NewLog() *Log { return &Log{parts: make(map[pack.PartitionID]*Partition)} }

// Partition is one partition of a Log.
type Partition struct {
	id      pack.PartitionID
	epoch   int32
	log     *Log
	batches []stored
	next    int64
	high    int64
	start   int64
	stable  int64         // last stable offset, if that is not high
	aborted []log.Aborted // told of every read_committed read
	watches []watch
}

// watch is a watcher and what it calls the partition.
type watch struct {
	w   *log.Watcher
	tag int
}

type stored struct {
	header record.Header
	bytes  []byte
}

// Hold makes what is appended from now on wait for Flush.
func (l *Log) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holding = true
}

// Flush makes everything held durable, and ends holding.
func (l *Log) Flush() {
	l.mu.Lock()
	held := l.held
	l.held, l.holding = nil, false
	l.mu.Unlock()
	for _, fn := range held {
		fn()
	}
}

// Held is how many appends wait for Flush.
func (l *Log) Held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}

// Refuse makes appends fail with err; nil ends that.
func (l *Log) Refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = err
}

// Fill leaves no room: appends wait until their contexts end.
func (l *Log) Fill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full = true
}

// Queued is how many appends wait for room.
func (l *Log) Queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queued
}

// Fence makes every partition know transactional producers under a higher epoch.
func (l *Log) Fence(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fenced = err
}

// Lose makes every partition impossible to open, with err; nil ends that.
func (l *Log) Lose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = err
}

// Appended returns the partitions of all appends, in order.
func (l *Log) Appended() []pack.PartitionID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]pack.PartitionID(nil), l.order...)
}

// Epoch makes partitions begin in an epoch of their own, above which lie none.
func (l *Log) Epoch(epoch int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch = epoch
}

// Batches returns the batches of a partition as they are stored.
func (l *Log) Batches(id pack.PartitionID) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out [][]byte
	if p := l.parts[id]; p != nil {
		for _, s := range p.batches {
			out = append(out, s.bytes)
		}
	}
	return out
}

// Partition implements api.Log.
func (l *Log) Partition(_ context.Context, id pack.PartitionID, epoch int32) (api.Partition, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return nil, l.lost
	}
	p := l.parts[id]
	if p == nil {
		p = &Partition{id: id, epoch: max(epoch, l.epoch), log: l}
		l.parts[id] = p
	}
	return p, nil
}

// Handles implements api.Log: handlers have to ask for each partition.
func (l *Log) Handles(pack.TopicID) api.Handles { return nil }

// Append implements api.Partition.
func (p *Partition) Append(ctx context.Context, t *log.Ticket, slot int, b log.Batch) {
	l := p.log
	defer b.Buf.Release()
	if l.Discard {
		t.Finish(slot, log.Result{LogAppendTime: -1})
		return
	}
	l.mu.Lock()
	full := l.full
	if full {
		l.queued++
	}
	l.mu.Unlock()
	if full {
		<-ctx.Done()
		l.mu.Lock()
		l.queued--
		l.mu.Unlock()
		t.Fail(slot, protocol.RequestTimedOut)
		return
	}
	l.mu.Lock()
	if l.refuse != nil {
		err := l.refuse
		l.mu.Unlock()
		t.Fail(slot, err)
		return
	}
	base := p.next
	record.SetOffset(b.Bytes, base, p.epoch)
	h := b.Header
	h.BaseOffset, h.LeaderEpoch = base, p.epoch
	p.batches = append(p.batches, stored{h, append([]byte(nil), b.Bytes...)})
	p.next += int64(h.LastOffsetDelta) + 1
	l.order = append(l.order, p.id)
	result := log.Result{BaseOffset: base, LogAppendTime: -1, LogStart: p.start}
	if h.LogAppendTime() {
		result.LogAppendTime = h.MaxTimestamp
	}
	next := p.next
	durable := func() {
		l.mu.Lock()
		p.high = max(p.high, next)
		l.mu.Unlock()
		l.advanced(p)
		t.Finish(slot, result)
	}
	if l.holding {
		l.held = append(l.held, durable)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	durable()
}

// Read implements api.Partition.
func (p *Partition) Read(_ context.Context, req log.ReadRequest) (log.ReadResult, error) {
	l := p.log
	l.mu.Lock()
	defer l.mu.Unlock()
	res := log.ReadResult{Bounds: p.bounds()}
	end := p.high
	if req.Committed {
		res.Aborted = append([]log.Aborted{}, p.aborted...)
		end = res.LastStable
	}
	if req.Offset < p.start || req.Offset > p.next {
		return res, protocol.OffsetOutOfRange
	}
	for _, s := range p.batches {
		if s.header.LastOffset() < req.Offset || s.header.LastOffset() >= end {
			continue
		}
		if res.Bytes+len(s.bytes) > req.MaxBytes && (res.Bytes > 0 || !req.AtLeastOne) {
			break
		}
		res.Chunks = append(res.Chunks, log.Chunk{Mem: s.bytes, Len: int64(len(s.bytes))})
		res.Bytes += len(s.bytes)
	}
	return res, nil
}

// OffsetForTime implements api.Partition.
func (p *Partition) OffsetForTime(_ context.Context, timestamp int64, _ bool) (record.TimestampOffset, bool, error) {
	l := p.log
	l.mu.Lock()
	defer l.mu.Unlock()
	best, found := record.TimestampOffset{Timestamp: -1}, false
	for _, s := range p.batches {
		for r, err := range record.Records(s.bytes, 1<<30) {
			if err != nil {
				return best, false, err
			}
			if timestamp >= 0 && r.Timestamp >= timestamp {
				return record.TimestampOffset{Offset: r.Offset, Timestamp: r.Timestamp}, true, nil
			}
			if timestamp < 0 && r.Timestamp > best.Timestamp {
				best, found = record.TimestampOffset{Offset: r.Offset, Timestamp: r.Timestamp}, true
			}
		}
	}
	return best, found, nil
}

// DeleteRecords implements api.Partition.
func (p *Partition) DeleteRecords(_ context.Context, offset int64) (int64, error) {
	l := p.log
	l.mu.Lock()
	if offset == -1 {
		offset = p.high
	}
	if offset < 0 || offset > p.high {
		l.mu.Unlock()
		return -1, protocol.OffsetOutOfRange
	}
	p.start = max(p.start, offset)
	start := p.start
	l.mu.Unlock()
	l.advanced(p)
	return start, nil
}

// DropTopic ends the partitions of a topic.
func (l *Log) DropTopic(id pack.TopicID) {
	l.mu.Lock()
	var gone []*Partition
	for pid, p := range l.parts {
		if pid.Topic == id {
			delete(l.parts, pid)
			gone = append(gone, p)
		}
	}
	l.mu.Unlock()
	for _, p := range gone {
		l.advanced(p)
	}
}

func (p *Partition) bounds() log.Bounds {
	stable := p.high
	if p.stable > 0 {
		stable = min(stable, p.stable)
	}
	return log.Bounds{LogStart: p.start, HighWatermark: p.high, LastStable: stable, LeaderEpoch: p.epoch}
}

// SetStable sets the last stable offset of a partition, and which aborted transactions
// read_committed reads of it are told of. Those who watch it are told too. 0: all is
// stable.
func (l *Log) SetStable(id pack.PartitionID, offset int64, aborted ...log.Aborted) {
	l.mu.Lock()
	p := l.parts[id]
	p.stable, p.aborted = offset, aborted
	l.mu.Unlock()
	l.advanced(p)
}

// ID implements api.Partition.
func (p *Partition) ID() pack.PartitionID { return p.id }

// LeaderEpoch implements api.Partition.
func (p *Partition) LeaderEpoch() int32 { return p.epoch }

// Bounds implements api.Partition.
func (p *Partition) Bounds() log.Bounds {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return p.bounds()
}

// EpochEnd implements api.Partition: the log has one epoch.
func (p *Partition) EpochEnd(epoch int32) (int32, int64) {
	b := p.Bounds()
	switch {
	case epoch > p.epoch:
		return -1, -1
	case epoch < p.epoch:
		return epoch, b.LogStart
	}
	return epoch, b.HighWatermark
}

// EpochAt implements api.Partition.
func (p *Partition) EpochAt(int64) int32 { return p.epoch }

// TransactionGuard knows of no transaction: what is not verified is refused by the real
// log only.
func (p *Partition) TransactionGuard(int64, int16) (bool, log.Guard, error) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return false, 0, p.log.fenced
}

// Unverified does nothing.
func (p *Partition) Unverified(int64, int16, int32) {}

// Producers implements api.Partition: each producer id by its last batch.
func (p *Partition) Producers() []log.ProducerInfo {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	var out []log.ProducerInfo
	for i := len(p.batches) - 1; i >= 0; i-- {
		h := &p.batches[i].header
		known := slices.ContainsFunc(out, func(o log.ProducerInfo) bool { return o.ID == h.ProducerID })
		if h.ProducerID >= 0 && !known {
			out = append(out, log.ProducerInfo{ID: h.ProducerID, Epoch: h.ProducerEpoch,
				LastSequence: h.BaseSequence + h.LastOffsetDelta, LastTimestamp: h.MaxTimestamp, CoordinatorEpoch: -1, TxnStartOffset: -1})
		}
	}
	return out
}

// Size implements api.Log.
func (l *Log) Size(_ context.Context, id pack.PartitionID) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return 0, l.refuse
	}
	var sum int64
	if p := l.parts[id]; p != nil {
		for _, s := range p.batches {
			sum += int64(len(s.bytes))
		}
	}
	return sum, nil
}

// Watch implements log.Watched.
func (p *Partition) Watch(w *log.Watcher, tag int) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	p.watches = append(p.watches, watch{w, tag})
}

// Unwatch implements log.Watched.
func (p *Partition) Unwatch(w *log.Watcher, tag int) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	p.watches = slices.DeleteFunc(p.watches, func(x watch) bool { return x == watch{w, tag} })
}

// Watchers is how many watchers watch a partition.
func (l *Log) Watchers() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[*log.Watcher]bool{}
	for _, p := range l.parts {
		for _, x := range p.watches {
			all[x.w] = true
		}
	}
	return len(all)
}

func (l *Log) advanced(p *Partition) {
	l.mu.Lock()
	watches := slices.Clone(p.watches)
	l.mu.Unlock()
	for _, x := range watches {
		x.w.Mark(x.tag)
	}
}

// Until waits until cond holds, or reports false after a while.
func Until(cond func() bool) bool {
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if cond() {
			return true
		}
	}
	return false
}
