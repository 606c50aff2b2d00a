package log

import (
	"sync"
	"sync/atomic"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// registry holds the handles of partitions: by topic, and then by number, so that
// finding one of thousands touches little memory. The catalog bounds the numbers.
type registry struct {
	mu      sync.RWMutex
	topics  map[pack.TopicID]*Handles
	dropped map[pack.TopicID]struct{} // since the start; ids are never reused
	n       int
	log     *Log
}

// Handles are the partitions of one topic, for callers that need many of them.
type Handles struct {
	all []*Partition // by number, nil: there is none; guarded by registry.mu
	// loaded are those that are ready, read without a lock. The list is replaced when
	// it has to grow.
	loaded atomic.Pointer[[]atomic.Pointer[Partition]]
}

// Loaded returns the handle of a partition if it is there and ready, else nil: then
// Log.Partition loads it. Appends to a handle of a topic that was dropped meanwhile are
// refused.
func (h *Handles) Loaded(number int32) *Partition {
	if list := h.loaded.Load(); list != nil && int(number) < len(*list) {
		return (*list)[number].Load()
	}
	return nil
}

// put adds a handle that is ready. The caller holds registry.mu.
func (h *Handles) put(p *Partition) {
	list := h.loaded.Load()
	if list == nil || int(p.id.Partition) >= len(*list) {
		bigger := make([]atomic.Pointer[Partition], len(h.all))
		if list != nil {
			for i := range *list {
				bigger[i].Store((*list)[i].Load())
			}
		}
		list = &bigger
		h.loaded.Store(list)
	}
	(*list)[p.id.Partition].Store(p)
}

func (r *registry) init(l *Log) {
	r.log = l
	r.topics = make(map[pack.TopicID]*Handles)
	r.dropped = make(map[pack.TopicID]struct{})
}

// of returns a topic's handles, nil if none was asked for yet.
func (r *registry) of(topic pack.TopicID) *Handles {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.topics[topic]
}

// loaded returns the handle if it is there and ready.
func (r *registry) loaded(id pack.PartitionID) *Partition {
	if h := r.of(id.Topic); h != nil {
		return h.Loaded(id.Partition)
	}
	return nil
}

// known returns the handle if there is one, ready or not.
func (r *registry) known(id pack.PartitionID) *Partition {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if h := r.topics[id.Topic]; h != nil && int(id.Partition) < len(h.all) {
		return h.all[id.Partition]
	}
	return nil
}

// claim returns the handle; first says that the caller has to load it and to call
// settle then.
func (r *registry) claim(id pack.PartitionID, leaderEpoch int32) (p *Partition, first bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.dropped[id.Topic]; ok {
		return nil, false, protocol.UnknownTopicOrPartition
	}
	h := r.topics[id.Topic]
	if h == nil {
		h = &Handles{}
		r.topics[id.Topic] = h
	}
	if missing := int(id.Partition) + 1 - len(h.all); missing > 0 {
		h.all = append(h.all, make([]*Partition, missing)...)
		h.all = h.all[:cap(h.all)]
	}
	if p := h.all[id.Partition]; p != nil {
		return p, false, nil
	}
	p = &Partition{id: id, leaderEpoch: leaderEpoch, log: r.log, ready: make(chan struct{})}
	p.open.used = &r.log.extentBytes
	h.all[id.Partition] = p
	r.n++
	return p, true, nil
}

// settle says that p is loaded, or forgets it if it could not be.
func (r *registry) settle(p *Partition, loaded bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.topics[p.id.Topic]
	switch {
	case h == nil: // dropped meanwhile
	case loaded:
		h.put(p)
	default:
		h.all[p.id.Partition] = nil
		r.n--
	}
}

// drop forgets a topic's partitions for good and returns them, in order.
func (r *registry) drop(topic pack.TopicID) []*Partition {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped[topic] = struct{}{}
	var out []*Partition
	if h := r.topics[topic]; h != nil {
		for _, p := range h.all {
			if p != nil {
				out = append(out, p)
			}
		}
	}
	delete(r.topics, topic)
	r.n -= len(out)
	return out
}

// each calls fn for every handle; fn may block.
func (r *registry) each(fn func(*Partition)) {
	r.mu.RLock()
	all := make([]*Partition, 0, r.n)
	for _, h := range r.topics {
		for _, p := range h.all {
			if p != nil {
				all = append(all, p)
			}
		}
	}
	r.mu.RUnlock()
	for _, p := range all {
		fn(p)
	}
}

func (r *registry) count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.n
}
