package coordinator

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// entry is one group with its offsets and its place among the timers.
type entry struct {
	group   kind
	offsets group.Offsets
	// recorded: the log has a record of the group itself, so that removing the
	// group needs a tombstone.
	recorded bool
	writes   int // queued or on their way to disk

	memberBytes int64 // as last counted
	counted     counted
	due         time.Time
	index       int // in shard.timers, -1: not timed
}

// shard owns the groups of one partition of __consumer_offsets.
type shard struct {
	coordinator *Coordinator
	id          pack.PartitionID
	leaderEpoch int32
	loaded      chan struct{} // closed when the groups are there
	wake        chan struct{} // something for the loop: a due timer, a finished batch
	queued      chan struct{} // something for the writer

	mu        sync.Mutex
	ready     bool
	closed    bool
	partition Partition // once ready
	groups    map[string]*entry
	open      map[int64]map[*entry]struct{} // groups with pending offsets, by producer
	endings   []ending                      // of transactions, told while the shard loads
	timers    timers
	stamp     int64 // ms of wall time; the latest that was stored, never goes back

	waiterID group.Waiter
	waiters  map[group.Waiter]chan group.Reply

	queue    []*write // in order; not appended yet
	inFlight []*batch // in the log's order
	sweep    bool     // topics were deleted

	began      time.Time // of the loop; expiry counts on from here
	nextExpiry time.Time
}

func newShard(c *Coordinator, topic Topic, partition int32) *shard {
	id := pack.PartitionID{Topic: topic.ID, Partition: partition}
	epoch, _ := c.topics.LeaderEpoch(id) // deleted meanwhile: the log says so
	return &shard{
		coordinator: c,
		id:          id,
		leaderEpoch: epoch,
		loaded:      make(chan struct{}),
		wake:        make(chan struct{}, 1),
		queued:      make(chan struct{}, 1),
		groups:      make(map[string]*entry),
		open:        make(map[int64]map[*entry]struct{}),
		waiters:     make(map[group.Waiter]chan group.Reply),
	}
}

// state says why no request can be served, if so. The caller holds s.mu.
func (s *shard) state() protocol.Code {
	switch {
	case s.closed:
		return protocol.NotCoordinator
	case !s.ready:
		return protocol.CoordinatorLoadInProgress
	}
	return protocol.None
}

// create makes a group. COORDINATOR_NOT_AVAILABLE above the bound: whoever has filled it,
// others wait until there is room again. The caller holds s.mu.
func (s *shard) create(id string, now time.Time, recorded bool) (*entry, protocol.Code) {
	c := s.coordinator
	if c.groups.Load() >= int64(c.opts.GroupsMax) {
		c.complaints.Say("there are too many groups", zap.String("refused_group", id), zap.Int("allowed", c.opts.GroupsMax))
		return nil, protocol.CoordinatorNotAvailable
	}
	e := &entry{group: group.New(id, &c.opts.Group, now, recorded), index: -1}
	s.insert(e)
	return e, protocol.None
}

func (s *shard) insert(e *entry) {
	s.groups[e.group.ID()] = e
	s.coordinator.groups.Add(1)
	s.count(e)
}

// remove forgets a group. The caller holds s.mu.
func (s *shard) remove(e *entry) {
	if s.groups[e.group.ID()] != e {
		return
	}
	delete(s.groups, e.group.ID())
	s.timers.remove(e)
	s.coordinator.groups.Add(-1)
	s.coordinator.memberBytes.Add(-e.memberBytes)
	e.memberBytes = 0
	s.count(e)
}

// removeVoid forgets a group of which the log knows nothing and that nobody needs.
func (s *shard) removeVoid(e *entry) {
	if !e.recorded && e.writes == 0 && e.offsets.Empty() && e.group.Idle() {
		s.remove(e)
	}
}

// finish carries a step's effects out: replies leave at once, or with the records
// that they wait for. done is told then, and may be nil. The caller holds s.mu.
func (s *shard) finish(e *entry, fx group.Effects, done func(protocol.Code)) {
	s.retime(e)
	if len(fx.Stores) == 0 {
		s.deliver(fx.Replies)
		if done != nil {
			done(protocol.None)
		}
		return
	}
	w := &write{entry: e, replies: fx.Replies, done: done}
	for _, st := range fx.Stores {
		w.add(change{kind: storesGroup, record: st.Record, token: st.Token})
	}
	s.enqueue(w)
}

// retime puts the group to its next deadline and counts its memory. A heartbeat does
// without: it only moves a deadline away, and an early timer finds nothing to do.
func (s *shard) retime(e *entry) {
	if s.groups[e.group.ID()] != e {
		return
	}
	s.count(e)
	bytes := e.group.Bytes()
	s.coordinator.memberBytes.Add(bytes - e.memberBytes)
	e.memberBytes = bytes
	due, ok := e.group.Deadline()
	if !ok {
		s.timers.remove(e)
		return
	}
	if s.timers.set(e, due) {
		shards.Kick(s.wake)
	}
}

// deliver hands replies to those who wait; who gave up is not there any more.
func (s *shard) deliver(replies []group.Reply) {
	for _, r := range replies {
		if c, ok := s.waiters[r.To]; ok {
			delete(s.waiters, r.To)
			c <- r // has room: one reply per waiter
		}
	}
}

// wait registers a request that waits. The caller holds s.mu.
func (s *shard) wait() (group.Waiter, chan group.Reply) {
	s.waiterID++
	c := make(chan group.Reply, 1)
	s.waiters[s.waiterID] = c
	return s.waiterID, c
}

// reply waits for the answer to w: ok is false when the client is gone or has
// waited for too long, or the shard stopped.
func (s *shard) reply(ctx context.Context, w group.Waiter, c chan group.Reply) (group.Reply, bool) {
	bound := time.NewTimer(s.coordinator.opts.WaitMax)
	defer bound.Stop()
	select {
	case r, ok := <-c:
		return r, ok
	case <-ctx.Done():
	case <-bound.C:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiters, w)
	select {
	case r, ok := <-c: // it came meanwhile
		return r, ok
	default:
		return group.Reply{}, false
	}
}

func (s *shard) now() time.Time { return s.coordinator.opts.Now() }

// wall is the time to store, ms: it never goes back. The caller holds s.mu.
func (s *shard) wall(now time.Time) int64 {
	s.stamp = max(s.stamp, now.UnixMilli())
	return s.stamp
}
