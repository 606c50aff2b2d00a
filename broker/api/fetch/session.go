package fetch

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// Fetch sessions (KIP-227): the broker remembers which partitions a client reads and
// what it told it, so that a request names only what changed, and an answer too.
//
// As in Kafka there are max.incremental.fetch.session.cache.slots of them; who finds no
// free slot takes that of a session unused for two minutes, or of one older than two
// minutes and with fewer partitions, or gets none, which clients understand. Other than in
// Kafka a session ends with the connection that used it last: clients begin a new one when
// they lost theirs, and nobody would come back for it.

const (
	sessionEvictable = 2 * time.Minute
	// partMemory is what a partition of a set takes, with its watch, in bytes.
	partMemory = 1 << 10

	epochInitial = 0
	epochFinal   = -1
)

// Sessions keeps them.
type Sessions struct {
	slots int
	most  int // partitions

	mu   sync.Mutex
	byID map[int32]*fetchSession
	size int // partitions of all sets: of sessions, and of requests without one
}

// NewSessions makes room for slots sessions, and for memory bytes of partitions that are
// read, in sessions or not.
func NewSessions(slots int, memory int64) *Sessions {
	return &Sessions{slots: slots, most: int(memory / partMemory), byID: make(map[int32]*fetchSession)}
}

// Len is the number of sessions.
func (c *Sessions) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byID)
}

// fetchSession is one session. Its set belongs to the request that has turn.
type fetchSession struct {
	id      int32
	byID    bool // its requests name topics by id
	turn    chan struct{}
	set     *fetchSet
	epoch   int32 // of the next request; guarded by turn
	created time.Time

	// Guarded by Sessions.mu.
	used   time.Time
	conn   uint64 // that used it last
	size   int
	closed bool
}

// fetchContext is what a request works on, and how it is answered.
type fetchContext struct {
	cache   *Sessions
	set     *fetchSet
	counted bool          // the set is among those that may be kept
	conn    uint64        // of the request
	session *fetchSession // incremental, and it lives on
	create  bool          // the set shall become a session
	made    *fetchSession // it did
	byID    bool
	now     time.Time
}

// kept says whether the set outlives the request.
func (fc *fetchContext) kept() bool { return fc.session != nil || fc.create }

// incremental says whether the answer leaves out what is not new.
func (fc *fetchContext) incremental() bool { return fc.session != nil }

// context finds what a request is about: all its partitions, a new session, or the
// next step of one. The request came over conn.
func (c *Sessions) context(ctx context.Context, req *kmsg.FetchRequest, conn uint64, now time.Time) (*fetchContext, protocol.Code) {
	id, epoch := req.SessionID, req.SessionEpoch
	if req.Version < 7 {
		id, epoch = 0, epochFinal
	}
	if epoch == epochInitial || epoch == epochFinal {
		if id != 0 {
			c.remove(id)
		}
		set := newFetchSet(len(req.Topics))
		set.update(req)
		counted := c.take(set.len())
		return &fetchContext{
			cache: c, set: set, counted: counted, conn: conn, now: now, byID: req.Version >= 13,
			create: counted && epoch == epochInitial,
		}, protocol.None
	}
	return c.step(ctx, req, conn, now)
}

// take makes room for a set of n partitions, or says that there is none.
func (c *Sessions) take(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 && c.size+n > c.most {
		return false
	}
	c.size += n
	return true
}

func (c *Sessions) give(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size -= n
}

// grow makes room for n more partitions of a session. If there is none, the session ends:
// its client begins again, and goes on without.
func (c *Sessions) grow(s *fetchSession, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.closed:
	case n > 0 && c.size+n > c.most:
		c.drop(s)
		return false
	default:
		c.size += n
		s.size += n
	}
	return true
}

// step goes on with a session.
func (c *Sessions) step(ctx context.Context, req *kmsg.FetchRequest, conn uint64, now time.Time) (*fetchContext, protocol.Code) {
	s := c.find(req.SessionID)
	if s == nil {
		return nil, protocol.FetchSessionIDNotFound
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, protocol.FetchSessionIDNotFound
	}
	code := protocol.None
	switch {
	case c.find(req.SessionID) != s:
		code = protocol.FetchSessionIDNotFound
	case s.epoch != req.SessionEpoch:
		code = protocol.InvalidFetchSessionEpoch
	case s.byID != (req.Version >= 13):
		code = protocol.FetchSessionTopicIDError
	case !c.grow(s, s.set.adds(req)):
		code = protocol.FetchSessionIDNotFound
	}
	if code != protocol.None {
		c.settle(s)
		return nil, code
	}
	s.set.update(req)
	s.set.leave(req)
	fc := &fetchContext{cache: c, set: s.set, counted: true, conn: conn, now: now, byID: s.byID}
	if s.set.len() == 0 {
		c.remove(s.id)
		c.settle(s)
		fc.set = newFetchSet(0)
		return fc, protocol.None
	}
	c.touch(s, conn, now)
	if s.epoch++; s.epoch <= 0 {
		s.epoch = 1
	}
	fc.session = s
	return fc, protocol.None
}

// end lets go of the set: a session waits for its next request, all else is over.
func (fc *fetchContext) end() {
	switch {
	case fc.session != nil:
		fc.cache.settle(fc.session)
	case fc.made != nil:
		fc.cache.settle(fc.made)
	default:
		fc.set.close()
		if fc.counted {
			fc.cache.give(fc.set.len())
		}
	}
}

// keep makes a session of the set, if there is a slot for it, and returns its id or
// 0. Then the set is the session's.
func (fc *fetchContext) keep() int32 {
	if fc.session != nil {
		return fc.session.id
	}
	if !fc.create {
		return 0
	}
	s := &fetchSession{
		byID: fc.byID, set: fc.set, epoch: 1, turn: make(chan struct{}, 1),
		created: fc.now, used: fc.now, conn: fc.conn, size: fc.set.len(),
	}
	s.turn <- struct{}{} // until end
	if !fc.cache.insert(s, fc.now) {
		return 0
	}
	fc.made = s
	return s.id
}

func (c *Sessions) find(id int32) *fetchSession {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byID[id]
}

func (c *Sessions) touch(s *fetchSession, conn uint64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.used, s.conn = now, conn
	if !s.closed {
		c.size += s.set.len() - s.size
		s.size = s.set.len()
	}
}

// insert gives a session, whose set is counted already, an id and a slot, or says that
// there is none.
func (c *Sessions) insert(s *fetchSession, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.byID) >= c.slots {
		victim := c.victim(s.size, now)
		if victim == nil {
			return false
		}
		c.drop(victim)
	}
	for s.id == 0 || c.byID[s.id] != nil {
		s.id = rand.Int32N(1<<31-2) + 1
	}
	c.byID[s.id] = s
	return true
}

// victim picks the session that makes way for one of size partitions, if one must:
// the one unused for longest if that is long enough, else the smallest of the old
// ones if it is smaller.
func (c *Sessions) victim(size int, now time.Time) *fetchSession {
	var stale, small *fetchSession
	for _, s := range c.byID {
		if stale == nil || s.used.Before(stale.used) {
			stale = s
		}
		if now.Sub(s.created) > sessionEvictable && s.size < size && (small == nil || s.size < small.size) {
			small = s
		}
	}
	if stale != nil && now.Sub(stale.used) > sessionEvictable {
		return stale
	}
	return small
}

// remove ends a session, if it is there.
func (c *Sessions) remove(id int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.byID[id]; s != nil {
		c.drop(s)
	}
}

// left ends the sessions of a connection that ended.
func (c *Sessions) left(conn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.byID {
		if s.conn == conn {
			c.drop(s)
		}
	}
}

// drop takes a session out. What it watches is given up by the request that has its
// turn, or here if there is none.
func (c *Sessions) drop(s *fetchSession) {
	delete(c.byID, s.id)
	c.size -= s.size
	s.closed = true
	select {
	case s.turn <- struct{}{}:
		s.set.close()
		<-s.turn
	default:
	}
}

// settle gives up the turn of a session, and closes its set if it was dropped
// meanwhile.
func (c *Sessions) settle(s *fetchSession) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.closed {
		s.set.close()
	}
	<-s.turn
}

// adds is how many partitions update would put into the set, at most.
func (s *fetchSet) adds(req *kmsg.FetchRequest) (n int) {
	for i := range req.Topics {
		t := &req.Topics[i]
		key := fetchKey{id: t.TopicID, name: t.Topic}
		for j := range t.Partitions {
			key.partition = t.Partitions[j].Partition
			if s.byKey[key] == nil {
				n++
			}
		}
	}
	return n
}

// update puts what a request names into the set.
func (s *fetchSet) update(req *kmsg.FetchRequest) {
	for i := range req.Topics {
		t := &req.Topics[i]
		key := fetchKey{id: t.TopicID, name: t.Topic}
		for j := range t.Partitions {
			a := &t.Partitions[j]
			key.partition = a.Partition
			p := s.put(key)
			p.offset, p.maxBytes = a.FetchOffset, a.PartitionMaxBytes
			p.leaderEpoch, p.lastEpoch = max(a.CurrentLeaderEpoch, -1), a.LastFetchedEpoch // negative: none
			if req.Version < 9 {
				p.leaderEpoch = -1
			}
			if req.Version < 12 {
				p.lastEpoch = -1
			}
		}
	}
}

// leave forgets what a request of a session forgets.
func (s *fetchSet) leave(req *kmsg.FetchRequest) {
	for i := range req.ForgottenTopics {
		t := &req.ForgottenTopics[i]
		for _, partition := range t.Partitions {
			s.forget(fetchKey{id: t.TopicID, name: t.Topic, partition: partition})
		}
	}
}
