package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/bucket/faults"
	"github.com/streamhouse/streamhouse/storage/cache"
)

// noisy makes a rig over a remote bucket whose gets can flip bits, with the cache of the
// broker in front of sealed objects.
func noisy(t *testing.T, k kind) (*rig, *faults.Bucket) {
	r := newRig(t, k)
	r.stop()
	f := faults.New(r.bucket, 1)
	r.bucket = f
	r.cached = cache.NewObjects(f, cache.Options{BlockBytes: 4 << 10, RequestSize: 8 << 10, AheadBytes: 4 << 10, MemoryBytes: 16 << 10})
	t.Cleanup(func() { r.cached.Close() })
	r.begin()
	return r, f
}

func corrupt(prefix string, times int) faults.Rule {
	return faults.Rule{Op: faults.Get, Prefix: prefix, Times: times, Fault: faults.Fault{Kind: faults.Corrupt}}
}

func remoteKinds(t *testing.T, fn func(t *testing.T, k kind)) {
	t.Run("uploaded", func(t *testing.T) { fn(t, uploaded) })
	t.Run("object journal", func(t *testing.T) { fn(t, kind{object: true}) })
}

// TestSealedBytesAreCheckedEachTimeTheyCome: a process that wrote a segment, and has read
// it before, meets a wrong bit when a part of it has to be fetched once more.
func TestSealedBytesAreCheckedEachTimeTheyCome(t *testing.T) {
	remoteKinds(t, func(t *testing.T, k kind) {
		r, f := noisy(t, k)
		for range 12 {
			r.some()
		}
		r.roll()
		r.must(r.upkeep.Seal(context.Background()))
		r.checkAcked()
		for n := 1; n <= 20; n++ {
			r.cached.Forget(r.objects(segmentPrefix)[0])
			f.Add(faults.Rule{
				Op: faults.Get, Prefix: segmentPrefix, Skip: n % 4, Times: 1 + n%2, Fault: faults.Fault{Kind: faults.Corrupt},
			})
			r.checkAcked()
			f.Clear()
		}
		if f.Count(faults.Get, faults.Corrupt) < 20 {
			t.Errorf("%d gets were spoiled", f.Count(faults.Get, faults.Corrupt))
		}
		// One that is wrong for ever is an error, and no harm to what comes after.
		r.cached.Forget(r.objects(segmentPrefix)[0])
		f.Add(corrupt(segmentPrefix, 0))
		if _, err := r.upkeep.cfg.Log.ReadBatches(context.Background(), at(orders, 0), 0, 1<<20); !errors.Is(err, protocol.KafkaStorageError) {
			t.Errorf("a segment that is wrong each time: %v", err)
		}
		f.Clear()
		r.checkAcked()
	})
}

// TestLiftOfSpoiledBytes: a lift encodes anew, so what it reads must be right.
func TestLiftOfSpoiledBytes(t *testing.T) {
	remoteKinds(t, func(t *testing.T, k kind) {
		ctx := context.Background()
		r, f := noisy(t, k)
		r.commits(at(consumers, 0), 700, 150)
		r.commits(at(consumers, 1), 300, 250)
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		r.commits(at(consumers, 1), 200, 100)
		for n := range 6 {
			for _, key := range r.objects(segmentPrefix) {
				r.cached.Forget(key)
			}
			f.Add(faults.Rule{
				Op: faults.Get, Match: func(key string) bool { return key[0] == 's' || key[0] == 'j' || key[0] == 'l' },
				Skip: n % 3, Times: 2, Fault: faults.Fault{Kind: faults.Corrupt},
			})
			r.must(r.upkeep.Lift(ctx))
			f.Clear()
			r.checkTables()
			r.commits(at(consumers, 0), 20, 20)
		}
		if f.Count(faults.Get, faults.Corrupt) < 6 {
			t.Errorf("%d gets were spoiled", f.Count(faults.Get, faults.Corrupt))
		}
	})
}

// TestOwnBytesAreNotVouchedFor: a segment that this very process wrote, and has read, gets a
// wrong bit that stays. Neither a lift nor a compaction gives it a new checksum: the object is
// there as it was, and nothing has taken its place.
func TestOwnBytesAreNotVouchedFor(t *testing.T) {
	ctx := context.Background()
	for _, k := range []kind{adopted, uploaded} {
		t.Run(fmt.Sprintf("folder %v", k.folder), func(t *testing.T) {
			r := newRig(t, k)
			p := at(consumers, 1)
			r.commits(p, 200, 20)
			r.roll()
			r.must(r.upkeep.Seal(ctx))
			r.checkTables() // read once: the process trusts what it wrote
			before, _, err := r.store.Partition(ctx, p)
			r.must(err)
			r.damage(p)
			r.commits(p, 200, 20)
			_ = r.upkeep.Lift(ctx) // an error, or the partition is passed over
			after, _, err := r.store.Partition(ctx, p)
			r.must(err)
			if len(before) == 0 || len(after) < len(before) || !slices.Equal(before, after[:len(before)]) {
				t.Errorf("lifted: slices were %+v, are %+v", before, after)
			}
			if n := len(r.objects(liftedPrefix)); n != 0 {
				t.Errorf("%d lifted segments", n)
			}

			c := newCleanRig(t, k, compacted)
			q := at(compacted, 0)
			c.produce(q, c.keyed("a=1", "b=1"))
			c.sealAll()
			c.produce(q, c.keyed("a=2"))
			c.sealAll()
			c.left(q, "0:a=1", "1:b=1", "2:a=2")
			c.damage(q)
			c.clean()
			c.clock.advance(11 * time.Second)
			c.clean()
			if n := len(c.objects(compactedPrefix)); n != 0 || c.upkeep.clean.parts[q].uncleanOf == nil {
				t.Errorf("compacted: %d objects, %v", n, c.upkeep.clean.parts[q].uncleanOf)
			}
		})
	}
}

// TestSealOfSpoiledBytes: neither a pack that comes back wrong nor a footer is damage
// before it has been looked at again.
func TestSealOfSpoiledBytes(t *testing.T) {
	remoteKinds(t, func(t *testing.T, k kind) {
		ctx := context.Background()
		r, f := noisy(t, k)
		spoiled := 0
		for n := range 12 {
			r.some()
			r.roll()
			f.Add(faults.Rule{
				Op: faults.Get, Match: func(key string) bool { return key[0] == 's' || key[0] == 'j' },
				Skip: n, Times: 1, Fault: faults.Fault{Kind: faults.Corrupt},
			})
			err := r.upkeep.Seal(ctx)
			if err != nil && damaged(err) {
				t.Fatalf("get %d: %v", n, err)
			}
			spoiled += f.Count(faults.Get, faults.Corrupt)
			f.Clear()
			r.must(r.upkeep.Seal(ctx))
			r.checkAcked()
			r.checkStates()
		}
		if spoiled < 3 {
			t.Errorf("%d gets were spoiled", spoiled)
		}
		sweepAll(r)
		r.checkAcked()
	})
}
