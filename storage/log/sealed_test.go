package log

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/journal"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// What upkeep changes while a partition loads is not lost to what the load has read
// before.
func TestChangesWhileAPartitionLoads(t *testing.T) {
	ctx, id := context.Background(), pack.PartitionID{Topic: [16]byte{1}}
	slice := func(segment metadata.SegmentID, base, last int64) metadata.Slice {
		return metadata.Slice{ID: id, Segment: segment, BaseOffset: base, LastOffset: last, Bytes: 10}
	}
	for _, c := range []struct {
		name   string
		change func(*rig)
		start  int64
		slices []metadata.Slice
	}{
		{"log start", func(r *rig) {
			_ = r.store.SetLogStarts(ctx, metadata.LogStart{ID: id, Offset: 12})
			r.log.LogStartRaised(id, 12)
		}, 12, []metadata.Slice{slice(2, 10, 19)}},
		{"lift", func(r *rig) {
			lifted := []metadata.Slice{slice(3, 0, 19)}
			r.store.mu.Lock()
			r.store.slices = lifted
			r.store.mu.Unlock()
			r.log.Lifted(id, 19, lifted)
		}, 0, []metadata.Slice{slice(3, 0, 19)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, newScriptedJournal(1))
			r.store.slices = []metadata.Slice{slice(1, 0, 9), slice(2, 10, 19)}
			r.store.read = sync.OnceFunc(func() { c.change(r) })
			p := r.partition(0)
			if b := p.Bounds(); b.LogStart != c.start || b.HighWatermark != 20 {
				t.Errorf("%+v, want a log start of %d", b, c.start)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			got := p.sealed
			for len(got) > 0 && got[0].LastOffset < c.start {
				got = got[1:] // nobody reads them
			}
			if !reflect.DeepEqual(got, c.slices) {
				t.Errorf("slices %+v", got)
			}
		})
	}
}

// A slice that was registered before the log start was raised above it is not listed.
func TestSealedBelowTheLogStart(t *testing.T) {
	r := newRig(t, newScriptedJournal(1))
	p := r.partition(0)
	r.must(p, batch(-1, 0, 10, 10), 0)
	if _, err := r.log.DeleteRecords(context.Background(), p, 10); err != nil {
		t.Fatal(err)
	}
	r.log.VolumeSealed(1, []metadata.Slice{{ID: p.id, Segment: 1, LastOffset: 9, Bytes: 100}})
	if n := p.size(); n != 0 {
		t.Errorf("%d bytes lie below the log start", n)
	}
}

// Produce that was refused because sealing is behind is taken again as soon as the
// journal has let go of enough, and is refused from the start if it holds too much.
func TestBacklog(t *testing.T) {
	j := newScriptedJournal(1)
	j.volumes[0] = journal.Info{ID: 1, FirstSeq: 1, Closed: true, Bytes: 200_000}
	j.volumes = append(j.volumes, journal.Info{ID: 2, FirstSeq: 1})
	r := newRigWith(t, j, func(c *Config) { c.UnsealedMax, c.RollAge = 100_000, 24*time.Hour }) // no look in between
	p := r.partition(0)
	waitFor(t, func() bool { return errors.Is((<-r.send(p, batch(-1, 0, 1, 10))).Err, protocol.KafkaStorageError) })
	j.mu.Lock()
	j.volumes = j.volumes[1:]
	j.mu.Unlock()
	r.log.VolumesReleased()
	waitFor(t, func() bool { return (<-r.send(p, batch(-1, 0, 1, 10))).Err == nil })
}
