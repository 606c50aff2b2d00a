package metadatatest

import (
	"slices"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
)

// testTombstones: a tombstone is listed once it is old and no segment can name its topic,
// and forgotten only then.
func testTombstones(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	const month = 30 * 24 * time.Hour
	listed := func(limit int, want ...metadata.TopicID) {
		t.Helper()
		got, err := s.Tombstones(ctx, limit)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("tombstones %v, %v, want %v", got, err, want)
		}
	}
	deleted := func(n byte, want bool) {
		t.Helper()
		if got, err := s.Deleted(ctx, topicID(n)); err != nil || got != want {
			t.Errorf("tombstone of %d: %v, %v", n, got, err)
		}
	}
	for n := byte(1); n <= 3; n++ {
		if err := s.CreateTopic(ctx, topic(n, string('a'+rune(n)))); err != nil {
			t.Fatal(err)
		}
	}
	a := register(t, s, "a", metadata.Registration{Slices: []metadata.Slice{slice(partition(1, 0), 0, 9)}})
	for n := byte(1); n <= 2; n++ {
		if err := s.DeleteTopic(ctx, topicID(n)); err != nil {
			t.Fatal(err)
		}
		h.Advance(time.Minute)
	}
	listed(9)
	h.Advance(month)
	listed(9) // the segment names one, and was there when the other was deleted
	if err := s.Forget(ctx, []metadata.SegmentID{a}, nil); err != nil {
		t.Fatal(err)
	}
	listed(9, topicID(1), topicID(2))
	listed(1, topicID(1))
	// A late seal names the second one.
	b := register(t, s, "b", metadata.Registration{Slices: []metadata.Slice{slice(partition(2, 0), 0, 9)}})
	listed(9, topicID(1))
	if err := s.ForgetTombstones(ctx, []metadata.TopicID{topicID(1), topicID(2), topicID(3)}); err != nil {
		t.Fatal(err)
	}
	deleted(1, false)
	deleted(2, true)
	if err := s.Forget(ctx, []metadata.SegmentID{b}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.ForgetTombstones(ctx, []metadata.TopicID{topicID(2)}); err != nil {
		t.Fatal(err)
	}
	listed(9)
	deleted(2, false)
}
