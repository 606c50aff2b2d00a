package coordinator

import (
	"time"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

const (
	// expireMax is how many records one look for expired offsets queues at most; the
	// next look follows after expireAgain.
	expireMax   = 10_000
	expireAgain = time.Second
)

// steady is the wall clock of the loop's begin, counted on by the monotonic clock: a
// wall clock that jumps forward expires nothing. And the first look comes a while
// after the start, so that a wrong clock at the start can be noticed.
func (s *shard) steady(now time.Time) int64 {
	return s.began.UnixMilli() + now.Sub(s.began).Milliseconds()
}

// expire removes offsets whose time has come, and groups that nobody uses. The
// caller holds s.mu.
func (s *shard) expire(now time.Time) {
	queued := 0
	for _, e := range s.groups {
		if e.group.State() == group.Dead {
			continue
		}
		expired, all := e.group.Expired(&e.offsets, s.steady(now), s.coordinator.opts.Retention)
		all = all && e.group.Idle() && e.writes == 0
		if !all && len(expired) == 0 {
			continue
		}
		if queued += len(expired) + 1; queued > expireMax && queued > len(expired)+1 {
			s.nextExpiry = now.Add(expireAgain)
			return
		}
		s.coordinator.metrics.expired.Add(float64(len(expired)))
		s.removeOffsets(e, expired, all, now, nil)
	}
}

// forgetTopics removes the offsets of topics that exist no more. The caller holds
// s.mu.
func (s *shard) forgetTopics(now time.Time) {
	queued := 0
	for _, e := range s.groups {
		outdated := e.offsets.Outdated(s.topicID)
		if len(outdated) == 0 {
			continue
		}
		if queued += len(outdated); queued > expireMax && queued > len(outdated) {
			s.nextExpiry = now.Add(expireAgain)
			return
		}
		s.removeOffsets(e, outdated, false, now, nil)
	}
}

func (s *shard) topicID(name string) ([16]byte, bool) {
	t, ok := s.coordinator.topics.ByName(name)
	return t.ID, ok
}

// removeOffsets queues the removal of offsets, and of the group itself with whole.
// The caller holds s.mu.
func (s *shard) removeOffsets(e *entry, list []group.TopicPartition, whole bool, now time.Time, done func(protocol.Code)) {
	w := &write{entry: e, done: done}
	id := e.group.ID()
	for _, tp := range list {
		w.add(change{
			kind: removesOffset, topic: tp.Topic, partition: tp.Partition,
			record: group.OffsetTombstone(id, tp.Topic, tp.Partition),
		})
	}
	if whole {
		e.group.Kill(now)
		s.count(e)
		s.timers.remove(e)
		w.add(change{kind: removesGroup, record: group.Tombstone(id)})
	}
	s.enqueue(w)
}
