package produce

import (
	"testing"

	"github.com/streamhouse/streamhouse/storage/pack"
)

func TestSeenPartitions(t *testing.T) {
	var s seenPartitions
	a, b := pack.TopicID{1}, pack.TopicID{2}
	for round := range 3 {
		s.reset()
		at := s.topic(a, 100)
		if s.add(at, 99) || !s.add(at, 99) || s.add(at, 98) {
			t.Fatalf("round %d: partitions of one topic are taken for one another", round)
		}
		if s.add(s.topic(b, 1), 0) {
			t.Fatalf("round %d: partitions of two topics are taken for one another", round)
		}
		// The topic is named again and has more partitions than before.
		at = s.topic(a, 1000)
		if !s.add(at, 99) || !s.add(at, 98) || s.add(at, 999) || s.add(at, 0) {
			t.Fatalf("round %d: a topic that grew", round)
		}
	}
}
