package metadatatest

import (
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// testSealed: the ends of many partitions, of several topics and in any order, are
// what each by itself has.
func testSealed(t *testing.T, h *Harness) {
	never, state, slice0, both := partition(2, 7), partition(1, 0), partition(2, 0), partition(1, 900)
	register(t, h.Store, "a", metadata.Registration{
		Slices: []metadata.Slice{slice(slice0, 3, 9), slice(both, 0, 4), slice(both, 5, 6)},
		States: []metadata.State{{ID: state, NextOffset: 5}, {ID: both, NextOffset: 7, LeaderEpoch: 2, BlockPos: 11, BlockLen: 12}},
	})
	if err := h.Store.SetLogStarts(t.Context(), metadata.LogStart{ID: slice0, Offset: 4}); err != nil {
		t.Fatal(err)
	}
	for s := range beforeAndAfter(t, h) {
		checkSealed(t, s, []pack.PartitionID{both, slice0, never, state})
		checkSealed(t, s, nil)
	}
	got, err := h.Store.Sealed(t.Context(), []pack.PartitionID{both})
	if err != nil || got[0].LastOffset != 6 || got[0].State.NextOffset != 7 {
		t.Fatalf("%+v, %v", got, err)
	}
}

// checkSealed holds Sealed to what the other methods say.
func checkSealed(t *testing.T, s metadata.Store, ids []pack.PartitionID) {
	t.Helper()
	var want []metadata.Sealed
	for _, id := range ids {
		list, state, err := s.Partition(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		x := metadata.Sealed{State: state, LastOffset: -1}
		if len(list) > 0 {
			x.LastOffset = list[len(list)-1].LastOffset
		}
		if x.LogStart, err = s.LogStart(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		want = append(want, x)
	}
	got, err := s.Sealed(t.Context(), ids)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%+v, %v, want %+v", got, err, want)
	}
}
