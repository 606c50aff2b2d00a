package coordinator

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/streamhouse/streamhouse/protocol"
)

// loadsAtOnce is how many shards read their partition at the same time.
const loadsAtOnce = 4

// findWait is how long FindCoordinator waits for a shard to be loaded, so that a
// client's first request does not meet COORDINATOR_LOAD_IN_PROGRESS.
const findWait = time.Second

// Coordinator owns the groups of this broker. Its methods may be called from any
// goroutine once New has returned; before Run, and while a shard loads, they answer
// NOT_COORDINATOR or COORDINATOR_LOAD_IN_PROGRESS.
type Coordinator struct {
	opts    Options
	topics  Topics
	log     Log
	metrics *metrics

	// start has Run look whether the topic exists.
	start chan struct{}
	loads *semaphore.Weighted
	// pending is the room for records that are not durable yet, in bytes.
	pending *semaphore.Weighted

	groups      atomic.Int64 // of all shards
	memberBytes atomic.Int64

	mu     sync.RWMutex
	shards []*shard // nil until the topic exists
	closed bool
	begun  chan struct{} // closed once there are shards
}

// New makes a coordinator. Nothing is read or written before Run.
func New(opts Options, topics Topics, log Log, reg prometheus.Registerer) *Coordinator {
	c := &Coordinator{
		opts: opts, topics: topics, log: log,
		start:   make(chan struct{}, 1),
		begun:   make(chan struct{}),
		loads:   semaphore.NewWeighted(loadsAtOnce),
		pending: semaphore.NewWeighted(opts.PendingMax),
	}
	c.metrics = newMetrics(c, reg)
	return c
}

// Run loads the groups and works until ctx ends. Then it refuses new requests,
// answers those that wait, lets what was queued become durable (for as long as a
// commit may take), and returns. The log must outlive it.
func (c *Coordinator) Run(ctx context.Context) error {
	for {
		topic, ok := c.topics.ByName(TopicName)
		if !ok {
			if c.sleep(ctx) {
				return nil
			}
			continue
		}
		if c.serve(ctx, topic) {
			return nil
		}
	}
}

// serve owns the shards of one incarnation of the topic until ctx ends (true) or
// somebody has deleted the topic.
func (c *Coordinator) serve(ctx context.Context, topic Topic) bool {
	shards := make([]*shard, topic.Partitions)
	for i := range shards {
		shards[i] = newShard(c, topic, int32(i))
	}
	c.publish(shards)
	running, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, s := range shards {
		wg.Go(func() { s.run(running) })
	}
	for {
		over := c.sleep(ctx)
		now, ok := c.topics.ByName(TopicName)
		if over || !ok || now.ID != topic.ID {
			c.publish(nil)
			return over
		}
	}
}

// sleep waits for a reason to look at the topic again; true when ctx has ended, and
// requests are refused from then on.
func (c *Coordinator) sleep(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		return true
	case <-c.start:
		return false
	}
}

// publish puts shards into service, or takes them out.
func (c *Coordinator) publish(shards []*shard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shards = shards
	if shards != nil {
		close(c.begun)
	} else {
		c.begun = make(chan struct{})
	}
}

// look has Run look at the topic again.
func (c *Coordinator) look() {
	select {
	case c.start <- struct{}{}:
	default:
	}
}

// shard returns the shard that a group belongs to: NOT_COORDINATOR before the
// internal topic exists, which sends the client to FindCoordinator.
func (c *Coordinator) shard(groupID string) (*shard, protocol.Code) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return nil, protocol.CoordinatorNotAvailable
	}
	if c.shards == nil {
		return nil, protocol.NotCoordinator
	}
	return c.shards[PartitionFor(groupID, int32(len(c.shards)))], protocol.None
}

func (c *Coordinator) beginning() <-chan struct{} {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.begun
}

func (c *Coordinator) all() []*shard {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.shards
}

// Find makes sure that a group has a coordinator: it makes the internal topic on
// first use. COORDINATOR_NOT_AVAILABLE if that fails; the client tries again.
func (c *Coordinator) Find(ctx context.Context, groupID string) protocol.Code {
	s, code := c.shard(groupID)
	if code == protocol.NotCoordinator {
		if _, err := c.topics.EnsureInternal(ctx, TopicName); err != nil {
			return protocol.CoordinatorNotAvailable
		}
		c.look()
		select {
		case <-c.beginning():
		case <-ctx.Done():
			return protocol.CoordinatorNotAvailable
		case <-time.After(findWait):
			return protocol.CoordinatorNotAvailable // Run is not there to begin
		}
		s, code = c.shard(groupID)
	}
	if code != protocol.None {
		return code
	}
	select {
	case <-s.loaded:
	case <-ctx.Done():
	case <-time.After(findWait):
		// The group's requests say that it still loads.
	}
	return protocol.None
}

// TopicDeleted makes the coordinator forget the offsets of topics that exist no
// more. It does not block. When the deleted topic is the one that groups live in, the
// groups are gone with it.
func (c *Coordinator) TopicDeleted() {
	c.look()
	for _, s := range c.all() {
		s.mu.Lock()
		s.sweep = true
		s.mu.Unlock()
		s.kick(s.wake)
	}
}
