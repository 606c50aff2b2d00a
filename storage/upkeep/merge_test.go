package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/merge"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// newMergeRig is a rig with merging on.
func newMergeRig(t *testing.T, k kind) *rig {
	r := newRig(t, k)
	r.merging = Merging{Enabled: true, Wait: time.Hour}
	return r
}

func (r *rig) merge() {
	r.t.Helper()
	r.must(r.upkeep.Merge(context.Background()))
}

// sealMany seals n small segments, five minutes apart.
func (r *rig) sealMany(n int) {
	r.t.Helper()
	for range n {
		r.some()
		r.sealAll()
		r.clock.advance(5 * time.Minute)
	}
}

func (r *rig) slices(id pack.PartitionID) []metadata.Slice {
	r.t.Helper()
	list, _, err := r.store.Partition(context.Background(), id)
	r.must(err)
	return list
}

// shape shows the levels of a partition's slices.
func (r *rig) shape(id pack.PartitionID) string {
	r.t.Helper()
	var out []string
	for _, s := range r.slices(id) {
		out = append(out, fmt.Sprint(s.Level))
	}
	return strings.Join(out, " ")
}

// join merges slices i to i+n-1 of a partition, due or not.
func (r *rig) join(id pack.PartitionID, i, n int) error {
	list := r.slices(id)[i : i+n]
	m := &move{id: id, was: list, level: list[0].Level + 1, reason: reasonSmall}
	return r.upkeep.moveAll(context.Background(), mergedPrefix, []merge.Part[*move]{{ID: id, Bytes: 1, Of: m}}, &Merging{})
}

// joinSome merges random neighbours of a partition, if it has any, and returns how many.
func (r *rig) joinSome(rng *rand.Rand, id pack.PartitionID) int {
	r.t.Helper()
	list := r.slices(id)
	if len(list) < 2 {
		return 0
	}
	n := 2 + rng.IntN(len(list)-1)
	i := rng.IntN(len(list) - n + 1)
	r.must(r.join(id, i, n))
	return n
}

// sweepTwice has what nothing refers to deleted.
func (r *rig) sweepTwice() {
	r.t.Helper()
	for range 3 {
		r.clock.advance(time.Hour)
		r.must(r.upkeep.Sweep(context.Background()))
	}
}

// checkObjects: what is there of sealed data is referenced.
func (r *rig) checkObjects() {
	r.t.Helper()
	known := append(r.referenced(), r.intents()...)
	for _, prefix := range []string{segmentPrefix, mergedPrefix, compactedPrefix} {
		for _, key := range r.objects(prefix) {
			if !slices.Contains(known, key) {
				r.t.Errorf("%s is known to nobody", key)
			}
		}
	}
	for _, key := range r.referenced() {
		if _, err := r.bucket.Stat(context.Background(), key); err != nil {
			r.t.Errorf("%s is missing: %v", key, err)
		}
	}
}

func TestMerge(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newMergeRig(t, k)
		r.sealMany(15)
		r.merge()
		if got := r.shape(at(orders, 0)); got != strings.TrimSpace(strings.Repeat("0 ", 15)) {
			t.Fatalf("merged too early: %s", got)
		}
		r.sealMany(1)
		before := map[pack.PartitionID][]metadata.Slice{}
		for id := range r.acked {
			before[id] = r.slices(id)
		}
		r.merge()
		for id := range r.acked {
			list, was := r.slices(id), before[id]
			if len(list) != 1 || list[0].Level != 1 || list[0].BaseOffset != was[0].BaseOffset || list[0].LastOffset != was[15].LastOffset ||
				list[0].AppendTime != was[15].AppendTime || list[0].MaxTimestamp != was[15].MaxTimestamp {
				t.Errorf("%v: %+v", id, list)
			}
		}
		if n := len(r.objects(mergedPrefix)); n != 1 {
			t.Errorf("%d objects", n)
		}
		r.checkAcked()
		r.checkStates()
		r.restart()
		r.checkAcked()
		r.must(r.upkeep.Retain(context.Background())) // the states move out
		r.sweepTwice()
		r.checkAcked()
		r.checkStates()
		r.checkObjects()
		if n := len(r.objects(segmentPrefix)); n > 1 {
			t.Errorf("%d old segments are left", n)
		}
		if k != adopted {
			return
		}
		// More of them make a second level in the end.
		for range 15 {
			r.sealMany(16)
			r.merge()
		}
		r.sealMany(3)
		r.merge()
		if got := r.shape(at(orders, 0)); got != "2 0 0 0" {
			t.Errorf("levels %s", got)
		}
		r.checkAcked()
		r.restart()
		r.checkAcked()
		r.checkStates()
	})
}

// A process that starts finds what is due without being told of seals.
func TestMergeAfterAStart(t *testing.T) {
	r := newMergeRig(t, adopted)
	r.sealMany(20)
	r.restart()
	r.merge()
	if got := r.shape(at(clicks, 1)); got != "1" {
		t.Errorf("levels %s", got)
	}
}

func TestMergeSettings(t *testing.T) {
	r := newMergeRig(t, adopted)
	r.sealMany(20)
	r.merging.Enabled = false
	r.merge()
	if got := r.shape(at(orders, 0)); len(strings.Fields(got)) != 20 {
		t.Errorf("it is off: %s", got)
	}
	r.merging.Enabled = true
	r.topics.change(clicks.ID, func(t *Topic) { t.SegmentMs = 26 * 60_000 })                        // six slices of five minutes
	r.topics.change(orders.ID, func(t *Topic) { t.RetentionMs, t.RetentionBytes = 8*3_600_000, 1 }) // neither byte nor span
	r.merge()
	if got := r.shape(at(clicks, 1)); got != "1 1 1 0 0" {
		t.Errorf("segment.ms: %s", got)
	}
	if got := r.shape(at(orders, 0)); len(strings.Fields(got)) != 20 {
		t.Errorf("retention.bytes: %s", got)
	}
	if consumers.merges() || txns.merges() {
		t.Error("internal topics are lifted")
	}
}

// What a reader sees stays the same while slices give way, and what was listed as aborted
// is not listed again from the slice that took its place.
func TestMergeUnderAReader(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newMergeRig(t, k)
		id := at(orders, 0)
		now := r.clock.Now().UnixMilli()
		for _, batches := range [][][]byte{
			{plain(now, "a", "1"), inTransaction(5, now, "b", "1"), plain(now, "c", "1")},
			{plain(now, "d", "1")},
			{marker(5, false, now), plain(now, "e", "1"), inTransaction(7, now, "x", "1")},
			{inTransaction(6, now, "f", "1")},
			{marker(6, false, now), marker(7, true, now)},
		} {
			for _, b := range batches {
				r.produce(id, b)
			}
			r.sealAll()
		}
		r.restart()
		list := r.slices(id)
		seg, err := r.store.Segment(context.Background(), list[3].Segment)
		r.must(err)
		p, err := r.log.Partition(context.Background(), id, r.topics.epoch)
		r.must(err)
		read := func() ([]log.Aborted, int) {
			res, err := r.log.Read(context.Background(), p, log.ReadRequest{Offset: 0, MaxBytes: 1 << 20, AtLeastOne: true, Committed: true})
			r.must(err)
			defer res.Release()
			return res.Aborted, res.Bytes
		}
		reads := 0
		r.indexRead = func(key string) {
			if key != seg.Key {
				return
			}
			if reads++; reads == 3 { // its list of transactions: data and slices before were read
				r.indexRead = nil
				r.must(r.join(id, 1, 4))
			}
		}
		aborted, bytes := read()
		want := []log.Aborted{{ProducerID: 5, FirstOffset: 1}, {ProducerID: 6, FirstOffset: 7}}
		if !slices.Equal(aborted, want) || r.indexRead != nil {
			t.Errorf("aborted %+v, want %+v; merged %v", aborted, want, r.indexRead == nil)
		}
		if again, n := read(); !slices.Equal(again, want) || n != bytes {
			t.Errorf("afterwards %d bytes, aborted %+v", n, again)
		}
		if got, end := r.consume(id, 0, 1); !slices.Equal(got, []int64{0, 2, 3, 5, 6}) || end != 10 {
			t.Errorf("visible %v, end %d", got, end)
		}
	})
}

// A merge that is stopped anywhere leaves readers what they had, and nothing that neither
// store nor intent knows; the next one completes. kill: the process is another one then.
func TestMergeStoppedAnywhere(t *testing.T) {
	stopped := errors.New("stopped")
	for _, k := range []kind{adopted, uploaded} {
		for _, kill := range []bool{false, true} {
			for _, step := range []string{"spool", "intend", "upload", "register", "switch"} {
				t.Run(fmt.Sprintf("%s folder %v kill %v", step, k.folder, kill), func(t *testing.T) {
					r := newMergeRig(t, k)
					r.sealMany(16)
					hit := false
					r.seam = func(s string) error {
						if s == step {
							hit = true
							return stopped
						}
						return nil
					}
					if err := r.upkeep.Merge(context.Background()); !errors.Is(err, stopped) || !hit {
						t.Fatal(err, hit)
					}
					r.seam = nil
					r.checkAcked()
					if kill {
						r.restart()
						r.checkAcked()
					}
					r.merge()
					r.clock.advance(2 * time.Hour)
					r.merge()
					if got := r.shape(at(orders, 0)); got != "1" {
						t.Errorf("levels %s", got)
					}
					r.checkAcked()
					r.must(r.upkeep.Retain(context.Background()))
					r.sweepTwice()
					r.checkAcked()
					r.checkStates()
					r.checkObjects()
				})
			}
		}
	}
}

// What is to stay free of the disk stays free, and there is nothing left behind; it is done
// once there is room. Where the bucket is a folder its objects need room too.
func TestMergeOnAFullDisk(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newMergeRig(t, k)
		r.sealMany(16)
		var bytes int64
		for id := range r.acked {
			for _, s := range r.slices(id) {
				bytes += s.Bytes
			}
		}
		room := bytes - 1
		if bucket.Local(r.bucket) {
			room = 2*bytes - 1
		}
		r.upkeep.cfg.Room = func() (int64, error) { return room, nil }
		if err := r.upkeep.Merge(context.Background()); !errors.Is(err, errNoRoom) {
			t.Fatal(err)
		}
		if left, err := filepath.Glob(filepath.Join(r.dir, "*.spool")); err != nil || len(left) > 0 || len(r.objects(mergedPrefix)) > 0 {
			t.Fatal(left, err, r.objects(mergedPrefix))
		}
		room++
		r.merge()
		if got := r.shape(at(clicks, 1)); got != "1" {
			t.Errorf("with room: %s", got)
		}
		r.checkAcked()
	})
}

// What retention takes, or who deletes a topic, while slices are read wins; the other
// partitions are merged.
func TestMergeConflict(t *testing.T) {
	for name, meanwhile := range map[string]func(r *rig){
		"retention": func(r *rig) {
			id := at(orders, 0)
			to := r.slices(id)[0].LastOffset + 1
			r.must(r.store.SetLogStarts(context.Background(), metadata.LogStart{ID: id, Offset: to}))
			r.log.LogStartRaised(id, to)
		},
		"all of it expires": func(r *rig) {
			id := at(orders, 0)
			to := r.slices(id)[15].LastOffset + 1
			r.must(r.store.SetLogStarts(context.Background(), metadata.LogStart{ID: id, Offset: to}))
			r.log.LogStartRaised(id, to)
		},
		"deletion": func(r *rig) { r.delete(orders) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newMergeRig(t, uploaded)
			r.sealMany(16)
			r.seam = func(s string) error {
				if s == "register" {
					r.seam = nil
					meanwhile(r)
				}
				return nil
			}
			r.upkeep.merge.sparseAt = r.clock.Now() // what it writes is mostly dead at once
			r.merge()
			if got := r.shape(at(clicks, 1)); got != "1" {
				t.Errorf("of another topic: %s", got)
			}
			if got := r.shape(at(orders, 0)); strings.Contains(got, "1") {
				t.Errorf("what changed was registered: %s", got)
			}
			r.checkAcked()
			r.must(r.upkeep.Retain(context.Background()))
			r.sweepTwice()
			// Where the object names a topic that is gone its tombstone stays.
			if name == "deletion" {
				r.clock.advance(40 * 24 * time.Hour)
				if ids, err := r.store.Tombstones(context.Background(), 10); err != nil || len(ids) != 0 {
					t.Errorf("tombstones that an object needs are offered: %v, %v", ids, err)
				}
			}
			r.restart()
			r.merge()
			r.checkAcked()
			r.must(r.upkeep.Retain(context.Background()))
			r.sweepTwice()
			r.checkObjects()
		})
	}
}

// change alters the bytes of an object.
func (r *rig) change(key string, fn func(b []byte)) {
	r.t.Helper()
	ctx := context.Background()
	info, err := r.bucket.Stat(ctx, key)
	r.must(err)
	all := make([]byte, info.Size)
	_, err = objectReader{ctx, r.bucket, key}.ReadAt(all, 0)
	r.must(err)
	fn(all)
	r.must(r.bucket.Delete(ctx, key))
	r.must(r.bucket.Create(ctx, key, bucket.Body{Size: info.Size, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(all)), nil }}))
}

// Bytes that do not check are not moved: the partition is named and left, others go on.
func TestMergeChecksWhatItMoves(t *testing.T) {
	p := at(orders, 0)
	flip := func(r *rig, pos func(x pack.Extent) int64) {
		s := r.slices(p)[3]
		seg, err := r.store.Segment(context.Background(), s.Segment)
		r.must(err)
		xs, err := r.index.Extents(context.Background(), seg, p)
		r.must(err)
		r.change(seg.Key, func(b []byte) { b[pos(xs[0])] ^= 1 })
	}
	for name, damage := range map[string]func(r *rig){
		"a batch":            func(r *rig) { flip(r, func(x pack.Extent) int64 { return x.DataPos + x.DataLen - 1 }) },
		"a base offset":      func(r *rig) { flip(r, func(x pack.Extent) int64 { return x.DataPos + 7 }) },
		"an entry's offset":  func(r *rig) { flip(r, func(x pack.Extent) int64 { return x.IndexPos + 31 }) },
		"an entry's epoch":   func(r *rig) { flip(r, func(x pack.Extent) int64 { return x.IndexPos + 73 }) },
		"an entry's time":    func(r *rig) { flip(r, func(x pack.Extent) int64 { return x.IndexPos + 55 }) },
		"an entry's id":      func(r *rig) { flip(r, func(x pack.Extent) int64 { return x.IndexPos + 19 }) },
		"an entry's flags":   func(r *rig) { flip(r, func(x pack.Extent) int64 { return x.IndexPos + 81 }) },
		"an entry's reserve": func(r *rig) { flip(r, func(x pack.Extent) int64 { return x.IndexPos + 110 }) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, k := range []kind{adopted, uploaded} {
				r := newMergeRig(t, k)
				r.sealMany(16)
				damage(r)
				r.merge()
				if got := r.shape(at(clicks, 1)); got != "1" {
					t.Errorf("of another partition: %s", got)
				}
				if got := r.shape(p); strings.Contains(got, "1") {
					t.Errorf("of the damaged one: %s", got)
				}
				if _, left := r.upkeep.merge.left[p]; !left {
					t.Error("the partition is not marked")
				}
				r.checkAcked(clicks)
				r.some()
				r.sealAll()
				r.merge() // it is not asked again
			}
		})
	}
}

// A segment whose footer does not check, or that is missing, keeps what lies in it from
// being merged, and nothing else.
func TestMergeLeavesLostSegments(t *testing.T) {
	for name, damage := range map[string]func(r *rig, key string){
		"missing":      func(r *rig, key string) { r.must(r.bucket.Delete(context.Background(), key)) },
		"no trailer":   func(r *rig, key string) { r.change(key, func(b []byte) { b[len(b)-3] ^= 1 }) },
		"no directory": func(r *rig, key string) { r.change(key, func(b []byte) { b[len(b)-pack.HeaderSize] ^= 1 }) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newMergeRig(t, uploaded)
			r.produce(at(orders, 1), plain(r.clock.Now().UnixMilli(), "k", "v"))
			r.sealAll()
			for range 16 {
				r.produce(at(clicks, 0), plain(r.clock.Now().UnixMilli(), "k", "v"))
				r.sealAll()
				r.clock.advance(5 * time.Minute)
			}
			r.sealMany(16)
			seg, err := r.store.Segment(context.Background(), r.slices(at(orders, 0))[5].Segment)
			r.must(err)
			damage(r, seg.Key)
			r.merge()
			if got := r.shape(at(clicks, 0)); got != "1" {
				t.Errorf("of another partition: %s", got)
			}
			if n := len(r.upkeep.merge.left); name != "no directory" && n != 3 || n > 3 {
				t.Errorf("%d partitions are left", n)
			}
			r.checkAcked(Topic{})
		})
	}
}

// spoiledBucket damages some transfers: what comes the next time is whole.
type spoiledBucket struct {
	bucket.Bucket
	n int
}

func (b *spoiledBucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	body, err := b.Bucket.Get(ctx, key, off, n)
	if err != nil {
		return body, err
	}
	if b.n++; b.n%3 != 0 {
		return body, err
	}
	all, err := io.ReadAll(body)
	if len(all) > 30 {
		all[len(all)-30] ^= 1
	}
	return io.NopCloser(bytes.NewReader(all)), errors.Join(err, body.Close())
}

func TestMergeReadsAnewWhatATransferDamaged(t *testing.T) {
	r := newMergeRig(t, uploaded)
	r.sealMany(16)
	spoiled := &spoiledBucket{Bucket: r.bucket}
	r.upkeep.cfg.Bucket = spoiled
	r.merge()
	for id := range r.acked {
		if got := r.shape(id); got != "1" {
			t.Errorf("%v: %s", id, got)
		}
	}
	if spoiled.n < 10 {
		t.Errorf("only %d reads", spoiled.n)
	}
	r.checkAcked()
}

// countedBucket counts requests.
type countedBucket struct {
	bucket.Bucket
	mu sync.Mutex
	n  map[string]int
}

func (b *countedBucket) count(what string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n[what] += n
}

func (b *countedBucket) Get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	b.count("get", 1)
	return b.Bucket.Get(ctx, key, off, n)
}

// Neighbouring partitions come with one read of each segment.
func TestMergeRequests(t *testing.T) {
	r := newMergeRig(t, uploaded)
	r.sealMany(16)
	counted := &countedBucket{Bucket: r.bucket, n: map[string]int{}}
	r.upkeep.cfg.Bucket = counted
	r.merge()
	gets := counted.n["get"]
	if most := (16*(1+2) + 1 + 2); gets > most { // footer, index, batches; and what verifies the upload
		t.Errorf("%d reads for 16 segments, at most %d are due", gets, most)
	}
}
