package log

import (
	"context"
	"slices"
	"testing"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// TestBeginsAboveItsFloor: a log whose journal is gone numbers nothing below its log
// start or its last slice a second time, and what it takes then is found by a restart.
func TestBeginsAboveItsFloor(t *testing.T) {
	id := pack.PartitionID{Topic: [16]byte{1}, Partition: 2}
	for name, hold := range map[string]func(*store){
		"log start": func(s *store) { s.starts[id] = 50 },
		"last slice": func(s *store) {
			s.slices = []metadata.Slice{{ID: id, BaseOffset: 10, LastOffset: 19}, {ID: id, BaseOffset: 20, LastOffset: 49}}
			s.behind = true
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, newScriptedJournal(1))
			hold(r.store)
			// What the store says of a partition that is not loaded is what loading finds.
			if u, err := r.log.Usage(t.Context(), id); err != nil || u.HighWatermark != 50 || r.log.parts.loaded(id) != nil {
				t.Fatalf("%+v, %v", u, err)
			}
			p := r.partition(2)
			if u, err := r.log.Usage(t.Context(), id); err != nil || u.Bounds != p.Bounds() {
				t.Fatalf("%+v, %v", u, err)
			}
			if b := p.Bounds(); b.HighWatermark != 50 {
				t.Fatalf("%+v", b)
			}
			for seq := range int32(3) {
				if res := <-r.send(p, batch(7, seq*4, 4, 10)); res.Err != nil || res.BaseOffset != 50+int64(seq)*4 {
					t.Fatalf("batch %d: %+v", seq, res)
				}
			}
			if _, err := r.log.DeleteRecords(context.Background(), p, 55); err != nil {
				t.Fatal(err)
			}
			if err := r.stop(); err != nil {
				t.Fatal(err)
			}
			r.start()
			p = r.partition(2)
			if b := p.Bounds(); b.LogStart != 55 || b.HighWatermark != 62 {
				t.Fatalf("after a restart: %+v", b)
			}
			if got := r.offsets(p, 55, 1<<20); !slices.Equal(got, []int64{54, 58}) {
				t.Errorf("read %v", got)
			}
			// The producer goes on, so its batches below the log start are known too.
			if res := <-r.send(p, batch(7, 12, 1, 10)); res.Err != nil || res.BaseOffset != 62 {
				t.Errorf("the next batch: %+v", res)
			}
		})
	}
}

// TestGapAboveTheFloorIsDamage: what is missing above log start and slices was lost.
func TestGapAboveTheFloorIsDamage(t *testing.T) {
	r := newRig(t, newScriptedJournal(1))
	id := pack.PartitionID{Topic: [16]byte{1}, Partition: 2}
	r.store.starts[id] = 50
	if res := <-r.send(r.partition(2), batch(7, 0, 4, 10)); res.Err != nil || res.BaseOffset != 50 {
		t.Fatalf("%+v", res)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.store.starts[id] = 49
	if _, err := r.open(); err == nil {
		t.Fatal("a log with a hole at offset 49 was opened")
	}
}
