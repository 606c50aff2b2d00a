package metadatatest

import (
	"bytes"
	"errors"
	"maps"
	"reflect"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
)

func testBegin(t *testing.T, h *Harness) {
	first, err := h.Store.Begin(t.Context()) // Run has called it once
	if err != nil {
		t.Fatal(err)
	}
	if len(first.ClusterID) != 22 || first.Epoch != 2 || first.Incarnation != 1 {
		t.Fatalf("%+v", first)
	}
	s := h.Reopen(t)
	want := metadata.Start{ClusterID: first.ClusterID, Epoch: 3, Incarnation: 1}
	for range 3 { // it counts nothing
		if next, err := s.Identity(t.Context()); err != nil || next != want {
			t.Fatalf("%+v, %v, want %+v", next, err, want)
		}
	}
	again, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again != want {
		t.Fatalf("%+v, want %+v", again, want)
	}
}

func testProducerIDs(t *testing.T, h *Harness) {
	var next int64
	for i, n := range []int64{1, 1000, 1000, 7} {
		s := h.Store
		if i == 2 {
			s = h.Reopen(t)
			h.Store = s
		}
		first, err := s.AllocateProducerIDs(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if first < next {
			t.Fatalf("block from %d, after ids up to %d", first, next)
		}
		next = first + n
	}
	for _, n := range []int64{0, -1} {
		if first, err := h.Store.AllocateProducerIDs(t.Context(), n); err == nil {
			t.Errorf("%d ids from %d", n, first)
		}
	}
}

func testValues(t *testing.T, h *Harness) {
	s := h.Store
	if v, err := s.Get(t.Context(), "manifest"); !errors.Is(err, metadata.ErrNotFound) || v != nil {
		t.Fatalf("%q, %v", v, err)
	}
	for _, want := range [][]byte{{1, 0, 255}, {}, []byte("again")} {
		if err := s.Put(t.Context(), "manifest", want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get(t.Context(), "manifest"); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
	}
	if got, err := h.Reopen(t).Get(t.Context(), "manifest"); err != nil || string(got) != "again" {
		t.Fatalf("%q, %v", got, err)
	}
}

func topic(n byte, name string) metadata.Topic {
	return metadata.Topic{ID: topicID(n), Name: name, Partitions: 3, Replicas: 2, BirthEpoch: 1,
		Configs: map[string]string{"retention.ms": "1"}}
}

func testTopics(t *testing.T, h *Harness) {
	s := h.Store
	if got, err := s.LoadTopics(t.Context()); err != nil || len(got) != 0 {
		t.Fatalf("%v, %v", got, err)
	}
	b, a := topic(2, "b"), topic(1, "a")
	a.Configs = nil
	for _, x := range []metadata.Topic{b, a} {
		if err := s.CreateTopic(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	b.Partitions, b.Configs = 5, map[string]string{"retention.ms": "ü\"'", "cleanup.policy": ""}
	b.Name, b.Replicas, b.BirthEpoch = "renamed", 9, 9 // not what an update changes
	if err := s.UpdateTopic(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	b.Name, b.Replicas, b.BirthEpoch, b.Version = "b", 2, 1, 1
	a.Configs = map[string]string{}
	for store := range beforeAndAfter(t, h) {
		got, err := store.LoadTopics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := []metadata.Topic{a, b}; !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	}
}

func testTopicConflicts(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	if err := s.CreateTopic(ctx, topic(1, "a")); err != nil {
		t.Fatal(err)
	}
	if err := s.CreateTopic(ctx, topic(2, "a")); !errors.Is(err, metadata.ErrExists) {
		t.Errorf("same name: %v", err)
	}
	if err := s.CreateTopic(ctx, topic(1, "b")); !errors.Is(err, metadata.ErrExists) {
		t.Errorf("same id: %v", err)
	}
	if err := s.UpdateTopic(ctx, topic(7, "x")); !errors.Is(err, metadata.ErrNotFound) {
		t.Errorf("update of nothing: %v", err)
	}
	if err := s.UpdateTopic(ctx, topic(1, "a")); err != nil {
		t.Error(err)
	}
	if err := s.UpdateTopic(ctx, topic(1, "a")); !errors.Is(err, metadata.ErrConflict) {
		t.Errorf("update of an old version: %v", err)
	}
	if got, err := s.LoadTopics(ctx); err != nil || len(got) != 1 || got[0].Version != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func testTopicDelete(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	if err := s.DeleteTopic(ctx, topicID(1)); !errors.Is(err, metadata.ErrNotFound) {
		t.Fatalf("delete of nothing: %v", err)
	}
	for n, name := range map[byte]string{1: "a", 2: "b"} {
		if err := s.CreateTopic(ctx, topic(n, name)); err != nil {
			t.Fatal(err)
		}
		id := partition(n, 0)
		register(t, s, name, metadata.Registration{
			Slices: []metadata.Slice{slice(id, 0, 9)},
			States: []metadata.State{{ID: id, NextOffset: 10, BlockLen: 5}},
		})
		if err := s.SetLogStarts(ctx, metadata.LogStart{ID: id, Offset: 3}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeleteTopic(ctx, topicID(1)); err != nil {
		t.Fatal(err)
	}
	check := func(s metadata.Store) {
		t.Helper()
		for n, want := range map[byte]bool{1: true, 2: false, 3: false} {
			if gone, err := s.Deleted(ctx, topicID(n)); err != nil || gone != want {
				t.Errorf("tombstone of %d: %v, %v", n, gone, err)
			}
		}
		list, state, err := s.Partition(ctx, partition(1, 0))
		if err != nil || len(list) != 0 || state != (metadata.State{ID: partition(1, 0)}) {
			t.Errorf("%v, %+v, %v", list, state, err)
		}
		if start, err := s.LogStart(ctx, partition(1, 0)); err != nil || start != 0 {
			t.Errorf("log start %d, %v", start, err)
		}
		if got := offsets(t, s, partition(2, 0)); len(got) != 1 {
			t.Errorf("the other topic's slices: %v", got)
		}
	}
	check(s)
	if err := s.CreateTopic(ctx, topic(1, "c")); !errors.Is(err, metadata.ErrExists) {
		t.Errorf("an id used again: %v", err)
	}
	if err := s.CreateTopic(ctx, topic(3, "a")); err != nil {
		t.Errorf("a name used again: %v", err)
	}
	if err := s.SetLogStarts(ctx, metadata.LogStart{ID: partition(1, 0), Offset: 7}); err != nil {
		t.Error(err)
	}
	check(h.Reopen(t))
}

func testConfigs(t *testing.T, h *Harness) {
	s, ctx := h.Store, t.Context()
	all := metadata.Resource{Type: 4}
	one := metadata.Resource{Type: 4, Name: "1"}
	group := metadata.Resource{Type: 32, Name: "1"}
	want := map[metadata.Resource]map[string]string{
		all: {"a": "1", "b": ""}, one: {"a": "2"}, group: {"ü": "\"x\"\n"},
	}
	for r, set := range want {
		if err := s.SetConfigs(ctx, r, map[string]string{"old": "x"}); err != nil {
			t.Fatal(err)
		}
		if err := s.SetConfigs(ctx, r, maps.Clone(set)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.SetConfigs(ctx, one, nil); err != nil {
		t.Fatal(err)
	}
	delete(want, one)
	for store := range beforeAndAfter(t, h) {
		if got, err := store.LoadConfigs(ctx); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, %v, want %v", got, err, want)
		}
	}
}
