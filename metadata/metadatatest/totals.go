package metadatatest

import (
	"reflect"
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// testLogStarts: many at once, of which some are lower than before or of a topic that is
// gone.
func testLogStarts(t *testing.T, h *Harness) {
	ctx := t.Context()
	a, b, c, gone := partition(1, 0), partition(1, 1), partition(2, 0), partition(3, 0)
	register(t, h.Store, "a", metadata.Registration{Slices: []metadata.Slice{
		slice(a, 0, 9), slice(a, 10, 19), slice(b, 0, 9), slice(b, 10, 19), slice(c, 0, 9), slice(gone, 0, 9),
	}})
	if err := h.Store.CreateTopic(ctx, topic(3, "gone")); err != nil {
		t.Fatal(err)
	}
	if err := h.Store.DeleteTopic(ctx, gone.Topic); err != nil {
		t.Fatal(err)
	}
	set := func(starts ...metadata.LogStart) {
		t.Helper()
		if err := h.Store.SetLogStarts(ctx, starts...); err != nil {
			t.Fatal(err)
		}
	}
	set()
	set(metadata.LogStart{ID: b, Offset: 12})
	set(metadata.LogStart{ID: a, Offset: 10}, metadata.LogStart{ID: b, Offset: 3}, metadata.LogStart{ID: gone, Offset: 5}, metadata.LogStart{ID: c, Offset: 10})
	for s := range beforeAndAfter(t, h) {
		for id, want := range map[pack.PartitionID]int64{a: 10, b: 12, c: 10, gone: 0} {
			if got, err := s.LogStart(t.Context(), id); err != nil || got != want {
				t.Errorf("log start of %v: %d, %v, want %d", id, got, err, want)
			}
		}
		if got := append(offsets(t, s, a), append(offsets(t, s, b), offsets(t, s, c)...)...); !slices.Equal(got, []int64{10, 10}) {
			t.Errorf("slices from %v", got)
		}
	}
}

// testOldest pages through partitions of several topics.
func testOldest(t *testing.T, h *Harness) {
	ids := []pack.PartitionID{partition(1, 0), partition(1, 1), partition(1, 300), partition(2, 0), partition(2, 5)}
	for i, key := range []string{"a", "b", "c"} {
		var reg metadata.Registration
		for _, id := range ids {
			x := slice(id, int64(10*i), int64(10*i+9))
			x.Bytes, x.MaxTimestamp, x.AppendTime = 100+int64(id.Partition)-int64(i), 7-int64(i), 70+int64(i)
			reg.Slices = append(reg.Slices, x)
			reg.States = append(reg.States, metadata.State{ID: id, NextOffset: x.LastOffset + 1})
		}
		register(t, h.Store, key, reg)
	}
	never := partition(2, 7)
	register(t, h.Store, "state", metadata.Registration{States: []metadata.State{{ID: never, NextOffset: 5, BlockLen: 1}}})
	if err := h.Store.SetLogStarts(t.Context(), metadata.LogStart{ID: ids[1], Offset: 15}, metadata.LogStart{ID: ids[3], Offset: 30}); err != nil {
		t.Fatal(err)
	}
	for s := range beforeAndAfter(t, h) {
		checkOldest(t, s, append(ids, never))
		got, err := s.Oldest(t.Context(), ids[0], 1)
		if err != nil || len(got) != 1 || got[0].First.ID != ids[1] || got[0].First.BaseOffset != 10 || got[0].Slices != 2 || got[0].LastOffset != 29 || got[0].Bytes != 100+1-1+100+1-2 {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.Oldest(t.Context(), ids[4], 10); err != nil || len(got) != 0 {
			t.Errorf("behind the last: %+v, %v", got, err)
		}
	}
}

// checkOldest holds Oldest, at several sizes of a page, to what Partition says of the ids,
// which are all that may have a slice, in order.
func checkOldest(t *testing.T, s metadata.Store, ids []pack.PartitionID) {
	t.Helper()
	var want []metadata.Oldest
	for _, id := range ids {
		list, _, err := s.Partition(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			continue
		}
		x := metadata.Oldest{First: list[0], LastOffset: list[len(list)-1].LastOffset, Slices: len(list)}
		for i := range list {
			x.Bytes += list[i].Bytes
		}
		want = append(want, x)
	}
	for _, n := range []int{1, 2, 1000} {
		var got []metadata.Oldest
		for after := (pack.PartitionID{}); ; after = got[len(got)-1].First.ID {
			page, err := s.Oldest(t.Context(), after, n)
			if err != nil || len(page) > n {
				t.Fatalf("%d of %d, %v", len(page), n, err)
			}
			if got = append(got, page...); len(page) < n {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("by %d: %+v, want %+v", n, got, want)
		}
	}
}

func testUsage(t *testing.T, h *Harness) {
	usage := func(s metadata.Store, topics ...metadata.TopicID) metadata.Usage {
		t.Helper()
		u, err := s.Usage(t.Context(), topics)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	if u := usage(h.Store, topicID(1)); !reflect.DeepEqual(u, metadata.Usage{}) {
		t.Errorf("of nothing: %+v", u)
	}
	p, q, other, idle := partition(1, 0), partition(2, 0), partition(3, 0), partition(3, 1)
	both := register(t, h.Store, "both", metadata.Registration{
		Slices: []metadata.Slice{slice(p, 0, 9), slice(other, 0, 9)},
		States: []metadata.State{{ID: p, NextOffset: 10, BlockLen: 1}, {ID: other, NextOffset: 10, BlockLen: 3, BlockPos: 1}},
	})
	mine := register(t, h.Store, "mine", metadata.Registration{
		Slices: []metadata.Slice{slice(p, 10, 19), slice(p, 20, 29), slice(q, 0, 9)},
		States: []metadata.State{{ID: p, NextOffset: 30}, {ID: q, NextOffset: 10, BlockLen: 1}},
	})
	states := register(t, h.Store, "states", metadata.Registration{
		States: []metadata.State{{ID: idle, NextOffset: 4, LeaderEpoch: 2, BlockPos: 5, BlockLen: 6}},
	})
	stranded := []metadata.State{{ID: idle, NextOffset: 4, LeaderEpoch: 2, Block: states, BlockPos: 5, BlockLen: 6}}
	alone := func(u metadata.Usage) (ids []metadata.SegmentID) {
		for _, x := range u.Alone {
			ids = append(ids, x.ID)
		}
		return ids
	}
	for s := range beforeAndAfter(t, h) {
		u := usage(s, topicID(1), topicID(2), topicID(9))
		if u.Segments != 2 || u.Bytes != 2<<20 || !slices.Equal(u.Stranded, stranded) ||
			!slices.Equal(alone(u), []metadata.SegmentID{mine}) || u.Alone[0].Key != "mine" {
			t.Errorf("%+v", u)
		}
		if u := usage(s, topicID(1)); len(u.Alone) != 0 {
			t.Errorf("topic 2 has something there too: %+v", u)
		}
		h.Store = s
	}
	// What is left of the first segment is of these topics alone, and then nothing is.
	lift := func(id pack.PartitionID) {
		t.Helper()
		if err := h.Store.SetLogStarts(t.Context(), metadata.LogStart{ID: id, Offset: 10}); err != nil {
			t.Fatal(err)
		}
	}
	lift(other)
	if u := usage(h.Store, topicID(1), topicID(2)); u.Segments != 2 || !slices.Equal(alone(u), []metadata.SegmentID{both, mine}) || len(u.Stranded) != 1 {
		t.Errorf("%+v", u)
	}
	lift(p)
	stranded = append([]metadata.State{{ID: other, NextOffset: 10, Block: both, BlockPos: 1, BlockLen: 3}}, stranded...)
	if u := usage(h.Store, topicID(1), topicID(2)); u.Segments != 1 || u.Bytes != 1<<20 ||
		!slices.Equal(alone(u), []metadata.SegmentID{mine}) || !slices.Equal(u.Stranded, stranded) {
		t.Errorf("%+v", u)
	}
}

// sameTotals holds Oldest and Usage to what the model says.
func sameTotals(t *testing.T, s, model metadata.Store, ids []pack.PartitionID) {
	t.Helper()
	checkOldest(t, s, ids)
	for _, topics := range [][]metadata.TopicID{nil, {topicID(1)}, {topicID(2), topicID(3)}} {
		got, err := s.Usage(t.Context(), topics)
		if err != nil {
			t.Fatal(err)
		}
		want, err := model.Usage(t.Context(), topics)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Alone { // the clocks are others
			want.Alone[i].CreatedAt = 0
		}
		for i := range got.Alone {
			got.Alone[i].CreatedAt = 0
		}
		sameSparse(t, s, model)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("usage of %v:\ngot  %+v\nwant %+v", topics, got, want)
		}
	}
}

// sameSparse holds Sparse, and Lying of what it returns, to what the model says.
func sameSparse(t *testing.T, s, model metadata.Store) {
	t.Helper()
	for _, dead := range []float64{-1, 0, 0.5} {
		got, err := s.Sparse(t.Context(), dead, 1000)
		if err != nil {
			t.Fatal(err)
		}
		want, err := model.Sparse(t.Context(), dead, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want { // the clocks are others
			want[i].CreatedAt = 0
		}
		for i := range got {
			got[i].CreatedAt = 0
			a, err := s.Lying(t.Context(), got[i].ID)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := model.Lying(t.Context(), got[i].ID); err != nil || !slices.Equal(a, b) {
				t.Fatalf("in segment %d: %+v, want %+v, %v", got[i].ID, a, b, err)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("sparse above %g:\ngot  %+v\nwant %+v", dead, got, want)
		}
	}
}

func testSparse(t *testing.T, h *Harness) {
	p, q := partition(1, 0), partition(2, 0)
	up := func(x metadata.Slice) metadata.Slice {
		x.Level = 3
		return x
	}
	// Of 300 bytes a hundred are nobody's from the beginning.
	a := register(t, h.Store, "a", metadata.Registration{Segment: metadata.Segment{Data: 300},
		Slices: []metadata.Slice{slice(q, 0, 9), slice(p, 0, 9)}, States: []metadata.State{{ID: p, NextOffset: 10, BlockLen: 1}}})
	b := register(t, h.Store, "b", metadata.Registration{Segment: metadata.Segment{Data: 200},
		Slices: []metadata.Slice{up(slice(p, 10, 19)), slice(p, 20, 29)}})
	sparse := func(s metadata.Store, dead float64, n int) (ids []metadata.SegmentID, live []int64) {
		t.Helper()
		list, err := s.Sparse(t.Context(), dead, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range list {
			seg, err := s.Segment(t.Context(), x.ID)
			if err != nil || seg != x.Segment {
				t.Fatalf("%+v, want %+v, %v", seg, x.Segment, err)
			}
			ids, live = append(ids, x.ID), append(live, x.Live)
		}
		return ids, live
	}
	for s := range beforeAndAfter(t, h) {
		if ids, live := sparse(s, 0, 10); !slices.Equal(ids, []metadata.SegmentID{a}) || live[0] != 200 {
			t.Errorf("%v, %v", ids, live)
		}
		want := []metadata.Slice{slice(p, 0, 9), slice(q, 0, 9)}
		want[0].Segment, want[1].Segment = a, a
		if got, err := s.Lying(t.Context(), a); err != nil || !slices.Equal(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.Lying(t.Context(), b); err != nil || len(got) != 2 || got[0].Level != 3 || got[1].Level != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		if got, err := s.Lying(t.Context(), b+1); err != nil || len(got) != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		h.Store = s
	}
	// A log start, what replaces slices, and a topic that is deleted take from it.
	s, ctx := h.Store, t.Context()
	if err := s.SetLogStarts(ctx, metadata.LogStart{ID: p, Offset: 10}); err != nil {
		t.Fatal(err)
	}
	c := register(t, s, "c", metadata.Registration{Segment: metadata.Segment{Data: 100},
		Slices: []metadata.Slice{up(slice(p, 10, 19))}, Replaces: []metadata.Replace{{ID: p, From: 10, To: 19, Was: []metadata.SegmentID{b}}}})
	if ids, live := sparse(s, 0.4, 10); !slices.Equal(ids, []metadata.SegmentID{a, b}) || !slices.Equal(live, []int64{100, 100}) {
		t.Errorf("%v, %v", ids, live)
	}
	if ids, _ := sparse(s, 0.5, 10); !slices.Equal(ids, []metadata.SegmentID{a}) {
		t.Errorf("%v", ids)
	}
	if ids, _ := sparse(s, 0, 1); !slices.Equal(ids, []metadata.SegmentID{a}) {
		t.Errorf("%v", ids)
	}
	if u, err := s.Usage(ctx, nil); err != nil || u.Data != 600 || u.Live != 300 {
		t.Errorf("%+v, %v", u, err)
	}
	if err := s.CreateTopic(ctx, topic(1, "p")); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteTopic(ctx, p.Topic); err != nil {
		t.Fatal(err)
	}
	if ids, live := sparse(s, 0, 10); !slices.Equal(ids, []metadata.SegmentID{a}) || live[0] != 100 {
		t.Errorf("%v, %v (and not %d, %d)", ids, live, b, c)
	}
}
