// Package lag says how far groups are behind, in records and in time, and what topics
// hold: what the series per topic, group and partition are made of.
package lag

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Topics are the topics there are.
type Topics interface {
	ByName(name string) *catalog.Topic
	// Topics lists them by name.
	Topics() []*catalog.Topic
}

// Groups are the groups there are, and what they have committed.
type Groups interface {
	ListGroups(f *coordinator.Filter) ([]coordinator.Listing, protocol.Code)
	FetchOffsets(id string, topics []coordinator.FetchTopic, all bool) ([]coordinator.FetchedTopic, protocol.Code)
}

// Log is what is known of partitions. Errors are protocol codes.
type Log interface {
	Usage(ctx context.Context, id pack.PartitionID) (log.Usage, error)
	// TimeAt is when the record at an offset was written (ms); see log.TimeAt.
	TimeAt(ctx context.Context, id pack.PartitionID, offset int64) (ms int64, ok bool, err error)
}

// Partition is a partition and what it holds.
type Partition struct {
	Topic     string
	Partition int32
	log.Usage
}

// Offset is how far a group is in a partition.
type Offset struct {
	Group, Topic string
	Partition    int32
	Committed    int64
	// Records is how many offsets lie between what is committed and the high watermark.
	Records int64
	// Behind is how long ago the oldest record was written that is not committed; 0 if all
	// are.
	Behind time.Duration
}

// Table answers from what is in memory and in indexes.
type Table struct {
	topics func() Topics
	groups Groups
	log    Log
	now    func() time.Time

	mu    sync.Mutex
	times map[key]stamp // of the oldest record that a group has not committed
	round uint64
}

type key struct {
	group string
	id    pack.PartitionID
}

// stamp is a time that holds as long as the group has not committed another offset.
type stamp struct {
	offset, ms int64
	round      uint64 // when it was last used
}

// New makes a table. topics returns those of one moment.
func New(topics func() Topics, groups Groups, l Log, now func() time.Time) *Table {
	return &Table{topics: topics, groups: groups, log: l, now: now, times: map[key]stamp{}}
}

// skips says that a partition or group is left out and others go on: it was deleted
// meanwhile, cannot be read, or is being loaded.
func skips(err error) bool {
	code := protocol.None
	return errors.As(err, &code) && code != protocol.RequestTimedOut
}

// Partitions calls fn for each partition, topic by topic, until fn says false.
func (t *Table) Partitions(ctx context.Context, fn func(Partition) bool) error {
	for _, topic := range t.topics().Topics() {
		for p := range topic.Partitions {
			if err := ctx.Err(); err != nil {
				return err
			}
			u, err := t.log.Usage(ctx, pack.PartitionID{Topic: topic.ID, Partition: p})
			if err != nil {
				if skips(err) {
					continue
				}
				return err
			}
			if !fn(Partition{topic.Name, p, u}) {
				return nil
			}
		}
	}
	return nil
}

// Groups lists the groups there are. While a coordinator is loading that is an error of the
// protocol: half a list would look like groups that are gone.
func (t *Table) Groups() ([]coordinator.Listing, error) {
	groups, code := t.groups.ListGroups(&coordinator.Filter{})
	if code != protocol.None {
		return nil, code
	}
	return groups, nil
}

// Offsets calls fn for each offset that a group has committed, group by group, until fn
// says false. Errors are those of Groups and of ctx.
func (t *Table) Offsets(ctx context.Context, fn func(Offset) bool) error {
	groups, err := t.Groups()
	if err != nil {
		return err
	}
	topics := t.topics()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.round++
	for i := range groups {
		fetched, code := t.groups.FetchOffsets(groups[i].ID, nil, true)
		if code != protocol.None {
			continue // it was deleted meanwhile
		}
		for j := range fetched {
			topic := topics.ByName(fetched[j].Topic)
			if topic == nil {
				continue
			}
			for k := range fetched[j].Offsets {
				o, ok, err := t.offset(ctx, groups[i].ID, topic, &fetched[j].Offsets[k])
				if err != nil {
					return err
				}
				if ok && !fn(o) {
					return nil
				}
			}
		}
	}
	for k, s := range t.times {
		if s.round != t.round {
			delete(t.times, k)
		}
	}
	return nil
}

// offset looks at one committed offset. The caller holds t.mu.
func (t *Table) offset(ctx context.Context, group string, topic *catalog.Topic, f *coordinator.FetchedOffset) (o Offset, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return o, false, err
	}
	if f.Partition < 0 || f.Partition >= topic.Partitions {
		return o, false, nil
	}
	id := pack.PartitionID{Topic: topic.ID, Partition: f.Partition}
	u, err := t.log.Usage(ctx, id)
	if err != nil {
		if skips(err) {
			err = nil
		}
		return o, false, err
	}
	o = Offset{Group: group, Topic: topic.Name, Partition: f.Partition, Committed: f.Offset.Offset}
	o.Records = max(u.HighWatermark-max(o.Committed, u.LogStart), 0)
	if o.Records > 0 {
		o.Behind, err = t.behind(ctx, key{group, id}, max(o.Committed, u.LogStart))
	}
	return o, err == nil, err
}

func (t *Table) behind(ctx context.Context, k key, offset int64) (time.Duration, error) {
	s, known := t.times[k]
	if !known || s.offset != offset {
		ms, ok, err := t.log.TimeAt(ctx, k.id, offset)
		if err != nil && !skips(err) {
			return 0, err
		}
		if err != nil || !ok {
			return 0, nil
		}
		s = stamp{offset: offset, ms: ms}
	}
	s.round = t.round
	t.times[k] = s
	return max(t.now().Sub(time.UnixMilli(s.ms)), 0), nil
}
