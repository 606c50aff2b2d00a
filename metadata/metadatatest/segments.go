package metadatatest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

func testRegister(t *testing.T, h *Harness) {
	p0, p1 := partition(1, 0), partition(1, 1)
	x, y, z := slice(p0, 0, 9), slice(p0, 10, 19), slice(p1, 5, 6)
	first := register(t, h.Store, "one", metadata.Registration{
		Slices: []metadata.Slice{z, x},
		States: []metadata.State{{ID: p0, NextOffset: 10, LeaderEpoch: 3, BlockPos: 7, BlockLen: 9}},
	})
	second := register(t, h.Store, "two", metadata.Registration{Segment: metadata.Segment{Bytes: 77}, Slices: []metadata.Slice{y}})
	if second <= first {
		t.Fatalf("ids %d, %d", first, second)
	}
	x.Segment, z.Segment, y.Segment = first, first, second
	for s := range beforeAndAfter(t, h) {
		list, state, err := s.Partition(t.Context(), p0)
		if err != nil || !slices.Equal(list, []metadata.Slice{x, y}) {
			t.Fatalf("%+v, %v", list, err)
		}
		if want := (metadata.State{ID: p0, NextOffset: 10, LeaderEpoch: 3, Block: first, BlockPos: 7, BlockLen: 9}); state != want {
			t.Fatalf("%+v, want %+v", state, want)
		}
		list, state, err = s.Partition(t.Context(), p1)
		if err != nil || !slices.Equal(list, []metadata.Slice{z}) || state != (metadata.State{ID: p1}) {
			t.Fatalf("%+v, %+v, %v", list, state, err)
		}
		seg, err := s.Segment(t.Context(), second)
		if err != nil || seg.Key != "two" || seg.Bytes != 77 || seg.CreatedAt == 0 || seg.ID != second {
			t.Fatalf("%+v, %v", seg, err)
		}
		if _, err := s.Segment(t.Context(), second+1); !errors.Is(err, metadata.ErrNotFound) {
			t.Fatal(err)
		}
	}
}

func testRegisterTwice(t *testing.T, h *Harness) {
	p := partition(1, 0)
	r := metadata.Registration{Segment: metadata.Segment{Key: "one"}, Slices: []metadata.Slice{slice(p, 0, 9)}}
	id := register(t, h.Store, "one", r)
	for s := range beforeAndAfter(t, h) {
		if again, err := s.Register(t.Context(), r); err != nil || again != id {
			t.Fatalf("%d, %v, want %d", again, err, id)
		}
		if got := offsets(t, s, p); len(got) != 1 {
			t.Fatalf("slices %v", got)
		}
	}
}

func testRegisterNoIntent(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	r := metadata.Registration{Segment: metadata.Segment{Key: "one"}, Slices: []metadata.Slice{slice(partition(1, 0), 0, 9)}}
	if _, err := s.Register(ctx, r); !errors.Is(err, metadata.ErrConflict) {
		t.Fatalf("never intended: %v", err)
	}
	if err := s.Intend(ctx, "one"); err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(ctx, nil, []string{"one"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Register(ctx, r); !errors.Is(err, metadata.ErrConflict) {
		t.Fatalf("taken by the sweeper: %v", err)
	}
	if got := offsets(t, s, partition(1, 0)); len(got) != 0 {
		t.Fatalf("slices %v", got)
	}
}

// testRegisterRefused: a registration that breaks an invariant changes nothing.
func testRegisterRefused(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	p := partition(1, 0)
	register(t, s, "base", metadata.Registration{
		Slices: []metadata.Slice{slice(p, 10, 19)},
		States: []metadata.State{{ID: p, NextOffset: 20}},
	})
	other := slice(partition(1, 1), 0, 0)
	for name, r := range map[string]metadata.Registration{
		"same base":         {Slices: []metadata.Slice{other, slice(p, 10, 12)}},
		"begins within":     {Slices: []metadata.Slice{other, slice(p, 19, 25)}},
		"ends within":       {Slices: []metadata.Slice{other, slice(p, 5, 10)}},
		"around":            {Slices: []metadata.Slice{other, slice(p, 5, 25)}},
		"within itself":     {Slices: []metadata.Slice{other, slice(p, 20, 25), slice(p, 25, 26)}},
		"offset back":       {Slices: []metadata.Slice{other}, States: []metadata.State{{ID: p, NextOffset: 19}}},
		"block in the void": {Slices: []metadata.Slice{other}, States: []metadata.State{{ID: p, NextOffset: 20, Block: 99, BlockLen: 1}}},
	} {
		if err := s.Intend(ctx, name); err != nil {
			t.Fatal(err)
		}
		r.Segment.Key, r.Volumes = name, []metadata.Volume{volume(5)}
		if id, err := s.Register(ctx, r); !errors.Is(err, metadata.ErrConflict) {
			t.Errorf("%s: %d, %v", name, id, err)
		}
	}
	if got := offsets(t, s, other.ID); len(got) != 0 {
		t.Errorf("half a registration: %v", got)
	}
	if done, err := s.Registered(ctx, volume(5)); err != nil || done {
		t.Errorf("volume: %v, %v", done, err)
	}
	if got := offsets(t, s, p); !slices.Equal(got, []int64{10}) {
		t.Errorf("slices %v", got)
	}
	register(t, s, "fits", metadata.Registration{Slices: []metadata.Slice{slice(p, 0, 9), slice(p, 20, 20)}})
}

func testRegisterDeleted(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	if err := s.CreateTopic(ctx, topic(1, "a")); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteTopic(ctx, topicID(1)); err != nil {
		t.Fatal(err)
	}
	gone, live := partition(1, 0), partition(2, 0)
	id := register(t, s, "one", metadata.Registration{
		Slices: []metadata.Slice{slice(gone, 0, 9), slice(live, 0, 9)},
		States: []metadata.State{{ID: gone, NextOffset: 10, BlockLen: 1}},
	})
	if got := offsets(t, s, gone); len(got) != 0 {
		t.Errorf("slices of a deleted topic: %v", got)
	}
	if _, state, err := s.Partition(ctx, gone); err != nil || state.NextOffset != 0 {
		t.Errorf("%+v, %v", state, err)
	}
	if got := offsets(t, s, live); len(got) != 1 {
		t.Errorf("slices of a live topic: %v", got)
	}
	if got := garbage(t, s); len(got) != 0 {
		t.Errorf("garbage %v", got)
	}
	// All slices of a segment may be left out: then it is garbage at once.
	id2 := register(t, s, "two", metadata.Registration{Slices: []metadata.Slice{slice(gone, 10, 19)}})
	if got := garbage(t, s); !slices.Equal(got, []metadata.SegmentID{id2}) {
		t.Errorf("garbage %v, want %d (and not %d)", got, id2, id)
	}
}

func testRegisterStates(t *testing.T, h *Harness) {
	p := partition(1, 0)
	a := register(t, h.Store, "a", metadata.Registration{States: []metadata.State{{ID: p, NextOffset: 5, BlockLen: 3}}})
	b := register(t, h.Store, "b", metadata.Registration{})
	// The same offset only moves the block; another segment may hold it.
	c := register(t, h.Store, "c", metadata.Registration{States: []metadata.State{{ID: p, NextOffset: 5, Block: b, BlockPos: 4, BlockLen: 3}}})
	for s := range beforeAndAfter(t, h) {
		if _, state, err := s.Partition(t.Context(), p); err != nil || state.Block != b || state.BlockPos != 4 {
			t.Fatalf("%+v, %v (segments %d %d %d)", state, err, a, b, c)
		}
		if got := garbage(t, s); !slices.Equal(got, []metadata.SegmentID{a, c}) {
			t.Fatalf("garbage %v", got)
		}
		h.Store = s
	}
	register(t, h.Store, "d", metadata.Registration{States: []metadata.State{{ID: p, NextOffset: 9}}})
	if _, state, err := h.Store.Partition(t.Context(), p); err != nil || state.Block != 0 || state.NextOffset != 9 {
		t.Fatalf("%+v, %v", state, err)
	}
}

func testRegisterReplaces(t *testing.T, h *Harness) {
	s := h.Store
	p, q := partition(1, 0), partition(1, 1)
	a := register(t, s, "a", metadata.Registration{Slices: []metadata.Slice{slice(p, 0, 9), slice(q, 0, 9)}})
	b := register(t, s, "b", metadata.Registration{Slices: []metadata.Slice{slice(p, 10, 19)}})
	c := register(t, s, "c", metadata.Registration{Slices: []metadata.Slice{slice(p, 20, 29)}})
	m := register(t, s, "merged", metadata.Registration{
		Slices:   []metadata.Slice{slice(p, 2, 19)},
		Replaces: []metadata.Replace{{ID: p, To: 19}},
	})
	if got := offsets(t, s, p); !slices.Equal(got, []int64{2, 20}) {
		t.Errorf("slices %v", got)
	}
	if got := garbage(t, s); !slices.Equal(got, []metadata.SegmentID{b}) {
		t.Errorf("garbage %v of %d %d %d %d", got, a, b, c, m)
	}
	// Nothing has to be left.
	register(t, s, "empty", metadata.Registration{Replaces: []metadata.Replace{{ID: p, To: 29}, {ID: q, To: 9}, {ID: partition(9, 9), To: 5}}})
	if got := offsets(t, s, p); len(got) != 0 {
		t.Errorf("slices %v", got)
	}
	if got := garbage(t, s); len(got) != 5 {
		t.Errorf("garbage %v", got)
	}
}

// What is replaced in the middle leaves its neighbours, and only if it is what it was.
func testRegisterReplacesWhatWas(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	p := partition(1, 0)
	var ids []metadata.SegmentID
	for i := range int64(4) {
		ids = append(ids, register(t, s, fmt.Sprint("s", i), metadata.Registration{Slices: []metadata.Slice{slice(p, 10*i, 10*i+9)}}))
	}
	for i, was := range [][]metadata.SegmentID{{}, {ids[1]}, {ids[2], ids[1]}, {ids[1], ids[2], ids[3]}, {ids[0], ids[1]}} {
		key := fmt.Sprint("conflict", i)
		if err := s.Intend(ctx, key); err != nil {
			t.Fatal(err)
		}
		_, err := s.Register(ctx, metadata.Registration{
			Segment: metadata.Segment{Key: key}, Slices: []metadata.Slice{slice(p, 12, 29)},
			Replaces: []metadata.Replace{{ID: p, From: 10, To: 29, Was: was}},
		})
		if !errors.Is(err, metadata.ErrConflict) {
			t.Fatalf("replaced what was %v: %v", was, err)
		}
		if got := offsets(t, s, p); !slices.Equal(got, []int64{0, 10, 20, 30}) {
			t.Fatalf("a conflict left slices %v", got)
		}
	}
	register(t, s, "middle", metadata.Registration{
		Slices:   []metadata.Slice{slice(p, 12, 29)},
		Replaces: []metadata.Replace{{ID: p, From: 10, To: 29, Was: ids[1:3]}},
	})
	if got := offsets(t, s, p); !slices.Equal(got, []int64{0, 12, 30}) {
		t.Errorf("slices %v", got)
	}
	if got := garbage(t, s); !slices.Equal(got, ids[1:3]) {
		t.Errorf("garbage %v", got)
	}
	// Two partitions, one of which is not what it was: neither changes.
	q := partition(1, 1)
	register(t, s, "q", metadata.Registration{Slices: []metadata.Slice{slice(q, 0, 9)}})
	if err := s.Intend(ctx, "both"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Register(ctx, metadata.Registration{Segment: metadata.Segment{Key: "both"}, Replaces: []metadata.Replace{
		{ID: p, To: 9, Was: ids[:1]}, {ID: q, To: 9, Was: ids[:1]},
	}})
	if got := append(offsets(t, s, p), offsets(t, s, q)...); !errors.Is(err, metadata.ErrConflict) || !slices.Equal(got, []int64{0, 12, 30, 0}) {
		t.Errorf("%v, slices %v", err, got)
	}
}

func testLogStart(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	p := partition(1, 0)
	a := register(t, s, "a", metadata.Registration{Slices: []metadata.Slice{slice(p, 0, 9)}})
	b := register(t, s, "b", metadata.Registration{Slices: []metadata.Slice{slice(p, 10, 19)}})
	for _, step := range []struct {
		to, want int64
		bases    []int64
	}{
		{0, 0, []int64{0, 10}}, {9, 9, []int64{0, 10}}, {10, 10, []int64{10}}, {5, 10, []int64{10}}, {15, 15, []int64{10}},
	} {
		if err := s.SetLogStarts(ctx, metadata.LogStart{ID: p, Offset: step.to}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.LogStart(ctx, p); err != nil || got != step.want {
			t.Fatalf("after %d: %d, %v", step.to, got, err)
		}
		if got := offsets(t, s, p); !slices.Equal(got, step.bases) {
			t.Fatalf("after %d: slices %v", step.to, got)
		}
	}
	if got := garbage(t, s); !slices.Equal(got, []metadata.SegmentID{a}) {
		t.Errorf("garbage %v of %d %d", got, a, b)
	}
	s = h.Reopen(t)
	if err := s.SetLogStarts(ctx, metadata.LogStart{ID: p, Offset: 20}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.LogStart(ctx, p); err != nil || got != 20 {
		t.Errorf("%d, %v", got, err)
	}
	// A seal that was planned before the log start was raised leaves nothing below it.
	c := register(t, s, "c", metadata.Registration{Slices: []metadata.Slice{slice(p, 16, 19), slice(p, 20, 29), slice(p, 30, 39)}})
	if got := offsets(t, s, p); !slices.Equal(got, []int64{20, 30}) {
		t.Errorf("slices %v", got)
	}
	if err := s.SetLogStarts(ctx, metadata.LogStart{ID: p, Offset: 40}); err != nil {
		t.Fatal(err)
	}
	if got := offsets(t, s, p); len(got) != 0 {
		t.Errorf("slices %v", got)
	}
	if got, err := s.LogStart(ctx, partition(1, 1)); err != nil || got != 0 {
		t.Errorf("never set: %d, %v", got, err)
	}
	if got := garbage(t, s); !slices.Equal(got, []metadata.SegmentID{a, b, c}) {
		t.Errorf("garbage %v", got)
	}
}

func testGarbageSegments(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	if err := s.CreateTopic(ctx, topic(1, "a")); err != nil {
		t.Fatal(err)
	}
	p := partition(1, 0)
	a := register(t, s, "a", metadata.Registration{Slices: []metadata.Slice{slice(p, 0, 9)}})
	b := register(t, s, "b", metadata.Registration{Slices: []metadata.Slice{slice(p, 10, 19), slice(partition(2, 0), 0, 0)}})
	if err := s.DeleteTopic(ctx, topicID(1)); err != nil {
		t.Fatal(err)
	}
	list, _, err := s.Garbage(ctx, 0)
	if err != nil || len(list) != 1 || list[0].ID != a || list[0].Key != "a" || list[0].Bytes != 1<<20 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := s.Forget(ctx, []metadata.SegmentID{a, a + 100}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Segment(ctx, a); !errors.Is(err, metadata.ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.Segment(ctx, b); err != nil {
		t.Error(err)
	}
	c := register(t, h.Reopen(t), "c", metadata.Registration{})
	if c <= b {
		t.Errorf("id %d after %d", c, b)
	}
}

func testGarbageStateBlocks(t *testing.T, h *Harness) {
	s := h.Store
	p := partition(1, 0)
	a := register(t, s, "a", metadata.Registration{
		Slices: []metadata.Slice{slice(p, 0, 9)},
		States: []metadata.State{{ID: p, NextOffset: 10, BlockLen: 4}},
	})
	if err := s.SetLogStarts(t.Context(), metadata.LogStart{ID: p, Offset: 10}); err != nil {
		t.Fatal(err)
	}
	if got := garbage(t, s); len(got) != 0 {
		t.Fatalf("the latest state lies in %d, garbage %v", a, got)
	}
	if _, state, err := s.Partition(t.Context(), p); err != nil || state.NextOffset != 10 {
		t.Fatalf("an idle partition's state: %+v, %v", state, err)
	}
	register(t, s, "b", metadata.Registration{States: []metadata.State{{ID: p, NextOffset: 10, BlockLen: 4}}})
	if got := garbage(t, s); !slices.Equal(got, []metadata.SegmentID{a}) {
		t.Fatalf("garbage %v", got)
	}
}

func testGarbageIntents(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	intents := func(s metadata.Store, grace time.Duration) []string {
		t.Helper()
		_, keys, err := s.Garbage(ctx, grace.Milliseconds())
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	if err := s.Intend(ctx, "old"); err != nil {
		t.Fatal(err)
	}
	h.Advance(time.Hour)
	for _, key := range []string{"new", "old"} { // the second one counts on
		if err := s.Intend(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	if got := intents(s, time.Hour); !slices.Equal(got, []string{"old"}) {
		t.Errorf("%v", got)
	}
	if got := intents(s, 2*time.Hour); len(got) != 0 {
		t.Errorf("%v", got)
	}
	if got := intents(s, 0); !slices.Equal(got, []string{"new", "old"}) {
		t.Errorf("%v", got)
	}
	// A dying segment may be intended again, so that its object is found after a crash.
	// It is not garbage twice.
	id := register(t, s, "dying", metadata.Registration{})
	if err := s.Intend(ctx, "dying"); err != nil {
		t.Fatal(err)
	}
	if got := intents(s, 0); !slices.Equal(got, []string{"new", "old"}) {
		t.Errorf("%v", got)
	}
	if err := s.Forget(ctx, []metadata.SegmentID{id}, []string{"old"}); err != nil {
		t.Fatal(err)
	}
	s = h.Reopen(t)
	h.Advance(time.Hour)
	if got := intents(s, time.Hour); !slices.Equal(got, []string{"dying", "new"}) {
		t.Errorf("%v", got)
	}
}

func testForgetRefused(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	p := partition(1, 0)
	used := register(t, s, "used", metadata.Registration{Slices: []metadata.Slice{slice(p, 0, 9)}})
	state := register(t, s, "state", metadata.Registration{States: []metadata.State{{ID: p, NextOffset: 10, BlockLen: 1}}})
	free := register(t, s, "free", metadata.Registration{})
	for _, id := range []metadata.SegmentID{used, state} {
		if err := s.Forget(ctx, []metadata.SegmentID{free, id}, nil); !errors.Is(err, metadata.ErrConflict) {
			t.Errorf("segment %d: %v", id, err)
		}
	}
	if err := s.Forget(ctx, nil, []string{"used"}); !errors.Is(err, metadata.ErrConflict) {
		t.Errorf("intent of a registered object: %v", err)
	}
	if _, err := s.Segment(ctx, free); err != nil {
		t.Errorf("half a Forget: %v", err)
	}
	if err := s.Forget(ctx, []metadata.SegmentID{free}, []string{"free", "never"}); err != nil {
		t.Error(err)
	}
}

func testConcurrent(t *testing.T, h *Harness) {
	const workers, rounds = 8, 10
	type result struct {
		first int64
		err   error
	}
	results := make(chan result, workers*rounds)
	for w := range workers {
		go func() {
			for i := range rounds {
				first, err := h.Store.AllocateProducerIDs(t.Context(), 10)
				key := fmt.Sprintf("%d-%d", w, i)
				if err == nil {
					err = h.Store.Put(t.Context(), key, []byte(key))
				}
				if err == nil {
					_, _, err = h.Store.Partition(t.Context(), partition(1, 0))
				}
				results <- result{first, err}
			}
		}()
	}
	seen := map[int64]bool{}
	for range workers * rounds {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		if seen[r.first] || r.first%10 != 0 {
			t.Fatalf("block from %d", r.first)
		}
		seen[r.first] = true
	}
}

// sameAsModel compares a store with a model on what the given partitions hold.
func sameAsModel(t *testing.T, s, model metadata.Store, ids []pack.PartitionID) {
	t.Helper()
	for _, id := range ids {
		got, gotState, err := s.Partition(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		want, wantState, err := model.Partition(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) || gotState != wantState {
			t.Fatalf("partition %s:\ngot  %+v %+v\nwant %+v %+v", id, got, gotState, want, wantState)
		}
	}
	if got, want := garbage(t, s), garbage(t, model); !slices.Equal(got, want) {
		t.Fatalf("garbage %v, want %v", got, want)
	}
	sameTotals(t, s, model, ids)
}
