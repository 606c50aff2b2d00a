package mem

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

func compareIDs(a, b pack.PartitionID) int {
	return cmp.Or(bytes.Compare(a.Topic[:], b.Topic[:]), cmp.Compare(a.Partition, b.Partition))
}

// Oldest returns partitions with their oldest slices.
func (s *Store) Oldest(_ context.Context, after pack.PartitionID, n int) (out []metadata.Oldest, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, list := range s.slices {
		if len(list) == 0 || compareIDs(id, after) <= 0 {
			continue
		}
		x := metadata.Oldest{First: list[0], LastOffset: list[len(list)-1].LastOffset, Slices: len(list)}
		for i := range list {
			x.Bytes += list[i].Bytes
		}
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b metadata.Oldest) int { return compareIDs(a.First.ID, b.First.ID) })
	return out[:min(n, len(out))], nil
}

// Usage looks at all segments.
func (s *Store) Usage(_ context.Context, topics []metadata.TopicID) (metadata.Usage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var u metadata.Usage
	alone := map[metadata.SegmentID]bool{} // of each segment with a slice
	live := s.live()
	for id, list := range s.slices {
		mine := slices.Contains(topics, id.Topic)
		for i := range list {
			was, seen := alone[list[i].Segment]
			alone[list[i].Segment] = mine && (was || !seen)
		}
	}
	for id, is := range alone {
		u.Segments++
		u.Bytes += s.segments[id].Bytes
		u.Data += s.segments[id].Data
		u.Live += live[id]
		if is {
			u.Alone = append(u.Alone, s.segments[id])
		}
	}
	for id, x := range s.states {
		if _, held := alone[x.Block]; !held && x.BlockLen > 0 {
			x.ID = id
			u.Stranded = append(u.Stranded, x)
		}
	}
	slices.SortFunc(u.Alone, func(a, b metadata.Segment) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(u.Stranded, func(a, b metadata.State) int { return compareIDs(a.ID, b.ID) })
	return u, nil
}

// live adds up what slices hold of each segment. The caller holds s.mu.
func (s *Store) live() map[metadata.SegmentID]int64 {
	live := map[metadata.SegmentID]int64{}
	for _, list := range s.slices {
		for i := range list {
			live[list[i].Segment] += list[i].Bytes
		}
	}
	return live
}

// Sparse returns the segments with the most dead data.
func (s *Store) Sparse(_ context.Context, dead float64, n int) (out []metadata.Held, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, live := range s.live() {
		if seg := s.segments[id]; live > 0 && float64(seg.Data-live) > float64(seg.Data)*dead {
			out = append(out, metadata.Held{Segment: seg, Live: live})
		}
	}
	slices.SortFunc(out, func(a, b metadata.Held) int {
		return cmp.Or(cmp.Compare(float64(a.Live)/float64(a.Data), float64(b.Live)/float64(b.Data)), cmp.Compare(a.ID, b.ID))
	})
	return out[:min(n, len(out))], nil
}

// Lying returns the slices of a segment.
func (s *Store) Lying(_ context.Context, id metadata.SegmentID) (out []metadata.Slice, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.slices {
		for i := range list {
			if list[i].Segment == id {
				out = append(out, list[i])
			}
		}
	}
	slices.SortFunc(out, func(a, b metadata.Slice) int {
		return cmp.Or(compareIDs(a.ID, b.ID), cmp.Compare(a.BaseOffset, b.BaseOffset))
	})
	return out, nil
}
