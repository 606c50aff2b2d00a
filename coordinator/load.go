package coordinator

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// noProducer is the producer id of what is not part of a transaction.
const noProducer = -1

const (
	loadRetryMin = 100 * time.Millisecond
	loadRetryMax = 10 * time.Second
)

// load reads the shard's partition, and tries again until it succeeds or ctx ends:
// clients are told that the coordinator loads, and retry.
func (s *shard) load(ctx context.Context) (Partition, bool) {
	delay := loadRetryMin
	defer s.coordinator.failed.Tried(s.id.Partition, nil)
	for {
		p, err := s.tryLoad(ctx)
		if err == nil {
			return p, true
		}
		if ctx.Err() != nil {
			return nil, false
		}
		s.coordinator.failed.Tried(s.id.Partition, err)
		s.coordinator.opts.Logger.Error("loading groups failed, trying again",
			zap.Int32("partition", s.id.Partition), zap.Duration("after", delay), zap.Error(err))
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(delay):
		}
		delay = min(2*delay, loadRetryMax)
	}
}

func (s *shard) tryLoad(ctx context.Context) (Partition, error) {
	loads := s.coordinator.loads
	if err := loads.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer loads.Release(1)
	p, err := s.coordinator.log.Open(ctx, s.id, s.leaderEpoch)
	if err != nil {
		return nil, fmt.Errorf("open %s-%d: %w", TopicName, s.id.Partition, err)
	}
	state := loading{
		config: &s.coordinator.opts.Group, bytes: s.coordinator.metrics.loaded, groups: make(map[string]*entry), skip: s.skipped,
	}
	if err := state.read(ctx, p); err != nil {
		p.Close()
		return nil, fmt.Errorf("read %s-%d: %w", TopicName, s.id.Partition, err)
	}
	s.adopt(p, state.groups)
	return p, nil
}

// adopt puts the loaded groups into service and starts their sessions.
func (s *shard) adopt(p Partition, groups map[string]*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.began, s.nextExpiry = now, now.Add(s.coordinator.opts.RetentionCheck)
	s.ready, s.sweep, s.partition = true, true, p
	for id, e := range groups {
		s.insert(e)
		for _, what := range e.group.Damage() {
			s.coordinator.opts.Logger.Warn("a stored group is damaged and rebalances",
				zap.String("group", id), zap.String("damaged", what), zap.Int32("partition", s.id.Partition))
		}
		for _, producer := range e.offsets.Producers() {
			s.joined(producer, e)
		}
		s.finish(e, e.group.Loaded(now), nil)
	}
	for _, x := range s.endings {
		s.end(x)
	}
	s.endings = nil
	close(s.loaded)
}

// loading is the fold over the records of a partition.
type loading struct {
	config *group.Config
	bytes  prometheus.Counter // read so far, over all loads
	groups map[string]*entry
	skip   func(offset int64, err error)
}

// skipped takes note of a record that cannot be understood. The groups of the partition
// are served without it: what it said of its own group is lost, and no other is.
func (s *shard) skipped(offset int64, err error) {
	s.coordinator.metrics.skipped.Inc()
	s.coordinator.complaints.Say("a record of "+TopicName+" cannot be understood and was skipped",
		zap.Int32("partition", s.id.Partition), zap.Int64("offset", offset), zap.Error(err))
}

// read folds the partition.
func (l *loading) read(ctx context.Context, p Partition) error {
	return shards.Read(ctx, p, func(n int) { l.bytes.Add(float64(n)) }, l.batch)
}

func (l *loading) batch(h *record.Header, b []byte) error {
	if h.Control() {
		if err := l.marker(h, b); err != nil {
			l.skip(h.BaseOffset, err)
		}
		return nil
	}
	producer := int64(noProducer)
	if h.Transactional() {
		producer = h.ProducerID
	}
	for r, err := range record.Records(b, shards.RecordMax) {
		if err != nil {
			l.skip(h.BaseOffset, err) // with what follows in the batch, whose checksum is right
			return nil
		}
		d, ok, err := group.Decode(group.Record{Key: r.Key, Value: r.Value})
		if err != nil {
			l.skip(r.Offset, err)
			continue
		}
		if !ok {
			continue // a kind that newer brokers write
		}
		if d.Offset != nil {
			d.Offset.At = r.Offset
		}
		if err := l.record(producer, &d); err != nil {
			l.skip(r.Offset, err)
		}
	}
	return nil
}

// marker applies the end of a transaction.
func (l *loading) marker(h *record.Header, b []byte) error {
	m, err := record.ParseMarker(b)
	if err != nil {
		return err
	}
	for _, e := range l.groups {
		if e.offsets.Open(h.ProducerID) {
			e.offsets.EndTransaction(h.ProducerID, m.Commit)
			l.drop(e)
		}
	}
	return nil
}

func (l *loading) record(producer int64, d *group.Decoded) error {
	e := l.groups[d.ID]
	switch {
	case d.IsOffset && d.Offset != nil:
		if e == nil {
			e = l.simple(d.ID)
		}
		if producer != noProducer {
			e.offsets.SetPending(producer, d.Topic, d.Partition, *d.Offset)
			break
		}
		e.offsets.Set(d.Topic, d.Partition, *d.Offset)
	case d.IsOffset:
		if e != nil {
			e.offsets.Delete(d.Topic, d.Partition)
			l.drop(e)
		}
	case d.Group != nil:
		g, err := group.Load(d.ID, l.config, d.Group)
		if err != nil {
			return err
		}
		if e == nil {
			e = &entry{index: -1}
			l.groups[d.ID] = e
		}
		e.group, e.recorded = g, true
	case e != nil:
		// The group is gone; offsets that were committed behind its removal stay.
		e.group, e.recorded = group.New(d.ID, l.config, time.Time{}, true), false
		l.drop(e)
	}
	return nil
}

// simple makes the group of an offset that was committed without joining.
func (l *loading) simple(id string) *entry {
	e := &entry{group: group.New(id, l.config, time.Time{}, true), index: -1}
	l.groups[id] = e
	return e
}

func (l *loading) drop(e *entry) {
	if !e.recorded && e.offsets.Empty() {
		delete(l.groups, e.group.ID())
	}
}
