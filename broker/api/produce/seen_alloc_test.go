//go:build !race

package produce

import (
	"testing"

	"github.com/streamhouse/streamhouse/storage/pack"
)

// The race detector allocates for itself, so that this runs without it only.
func TestSeenPartitionsAllocateNothing(t *testing.T) {
	var s seenPartitions
	n := testing.AllocsPerRun(100, func() {
		s.reset()
		for i := range int32(1000) {
			s.add(s.topic(pack.TopicID{byte(i % 4)}, 1000), i)
		}
	})
	if n > 0.5 {
		t.Fatalf("%v allocations per request", n)
	}
}
