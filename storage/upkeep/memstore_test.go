package upkeep

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// memStore is the metadata store in memory, one transaction per call, as the port
// describes it. Unlike a database it can be cloned, to go back to an old commit.
type memStore struct {
	mu       sync.Mutex
	now      func() int64 // ms
	values   map[string][]byte
	segments map[metadata.SegmentID]metadata.Segment
	slices   map[pack.PartitionID][]metadata.Slice
	states   map[pack.PartitionID]metadata.State
	starts   map[pack.PartitionID]int64
	intents  map[string]int64
	volumes  map[uint64]bool
	deleted  map[pack.TopicID]bool
	last     metadata.SegmentID
	commits  int
}

func newMemStore(now func() int64) *memStore {
	return &memStore{
		now:      now,
		values:   map[string][]byte{},
		segments: map[metadata.SegmentID]metadata.Segment{},
		slices:   map[pack.PartitionID][]metadata.Slice{},
		states:   map[pack.PartitionID]metadata.State{},
		starts:   map[pack.PartitionID]int64{},
		intents:  map[string]int64{},
		volumes:  map[uint64]bool{},
		deleted:  map[pack.TopicID]bool{},
	}
}

func (s *memStore) clone() *memStore {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := newMemStore(s.now)
	c.values, c.segments, c.states = maps.Clone(s.values), maps.Clone(s.segments), maps.Clone(s.states)
	c.starts, c.intents, c.volumes, c.deleted = maps.Clone(s.starts), maps.Clone(s.intents), maps.Clone(s.volumes), maps.Clone(s.deleted)
	for id, list := range s.slices {
		c.slices[id] = slices.Clone(list)
	}
	c.last, c.commits = s.last, s.commits
	return c
}

func (s *memStore) Get(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.values[name]; ok {
		return b, nil
	}
	return nil, metadata.ErrNotFound
}

func (s *memStore) Put(_ context.Context, name string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	s.values[name] = value
	return nil
}

func (s *memStore) Intend(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	s.intents[key] = s.now()
	return nil
}

func (s *memStore) Register(_ context.Context, r metadata.Registration) (metadata.SegmentID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, seg := range s.segments {
		if seg.Key == r.Segment.Key {
			return id, nil
		}
	}
	if _, ok := s.intents[r.Segment.Key]; !ok {
		return 0, metadata.ErrConflict
	}
	s.commits++
	delete(s.intents, r.Segment.Key)
	s.last++
	seg := r.Segment
	seg.ID, seg.CreatedAt = s.last, s.now()
	s.segments[seg.ID] = seg
	for id, upTo := range r.Replaces {
		s.slices[id] = slices.DeleteFunc(s.slices[id], func(x metadata.Slice) bool { return x.LastOffset <= upTo })
	}
	for _, x := range r.Slices {
		if s.deleted[x.ID.Topic] {
			continue
		}
		x.Segment = seg.ID
		list := append(s.slices[x.ID], x)
		slices.SortFunc(list, func(a, b metadata.Slice) int { return int(a.BaseOffset - b.BaseOffset) })
		for i := 1; i < len(list); i++ {
			if list[i-1].LastOffset >= list[i].BaseOffset {
				panic("slices overlap")
			}
		}
		s.slices[x.ID] = list
	}
	for _, x := range r.States {
		if s.deleted[x.ID.Topic] {
			continue
		}
		if x.NextOffset < s.states[x.ID].NextOffset {
			panic("next offset goes back")
		}
		if x.Block == 0 && x.BlockLen > 0 {
			x.Block = seg.ID
		}
		s.states[x.ID] = x
	}
	for _, v := range append([]uint64{r.Journal}, r.Merged...) {
		if v != 0 {
			s.volumes[v] = true
		}
	}
	return seg.ID, nil
}

func (s *memStore) Registered(_ context.Context, volume uint64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.volumes[volume], nil
}

func (s *memStore) Partition(_ context.Context, id pack.PartitionID) ([]metadata.Slice, metadata.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.states[id]
	state.ID = id
	return slices.Clone(s.slices[id]), state, nil
}

func (s *memStore) Segment(_ context.Context, id metadata.SegmentID) (metadata.Segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seg, ok := s.segments[id]; ok {
		return seg, nil
	}
	return metadata.Segment{}, metadata.ErrNotFound
}

func (s *memStore) SetLogStart(_ context.Context, id pack.PartitionID, offset int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	s.starts[id] = max(s.starts[id], offset)
	s.slices[id] = slices.DeleteFunc(s.slices[id], func(x metadata.Slice) bool { return x.LastOffset < s.starts[id] })
	return nil
}

func (s *memStore) LogStart(_ context.Context, id pack.PartitionID) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.starts[id], nil
}

func (s *memStore) deleteTopic(id pack.TopicID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	s.deleted[id] = true
	maps.DeleteFunc(s.slices, func(p pack.PartitionID, _ []metadata.Slice) bool { return p.Topic == id })
	maps.DeleteFunc(s.states, func(p pack.PartitionID, _ metadata.State) bool { return p.Topic == id })
}

func (s *memStore) Garbage(_ context.Context, grace int64) (segments []metadata.Segment, intents []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := map[metadata.SegmentID]bool{}
	for _, list := range s.slices {
		for _, x := range list {
			used[x.Segment] = true
		}
	}
	for _, x := range s.states {
		if x.BlockLen > 0 {
			used[x.Block] = true
		}
	}
	registered := map[string]bool{}
	for id, seg := range s.segments {
		registered[seg.Key] = true
		if !used[id] {
			segments = append(segments, seg)
		}
	}
	for key, at := range s.intents {
		if s.now()-at >= grace && !registered[key] {
			intents = append(intents, key)
		}
	}
	slices.Sort(intents)
	return segments, intents, nil
}

func (s *memStore) Forget(_ context.Context, segments []metadata.SegmentID, intents []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	for _, id := range segments {
		delete(s.segments, id)
	}
	for _, key := range intents {
		delete(s.intents, key)
	}
	return nil
}
