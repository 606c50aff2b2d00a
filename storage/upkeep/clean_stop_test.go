package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Bytes that do not check are not given a new checksum: the partition is named and left,
// others go on.
func TestCompactionChecksWhatItRewrites(t *testing.T) {
	r := newCleanRig(t, uploaded, compacted)
	p, q := at(compacted, 0), at(compacted, 1)
	for _, id := range []pack.PartitionID{p, q} {
		r.produce(id, r.keyed("a=1"))
		r.sealAll()
		r.produce(id, r.keyed("a=2"))
		r.sealAll()
	}
	r.damage(p)
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	r.left(q, "1:a=2")
	if got := r.upkeep.clean.parts[p].uncleanOf; !errors.Is(got, pack.ErrCorrupt) {
		t.Fatalf("the damaged partition: %v", got)
	}
	list, _, err := r.store.Partition(context.Background(), p)
	r.must(err)
	if len(list) != 2 {
		t.Fatalf("slices of the damaged partition: %+v", list)
	}
	r.produce(p, r.keyed("a=3")) // it lives on
}

// damage flips a bit in the first batch of a partition's first segment, wherever it lies.
func (r *rig) damage(id pack.PartitionID) {
	r.t.Helper()
	ctx := context.Background()
	list, _, err := r.store.Partition(ctx, id)
	r.must(err)
	seg, err := r.store.Segment(ctx, list[0].Segment)
	r.must(err)
	xs, err := r.index.Extents(ctx, seg, id)
	r.must(err)
	all := make([]byte, seg.Bytes)
	_, err = objectReader{ctx, r.bucket, seg.Key}.ReadAt(all, 0)
	r.must(err)
	all[xs[0].DataPos+xs[0].DataLen-1] ^= 1
	r.must(r.bucket.Delete(ctx, seg.Key))
	r.must(r.bucket.Create(ctx, seg.Key, bucket.Body{Size: seg.Bytes, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(all)), nil }}))
}

// A run that is stopped anywhere leaves readers the state before or after, and nothing
// that neither store nor intent knows; the next one completes.
func TestCompactionStoppedAnywhere(t *testing.T) {
	stopped := errors.New("stopped")
	for _, k := range []kind{adopted, uploaded} {
		for i, step := range []string{"map", "spooling", "spool", "intend", "upload", "register", "switch", "switch"} {
			restarts := i < 7 // or the process goes on
			t.Run(fmt.Sprintf("%s folder %v, restart %v", step, k.folder, restarts), func(t *testing.T) {
				r := newCleanRig(t, k, compacted)
				p := at(compacted, 0)
				r.produce(p, r.keyed("a=1", "b=1"))
				r.produce(p, r.keyed("a=2"))
				r.sealAll()
				r.clean()
				r.clock.advance(11 * time.Second)
				hit := false
				r.seam = func(s string) error {
					if s == step {
						hit = true
						return stopped
					}
					return nil
				}
				if err := r.upkeep.Clean(context.Background()); !errors.Is(err, stopped) || !hit {
					t.Fatal(err, hit)
				}
				r.seam = nil
				before, after := []string{"0:a=1", "1:b=1", "2:a=2"}, []string{"1:b=1", "2:a=2"}
				if got := r.records(p); !slices.Equal(got, before) && !slices.Equal(got, after) {
					t.Fatalf("records %q", got)
				}
				if restarts {
					r.restart()
				}
				if got := r.records(p); !slices.Equal(got, before) && !slices.Equal(got, after) {
					t.Fatalf("records after the restart %q", got)
				}
				r.clean()
				r.clock.advance(11 * time.Second)
				r.clean()
				r.left(p, after...)
				for range 3 {
					r.clock.advance(time.Hour)
					r.must(r.upkeep.Sweep(context.Background()))
				}
				r.left(p, after...)
				known := append(r.referenced(), r.intents()...)
				for _, key := range r.objects("") {
					if strings.HasPrefix(key, compactedPrefix) && !slices.Contains(known, key) {
						t.Errorf("%s is known to nobody", key)
					}
				}
			})
		}
	}
}

// A disk that is full, or as full as it may be, ends a run with nothing left behind; the next one
// completes once there is room.
func TestCompactionOnAFullDisk(t *testing.T) {
	r := newCleanRig(t, adopted, compacted)
	p := at(compacted, 0)
	r.produce(p, r.keyed("a=1", "b=1"))
	r.produce(p, r.keyed("a=2"))
	r.sealAll()
	r.clean()
	r.clock.advance(11 * time.Second)
	room := int64(10)
	r.upkeep.cfg.Room = func() (int64, error) { return room, nil }
	for range 3 {
		if err := r.upkeep.Clean(context.Background()); !errors.Is(err, errNoRoom) {
			t.Fatal(err)
		}
		r.left(p, "0:a=1", "1:b=1", "2:a=2")
		if left, err := filepath.Glob(filepath.Join(r.dir, "*.spool")); err != nil || len(left) > 0 {
			t.Fatal(left, err)
		}
	}
	room = 1 << 20
	r.clean()
	r.left(p, "1:b=1", "2:a=2")
}

// What is replaced must be what was read: retention that takes a slice meanwhile wins.
func TestCompactionConflict(t *testing.T) {
	both := compacted
	both.Delete = true
	r := newCleanRig(t, adopted, both)
	p := at(both, 0)
	for i := range 3 {
		r.produce(p, r.keyed(fmt.Sprint("a=", i), fmt.Sprint("b=", i)))
		r.sealAll()
	}
	r.clean()
	r.clock.advance(11 * time.Second)
	r.seam = func(s string) error {
		if s == "register" {
			r.seam = nil
			r.must(r.store.SetLogStarts(context.Background(), metadata.LogStart{ID: p, Offset: 2}))
			r.log.LogStartRaised(p, 2)
		}
		return nil
	}
	r.clean()
	r.left(p, "2:a=1", "3:b=1", "4:a=2", "5:b=2")
	r.clean()
	r.left(p, "4:a=2", "5:b=2")
}

// Groups are registered from the oldest on: a run that is stopped between two of them has
// not taken a tombstone while an older value of its key is left.
func TestCompactionGroupsAscend(t *testing.T) {
	small := compacted
	small.SegmentBytes = 1 // each slice is a group
	r := newCleanRig(t, adopted, small)
	p := at(small, 0)
	for _, x := range []string{"a=1", "a=2", "a"} {
		r.produce(p, r.keyed(x, "b="+x))
		r.sealAll()
	}
	r.clean()
	r.clock.advance(11 * time.Second)
	stopped := errors.New("stopped")
	groups := 0
	r.seam = func(s string) error {
		if s == "switch" {
			if groups++; groups == 2 {
				return stopped
			}
		}
		return nil
	}
	if err := r.upkeep.Clean(context.Background()); !errors.Is(err, stopped) {
		t.Fatal(err)
	}
	r.seam = nil
	r.restart()
	list, _, err := r.store.Partition(context.Background(), p)
	r.must(err)
	for i := range list {
		is, err := r.upkeep.isCompacted(context.Background(), list[i].Segment)
		r.must(err)
		if want := i < len(list)-1; is != want {
			t.Errorf("slice %d of %d: compacted is %v, want %v", i, len(list), is, want)
		}
	}
	r.left(p, "4:a", "5:b=a")
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	r.left(p, "4:a", "5:b=a")
}
