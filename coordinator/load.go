package coordinator

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// noProducer is the producer id of what is not part of a transaction.
const noProducer = -1

// load reads the shard's partition, until that succeeds or ctx ends.
func (s *shard) load(ctx context.Context) (p Partition, ok bool) {
	ok = s.coordinator.loader.Load(ctx, s.id.Partition, func(ctx context.Context) (err error) {
		p, err = s.tryLoad(ctx)
		return err
	})
	return p, ok
}

func (s *shard) tryLoad(ctx context.Context) (Partition, error) {
	c := s.coordinator
	p, err := c.log.Open(ctx, s.id, s.leaderEpoch)
	if err != nil {
		return nil, fmt.Errorf("open %s-%d: %w", TopicName, s.id.Partition, err)
	}
	l := loading{config: &c.opts.Group, groups: make(map[string]*entry)}
	fold := shards.Fold{Record: l.record, Control: l.marker, Skip: s.skipped, Bytes: c.metrics.loaded}
	if err := fold.Run(ctx, p); err != nil {
		p.Close()
		return nil, fmt.Errorf("read %s-%d: %w", TopicName, s.id.Partition, err)
	}
	s.adopt(p, l.groups)
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

// loading is what the records of a partition have come to.
type loading struct {
	config *group.Config
	groups map[string]*entry
}

// skipped takes note of a record that cannot be understood. The groups of the partition
// are served without it: what it said of its own group is lost, and no other is.
func (s *shard) skipped(offset int64, err error) {
	s.coordinator.metrics.skipped.Inc()
	s.coordinator.complaints.Say("a record of "+TopicName+" cannot be understood and was skipped",
		zap.Int32("partition", s.id.Partition), zap.Int64("offset", offset), zap.Error(err))
}

// record takes in one record of the partition.
func (l *loading) record(h *record.Header, r *record.Record) error {
	d, ok, err := group.Decode(group.Record{Key: r.Key, Value: r.Value})
	if err != nil || !ok { // a kind that newer brokers write
		return err
	}
	if d.Offset != nil {
		d.Offset.At = r.Offset
	}
	producer := int64(noProducer)
	if h.Transactional() {
		producer = h.ProducerID
	}
	return l.decoded(producer, &d)
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

func (l *loading) decoded(producer int64, d *group.Decoded) error {
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
