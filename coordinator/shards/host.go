package shards

import (
	"context"
	"sync"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// findWait is how long FindCoordinator waits for a shard to be loaded, so that a
// client's first request does not meet COORDINATOR_LOAD_IN_PROGRESS.
const findWait = time.Second

// Shard owns what belongs to one partition of the internal topic.
type Shard interface {
	// Run is the life of the shard: it loads, works until ctx ends, and drains.
	Run(ctx context.Context)
	// Loaded is closed when the shard's state is there for the first time.
	Loaded() <-chan struct{}
}

// Host keeps one shard per partition of an internal topic, while the topic exists. Its
// methods may be called from any goroutine.
type Host[S Shard] struct {
	name   string
	topics Topics
	make   func(t Topic, partition int32) S

	// start has Run look whether the topic exists.
	start chan struct{}

	mu     sync.RWMutex
	shards []S // nil until the topic exists
	closed bool
	begun  chan struct{} // closed once there are shards
}

// NewHost makes a host; make makes a shard and starts nothing.
func NewHost[S Shard](name string, topics Topics, newShard func(t Topic, partition int32) S) *Host[S] {
	return &Host[S]{
		name: name, topics: topics, make: newShard,
		start: make(chan struct{}, 1), begun: make(chan struct{}),
	}
}

// Run runs the shards until ctx ends. Then requests are refused, and it returns when
// all shards have drained.
func (h *Host[S]) Run(ctx context.Context) error {
	for {
		topic, ok := h.topics.ByName(h.name)
		if !ok {
			if h.sleep(ctx) {
				return nil
			}
			continue
		}
		if h.serve(ctx, topic) {
			return nil
		}
	}
}

// serve owns the shards of one incarnation of the topic until ctx ends (true) or
// somebody has deleted the topic.
func (h *Host[S]) serve(ctx context.Context, topic Topic) bool {
	shards := make([]S, topic.Partitions)
	for i := range shards {
		shards[i] = h.make(topic, int32(i))
	}
	h.publish(shards)
	running, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, s := range shards {
		wg.Go(func() { s.Run(running) })
	}
	for {
		over := h.sleep(ctx)
		now, ok := h.topics.ByName(h.name)
		if over || !ok || now.ID != topic.ID {
			h.publish(nil)
			return over
		}
	}
}

// sleep waits for a reason to look at the topic again; true when ctx has ended, and
// requests are refused from then on.
func (h *Host[S]) sleep(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		h.mu.Lock()
		h.closed = true
		h.mu.Unlock()
		return true
	case <-h.start:
		return false
	}
}

// publish puts shards into service, or takes them out.
func (h *Host[S]) publish(shards []S) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shards = shards
	if shards != nil {
		close(h.begun)
	} else {
		h.begun = make(chan struct{})
	}
}

// Look has Run look at the topic again: it was made, or deleted.
func (h *Host[S]) Look() {
	select {
	case h.start <- struct{}{}:
	default:
	}
}

// Shard returns the shard that a key belongs to: NOT_COORDINATOR before the internal
// topic exists, which sends the client to FindCoordinator.
func (h *Host[S]) Shard(key string) (S, protocol.Code) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var none S
	if h.closed {
		return none, protocol.CoordinatorNotAvailable
	}
	if h.shards == nil {
		return none, protocol.NotCoordinator
	}
	return h.shards[PartitionFor(key, int32(len(h.shards)))], protocol.None
}

// PartitionFor returns the partition that a key belongs to: by the number of shards, which
// is that of the topic's partitions when they began, or of t before.
func (h *Host[S]) PartitionFor(key string, t Topic) int32 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if n := int32(len(h.shards)); n > 0 {
		return PartitionFor(key, n)
	}
	return PartitionFor(key, t.Partitions)
}

// Begun is closed once there are shards.
func (h *Host[S]) Begun() <-chan struct{} {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.begun
}

// All lists the shards, by partition. There are none before the topic exists; nobody
// should take that for an answer after the end, see Ended.
func (h *Host[S]) All() []S {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.shards
}

// Ended is COORDINATOR_NOT_AVAILABLE once Run has been told to end. Whoever lists over
// all shards asks it afterwards: what has no shards any more is not empty.
func (h *Host[S]) Ended() protocol.Code {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closed {
		return protocol.CoordinatorNotAvailable
	}
	return protocol.None
}

// Find makes sure that a key has a coordinator: it makes the internal topic on first
// use. COORDINATOR_NOT_AVAILABLE if that fails; the client tries again.
func (h *Host[S]) Find(ctx context.Context, key string) protocol.Code {
	s, code := h.Shard(key)
	if code == protocol.NotCoordinator {
		if _, err := h.topics.EnsureInternal(ctx, h.name); err != nil {
			return protocol.CoordinatorNotAvailable
		}
		h.Look()
		select {
		case <-h.Begun():
		case <-ctx.Done():
			return protocol.CoordinatorNotAvailable
		case <-time.After(findWait):
			return protocol.CoordinatorNotAvailable // Run is not there to begin
		}
		s, code = h.Shard(key)
	}
	if code != protocol.None {
		return code
	}
	select {
	case <-s.Loaded():
	case <-ctx.Done():
	case <-time.After(findWait):
		// The key's requests say that it still loads.
	}
	return protocol.None
}
