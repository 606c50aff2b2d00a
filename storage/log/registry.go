package log

import (
	"sync"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// registry holds the handles of partitions: by topic, and then by number, so that
// finding one of thousands touches little memory. The catalog bounds the numbers.
type registry struct {
	mu      sync.RWMutex
	topics  map[pack.TopicID][]place
	dropped map[pack.TopicID]struct{} // since the start; ids are never reused
	n       int
	log     *Log
}

// place is a partition's place in its topic.
type place struct {
	handle *Partition // nil: there is none
	usable bool       // its state is loaded
}

func (r *registry) init(l *Log) {
	r.log = l
	r.topics = make(map[pack.TopicID][]place)
	r.dropped = make(map[pack.TopicID]struct{})
}

// loaded returns the handle if it is there and ready.
func (r *registry) loaded(id pack.PartitionID) *Partition {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if list := r.topics[id.Topic]; int(id.Partition) < len(list) && list[id.Partition].usable {
		return list[id.Partition].handle
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
	list := r.topics[id.Topic]
	if missing := int(id.Partition) + 1 - len(list); missing > 0 {
		list = append(list, make([]place, missing)...)
		r.topics[id.Topic] = list
	}
	at := &list[id.Partition]
	if at.handle != nil {
		return at.handle, false, nil
	}
	at.handle = &Partition{id: id, leaderEpoch: leaderEpoch, log: r.log, ready: make(chan struct{})}
	r.n++
	return at.handle, true, nil
}

// settle says that p is loaded, or forgets it if it could not be.
func (r *registry) settle(p *Partition, loaded bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.topics[p.id.Topic]
	if int(p.id.Partition) >= len(list) || list[p.id.Partition].handle != p {
		return // dropped meanwhile
	}
	at := &list[p.id.Partition]
	if at.usable = loaded; !loaded {
		at.handle = nil
		r.n--
	}
}

// drop forgets a topic's partitions for good and returns them, in order.
func (r *registry) drop(topic pack.TopicID) []*Partition {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped[topic] = struct{}{}
	var out []*Partition
	for _, at := range r.topics[topic] {
		if at.handle != nil {
			out = append(out, at.handle)
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
	for _, list := range r.topics {
		for _, at := range list {
			if at.handle != nil {
				all = append(all, at.handle)
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
