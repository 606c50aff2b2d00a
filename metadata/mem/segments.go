package mem

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Intend records an object to come.
func (s *Store) Intend(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.intents[key]; !ok {
		s.intents[key] = s.now()
	}
	return nil
}

// Register adds a segment.
func (s *Store) Register(_ context.Context, r metadata.Registration) (metadata.SegmentID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, seg := range s.segments {
		if seg.Key == r.Segment.Key {
			return id, nil
		}
	}
	if _, ok := s.intents[r.Segment.Key]; !ok {
		return 0, fmt.Errorf("segment %s has no intent: %w", r.Segment.Key, metadata.ErrConflict)
	}
	id := s.lastSegment + 1
	lists, err := s.newSlices(id, r)
	if err != nil {
		return 0, err
	}
	states, err := s.newStates(id, r)
	if err != nil {
		return 0, err
	}
	seg := r.Segment
	seg.ID, seg.CreatedAt = id, s.now().UnixMilli()
	s.lastSegment = id
	s.segments[id] = seg
	delete(s.intents, seg.Key)
	maps.Copy(s.slices, lists)
	maps.Copy(s.states, states)
	for _, v := range r.Volumes {
		s.volumes[v.Number] = v.Nonce
	}
	return id, nil
}

// gone says whether a topic that a new segment names was deleted.
func (s *Store) gone(topic metadata.TopicID, segment metadata.SegmentID) bool {
	t := s.deleted[topic]
	if t != nil {
		t.segment = segment
	}
	return t != nil
}

// newSlices returns the lists of slices that a registration changes.
func (s *Store) newSlices(id metadata.SegmentID, r metadata.Registration) (map[pack.PartitionID][]metadata.Slice, error) {
	out := map[pack.PartitionID][]metadata.Slice{}
	for _, x := range r.Replaces {
		left, was := []metadata.Slice{}, []metadata.SegmentID{}
		for _, old := range s.slices[x.ID] {
			if old.BaseOffset >= x.From && old.LastOffset <= x.To {
				was = append(was, old.Segment)
			} else {
				left = append(left, old)
			}
		}
		if x.Was != nil && !slices.Equal(was, x.Was) {
			return nil, fmt.Errorf("slices of %s from %d to %d lie in segments %v, not %v: %w", x.ID, x.From, x.To, was, x.Was, metadata.ErrConflict)
		}
		out[x.ID] = left
	}
	for _, x := range r.Slices {
		if s.gone(x.ID.Topic, id) || x.LastOffset < s.logStarts[x.ID] {
			continue
		}
		if _, ok := out[x.ID]; !ok {
			out[x.ID] = slices.Clone(s.slices[x.ID])
		}
		x.Segment = id
		out[x.ID] = append(out[x.ID], x)
	}
	for p, list := range out {
		slices.SortFunc(list, func(a, b metadata.Slice) int { return cmp.Compare(a.BaseOffset, b.BaseOffset) })
		for i := 1; i < len(list); i++ {
			if list[i-1].LastOffset >= list[i].BaseOffset {
				return nil, fmt.Errorf("slice of %s from %d overlaps another: %w", p, list[i].BaseOffset, metadata.ErrConflict)
			}
		}
	}
	return out, nil
}

func (s *Store) newStates(id metadata.SegmentID, r metadata.Registration) (map[pack.PartitionID]metadata.State, error) {
	out := map[pack.PartitionID]metadata.State{}
	for _, x := range r.States {
		if s.gone(x.ID.Topic, id) {
			continue
		}
		if old := s.states[x.ID].NextOffset; x.NextOffset < old {
			return nil, fmt.Errorf("next offset of %s back from %d to %d: %w", x.ID, old, x.NextOffset, metadata.ErrConflict)
		}
		if x.Block == 0 && x.BlockLen > 0 {
			x.Block = id
		}
		if _, ok := s.segments[x.Block]; !ok && x.Block != 0 && x.Block != id {
			return nil, fmt.Errorf("state of %s lies in unknown segment %d: %w", x.ID, x.Block, metadata.ErrConflict)
		}
		out[x.ID] = x
	}
	return out, nil
}

// Partition returns slices and state.
func (s *Store) Partition(_ context.Context, id pack.PartitionID) ([]metadata.Slice, metadata.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.states[id]
	state.ID = id
	return slices.Clone(s.slices[id]), state, nil
}

// Sealed returns the ends of the partitions' sealed parts.
func (s *Store) Sealed(_ context.Context, ids []pack.PartitionID) ([]metadata.Sealed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]metadata.Sealed, len(ids))
	for i, id := range ids {
		out[i] = metadata.Sealed{State: s.states[id], LastOffset: -1, LogStart: s.logStarts[id]}
		out[i].State.ID = id
		if list := s.slices[id]; len(list) > 0 {
			out[i].LastOffset = list[len(list)-1].LastOffset
		}
	}
	return out, nil
}

// Segment returns a row.
func (s *Store) Segment(_ context.Context, id metadata.SegmentID) (metadata.Segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seg, ok := s.segments[id]
	if !ok {
		return seg, fmt.Errorf("segment %d: %w", id, metadata.ErrNotFound)
	}
	return seg, nil
}

// SetLogStarts raises log starts.
func (s *Store) SetLogStarts(_ context.Context, starts ...metadata.LogStart) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range starts {
		if s.deleted[x.ID.Topic] != nil || x.Offset <= s.logStarts[x.ID] {
			continue
		}
		s.logStarts[x.ID] = x.Offset
		s.slices[x.ID] = slices.DeleteFunc(slices.Clone(s.slices[x.ID]), func(y metadata.Slice) bool { return y.LastOffset < x.Offset })
	}
	return nil
}

// LogStart returns a log start.
func (s *Store) LogStart(_ context.Context, id pack.PartitionID) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logStarts[id], nil
}

// Garbage lists what nobody refers to.
func (s *Store) Garbage(_ context.Context, grace int64) ([]metadata.Segment, []string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var segments []metadata.Segment
	used := s.used()
	for id, seg := range s.segments {
		if !used[id] {
			segments = append(segments, seg)
		}
	}
	slices.SortFunc(segments, func(a, b metadata.Segment) int { return cmp.Compare(a.ID, b.ID) })
	var intents []string
	registered := s.keys()
	for key, at := range s.intents {
		if _, ok := registered[key]; !ok && s.now().Sub(at) >= time.Duration(grace)*time.Millisecond {
			intents = append(intents, key)
		}
	}
	slices.Sort(intents)
	return segments, intents, nil
}

// used returns the segments that a slice or a state refers to.
func (s *Store) used() map[metadata.SegmentID]bool {
	used := map[metadata.SegmentID]bool{}
	for _, list := range s.slices {
		for _, x := range list {
			used[x.Segment] = true
		}
	}
	for _, x := range s.states {
		used[x.Block] = true
	}
	return used
}

func (s *Store) keys() map[string]metadata.SegmentID {
	keys := map[string]metadata.SegmentID{}
	for id, seg := range s.segments {
		keys[seg.Key] = id
	}
	return keys
}

// Forget removes rows.
func (s *Store) Forget(_ context.Context, segments []metadata.SegmentID, intents []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	used, keys := s.used(), s.keys()
	for _, id := range segments {
		if used[id] {
			return fmt.Errorf("segment %d is referred to: %w", id, metadata.ErrConflict)
		}
	}
	for _, key := range intents {
		if id, ok := keys[key]; ok && !slices.Contains(segments, id) {
			return fmt.Errorf("object %s is registered: %w", key, metadata.ErrConflict)
		}
	}
	for _, id := range segments {
		delete(s.segments, id)
	}
	for _, key := range intents {
		delete(s.intents, key)
	}
	return nil
}
