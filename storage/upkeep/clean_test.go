package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// compacted is a topic with cleanup.policy=compact and Kafka's defaults.
var compacted = Topic{
	ID: pack.TopicID{15: 9}, Partitions: 2, RetentionMs: -1, RetentionBytes: -1, Compact: true,
	MinCleanableRatio: 0.5, MaxCompactionLagMs: math.MaxInt64, DeleteRetentionMs: 86_400_000, SegmentBytes: 1 << 30,
}

// newCleanRig is a rig with a compacted topic, and compaction on.
func newCleanRig(t *testing.T, k kind, topic Topic) *rig {
	r := newRig(t, k)
	r.cleaning = Cleaning{Enabled: true, Threads: 1, DedupeBytes: 1 << 20}
	r.topics.mu.Lock()
	r.topics.list = append(r.topics.list, topic)
	r.topics.mu.Unlock()
	r.must(r.store.CreateTopic(context.Background(), metadata.Topic{ID: topic.ID, Name: "compacted", Partitions: topic.Partitions, Replicas: 1}))
	return r
}

// keyed is a batch of records, each "key=value" or "key" for a tombstone.
func (r *rig) keyed(records ...string) []byte {
	b := record.NewBuilder()
	for _, x := range records {
		key, value, has := strings.Cut(x, "=")
		if has {
			b.Append(r.clock.Now().UnixMilli(), []byte(key), []byte(value))
		} else {
			b.Append(r.clock.Now().UnixMilli(), []byte(key), nil)
		}
	}
	return bytes.Clone(b.Batch())
}

// records reads a partition: "offset:key=value", tombstones without a value.
func (r *rig) records(id pack.PartitionID) (list []string) {
	r.t.Helper()
	for b, err := range record.Batches(r.read(id)) {
		r.must(err)
		if b.Header.Control() {
			continue
		}
		for rec, err := range record.Records(b.Bytes, 1<<20) {
			r.must(err)
			if rec.Value == nil {
				list = append(list, fmt.Sprintf("%d:%s", rec.Offset, rec.Key))
			} else {
				list = append(list, fmt.Sprintf("%d:%s=%s", rec.Offset, rec.Key, rec.Value))
			}
		}
	}
	return list
}

func (r *rig) sealAll() {
	r.t.Helper()
	if v := r.journal.Volumes(); used(v[len(v)-1]) {
		r.roll()
	}
	r.must(r.upkeep.Seal(context.Background()))
}

func (r *rig) clean() {
	r.t.Helper()
	r.must(r.upkeep.Clean(context.Background()))
}

func (r *rig) left(id pack.PartitionID, want ...string) {
	r.t.Helper()
	if got := r.records(id); !slices.Equal(got, want) {
		r.t.Fatalf("records %q, want %q", got, want)
	}
}

func TestCompaction(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newCleanRig(t, k, compacted)
		p := at(compacted, 0)
		r.produce(p, r.keyed("a=1", "b=1", "c=1"))
		r.produce(p, r.keyed("a=2", "b"))
		r.produce(p, r.keyed("a=3"))
		r.sealAll()
		r.clean() // little, and the partition is not quiet
		r.left(p, "0:a=1", "1:b=1", "2:c=1", "3:a=2", "4:b", "5:a=3")
		r.clock.advance(11 * time.Second)
		r.clean()
		r.left(p, "2:c=1", "4:b", "5:a=3")
		if keys := r.objects(compactedPrefix); len(keys) != 1 {
			t.Fatalf("compacted objects %q", keys)
		}
		// A second look finds nothing to do, after a restart too.
		r.clean()
		r.restart()
		r.clean()
		r.clock.advance(time.Minute)
		r.clean()
		r.left(p, "2:c=1", "4:b", "5:a=3")
		if keys := r.objects(compactedPrefix); len(keys) != 1 {
			t.Fatalf("compacted again without need: %q", keys)
		}
		// The tombstone goes once its horizon has passed.
		r.clock.advance(25 * time.Hour)
		r.clean()
		r.left(p, "2:c=1", "5:a=3")
		// What it was made of goes with the sweep, and only that.
		for range 3 {
			r.clock.advance(time.Hour)
			r.must(r.upkeep.Sweep(context.Background()))
		}
		r.left(p, "2:c=1", "5:a=3")
		if keys := r.objects(compactedPrefix); len(keys) != 1 || len(r.intents()) != 0 {
			t.Fatalf("left: %q, intents %q", keys, r.intents())
		}
		r.produce(p, r.keyed("d=1"))
		r.left(p, "2:c=1", "5:a=3", "6:d=1")
		r.checkStates()
	})
}

// The journal is closed for what waits in it.
func TestCompactionOfAQuietJournal(t *testing.T) {
	r := newCleanRig(t, adopted, compacted)
	p := at(compacted, 1)
	r.produce(p, r.keyed("a=1"))
	r.produce(p, r.keyed("a=2"))
	open := r.journal.Volumes()[0].ID
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	for deadline := time.Now().Add(10 * time.Second); r.journal.Volumes()[len(r.journal.Volumes())-1].ID == open; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the open volume is not closed")
		}
	}
	r.must(r.upkeep.Seal(context.Background()))
	r.clean()
	r.left(p, "1:a=2")
}

func TestCompactionSettings(t *testing.T) {
	lag := compacted
	lag.MinCompactionLagMs, lag.MinCleanableRatio = 60_000, 0.1
	r := newCleanRig(t, adopted, lag)
	p := at(lag, 0)
	r.produce(p, r.keyed("a=1", "a=2"))
	r.sealAll()
	r.clock.advance(50 * time.Second)
	r.produce(p, r.keyed("a=3"))
	r.sealAll()
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean() // the first slice is old enough, the second is not
	r.left(p, "1:a=2", "2:a=3")
	r.clock.advance(50 * time.Second)
	r.clean()
	r.left(p, "2:a=3")

	// Off, it does nothing; so it does when the policy is another.
	r.produce(p, r.keyed("a=4", "a=5"))
	r.sealAll()
	r.clock.advance(2 * time.Minute)
	r.cleaning.Enabled = false
	r.clean()
	r.cleaning.Enabled = true
	r.topics.change(lag.ID, func(t *Topic) { t.Compact = false })
	r.clean()
	r.left(p, "2:a=3", "3:a=4", "4:a=5")
	r.topics.change(lag.ID, func(t *Topic) { t.Compact = true })
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	r.left(p, "4:a=5")
}

// Keys that do not fit end the run before the slice that they are in; where those of one
// slice do not fit, the partition is named.
func TestCompactionBuffer(t *testing.T) {
	r := newCleanRig(t, adopted, compacted)
	p := at(compacted, 0)
	for i := range 3 {
		r.produce(p, r.keyed(fmt.Sprint("a", i, "=1"), fmt.Sprint("b", i, "=1"), "c=1"))
		r.sealAll()
	}
	r.cleaning.DedupeBytes = 6 * 16 // five keys
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	if got := r.records(p); len(got) != 8 {
		t.Fatalf("the first two slices have five keys: %q", got)
	}
	r.clean()
	if got := r.records(p); len(got) != 7 {
		t.Fatalf("then the third: %q", got)
	}
	r.produce(p, r.keyed("1=", "2=", "3=", "4=", "5=", "6="))
	r.sealAll()
	r.clock.advance(11 * time.Second)
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	if err := r.upkeep.clean.parts[p].uncleanOf; !errors.Is(err, errSmallBuffer) {
		t.Fatal(err)
	}
	r.restart()
	r.cleaning.DedupeBytes = 1 << 20
	r.produce(p, r.keyed("6=7"))
	r.sealAll()
	r.clean()
	r.clock.advance(11 * time.Second)
	r.clean()
	if got := r.records(p); len(got) != 13 {
		t.Fatalf("with room: %q", got)
	}
}

// A rate is kept to, and a stop does not wait for it.
func TestCompactionPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pace
		began := time.Now()
		for range 100 {
			if err := p.wait(t.Context(), 1<<20, 10<<20); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 8*time.Second || took > 10*time.Second {
			t.Fatalf("100 MiB at 10 MiB/s took %v", took)
		}
		if err := p.wait(t.Context(), 1<<40, math.MaxFloat64); err != nil || time.Since(began) > 10*time.Second {
			t.Fatal("no limit is one", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.wait(ctx, 1<<40, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	})
}

// As many compactions run at a time as the setting says; none with 0.
func TestCompactionThreads(t *testing.T) {
	many := compacted
	many.Partitions = 6
	for _, threads := range []int{0, 1, 3} {
		r := newCleanRig(t, adopted, many)
		r.cleaning.Threads = threads
		for i := range many.Partitions {
			for range 2 {
				r.produce(at(many, i), r.keyed("a=1"))
			}
		}
		r.sealAll()
		var mu sync.Mutex
		running, most := 0, 0
		r.seam = func(s string) error {
			if s == "map" {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				time.Sleep(20 * time.Millisecond)
				mu.Lock()
				running--
				mu.Unlock()
			}
			return nil
		}
		r.clean()
		r.upkeep.clean.alone = true // else six small partitions are one unit of work
		r.clock.advance(11 * time.Second)
		r.clean()
		if most != threads {
			t.Errorf("with %d threads %d ran at a time", threads, most)
		}
	}
}

// max.compaction.lag.ms does not wait for quiet, for the ratio or for an append.
func TestCompactionLag(t *testing.T) {
	lag := compacted
	lag.MinCleanableRatio, lag.MaxCompactionLagMs = 1, 10_000
	r := newCleanRig(t, adopted, lag)
	p := at(lag, 0)
	r.produce(p, r.keyed("a=0"))
	r.clean()
	for i := range 8 {
		r.clock.advance(time.Second)
		r.produce(p, r.keyed(fmt.Sprint("a=", i)))
		r.sealAll()
		r.clean()
	}
	if n := len(r.records(p)); n > 2 {
		t.Fatalf("%d records are left after the lag", n)
	}
}

// A transaction that is open holds compaction back, an aborted one leaves nothing.
func TestCompactionAndTransactions(t *testing.T) {
	kinds(t, func(t *testing.T, k kind) {
		r := newCleanRig(t, k, compacted)
		p := at(compacted, 0)
		txn := func(producer int64, seq int32, records ...string) {
			b := record.NewBuilder()
			b.Producer, b.Transactional = record.Producer{ID: producer, Sequence: seq}, true
			for _, x := range records {
				key, value, _ := strings.Cut(x, "=")
				b.Append(r.clock.Now().UnixMilli(), []byte(key), []byte(value))
			}
			r.produce(p, bytes.Clone(b.Batch()))
		}
		end := func(producer int64, commit bool) {
			r.produce(p, record.AppendMarker(nil, producer, 0, record.EndMarker{Commit: commit, CoordinatorEpoch: 1}, r.clock.Now().UnixMilli()))
		}
		r.produce(p, r.keyed("a=1"))
		txn(1, 0, "a=2")
		r.produce(p, r.keyed("b=1", "b=2"))
		r.sealAll()
		r.clock.advance(time.Minute)
		r.clean()
		r.left(p, "0:a=1", "1:a=2", "2:b=1", "3:b=2")
		end(1, false)
		txn(1, 1, "c=1")
		end(1, true)
		r.sealAll()
		r.clean()
		r.clock.advance(time.Minute)
		r.clean()
		r.left(p, "0:a=1", "3:b=2", "5:c=1")
		// Below the end everything is stable, and nothing is listed as aborted.
		r.restart()
		r.left(p, "0:a=1", "3:b=2", "5:c=1")
		txn(1, 2, "a=3")
		end(1, true)
		r.sealAll()
		r.clean()
		r.clock.advance(time.Minute)
		r.clean()
		r.left(p, "3:b=2", "5:c=1", "7:a=3")
		r.checkStates()
	})
}

// Where a producer's next life has aborted its transaction, the end marker is what a fold
// of the batches learns the epoch from: it stays, as the last batch does otherwise.
func TestCompactionKeepsTheEpoch(t *testing.T) {
	topic := compacted
	topic.DeleteRetentionMs = 60_000
	r := newCleanRig(t, adopted, topic)
	p := at(topic, 0)
	write := func(producer int64) {
		b := record.NewBuilder()
		b.Producer, b.Transactional = record.Producer{ID: producer}, true
		b.Append(r.clock.Now().UnixMilli(), []byte("a"), []byte("1"))
		r.produce(p, bytes.Clone(b.Batch()))
	}
	abort := func(producer int64, epoch int16) {
		r.produce(p, record.AppendMarker(nil, producer, epoch, record.EndMarker{CoordinatorEpoch: 1}, r.clock.Now().UnixMilli()))
	}
	write(1)
	abort(1, 1) // its next life
	write(2)
	abort(2, 0)
	for i := range 4 {
		r.produce(p, r.keyed(fmt.Sprint("b", i, "=1")))
		r.sealAll()
		r.clean()
		r.clock.advance(11 * time.Second)
		r.clean()
		r.clock.advance(2 * time.Minute)
	}
	var got []string
	for b, err := range record.Batches(r.read(p)) {
		r.must(err)
		if h := &b.Header; h.ProducerID >= 0 {
			got = append(got, fmt.Sprintf("%d: producer %d epoch %d control %v records %d", h.BaseOffset, h.ProducerID, h.ProducerEpoch, h.Control(), h.Records))
		}
	}
	want := []string{
		"1: producer 1 epoch 1 control true records 1",
		"2: producer 2 epoch 0 control false records 0", "3: producer 2 epoch 0 control true records 1",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("left %q, want %q", got, want)
	}
	r.checkStates()
}

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
		for _, step := range []string{"map", "spool", "intend", "upload", "register", "switch"} {
			t.Run(fmt.Sprintf("%s folder %v", step, k.folder), func(t *testing.T) {
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
				r.restart()
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

// modelRecord is what was written at an offset, as its writer knows it.
type modelRecord struct {
	text string // "key=value", "key" for a tombstone, "" for an end marker
	txn  *modelTxn
	at   time.Time
}

type modelTxn struct{ ended, committed bool }

func (x *modelRecord) counts() bool { return x.text != "" && (x.txn == nil || x.txn.committed) }

// Random histories against what a reader may see: the latest value of each key always,
// nothing that was never written, and in the end one value per key.
func TestCompactionAgainstAModel(t *testing.T) {
	runs := 12
	if testing.Short() {
		runs = 4
	}
	removed := 0
	for seed := range uint64(runs) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := newCompactionHistory(t, seed)
			for range 140 {
				h.step()
				h.check()
			}
			h.finish()
			removed += h.removed
		})
	}
	if removed < 100*runs {
		t.Fatalf("compactions removed %d records in all, which proves little", removed)
	}
}

type compactionHistory struct {
	*rig
	rng     *rand.Rand
	topic   Topic
	model   [2][]modelRecord
	seqs    map[int64]int32
	open    map[int64]*modelTxn // by producer; producers of partition n are 10n+1 ..
	removed int
}

func newCompactionHistory(t *testing.T, seed uint64) *compactionHistory {
	topic := compacted
	topic.DeleteRetentionMs = 600_000
	k := []kind{adopted, uploaded, {object: true}, {object: true, folder: true}}[seed%4]
	return &compactionHistory{
		rig: newCleanRig(t, k, topic), rng: rand.New(rand.NewPCG(seed, 77)), topic: topic,
		seqs: map[int64]int32{}, open: map[int64]*modelTxn{},
	}
}

func (h *compactionHistory) step() {
	n := h.rng.IntN(2)
	switch h.rng.IntN(14) {
	default:
		h.write(n)
	case 0, 1:
		h.end(n, h.rng.IntN(2) == 0)
	case 2, 3:
		h.sealAll()
	case 4, 5, 6:
		h.clock.advance(time.Duration(h.rng.IntN(60)) * time.Second)
		h.cleanOrBreak()
	case 7:
		h.restart()
	case 8:
		h.clock.advance(time.Duration(h.rng.IntN(600)) * time.Second)
		h.must(h.upkeep.Sweep(context.Background()))
	}
}

// write appends a batch of some records, in a transaction or not.
func (h *compactionHistory) write(n int) {
	producer := int64(-1)
	var txn *modelTxn
	b := record.NewBuilder()
	if h.rng.IntN(2) == 0 {
		producer = int64(n*10 + 1 + h.rng.IntN(3))
		b.Producer, b.Transactional = record.Producer{ID: producer, Sequence: h.seqs[producer]}, true
		if h.open[producer] == nil {
			h.open[producer] = &modelTxn{}
		}
		txn = h.open[producer]
	}
	for range 1 + h.rng.IntN(6) {
		key := fmt.Sprint("k", h.rng.IntN(8))
		x := modelRecord{text: key, txn: txn, at: h.clock.Now()}
		var value []byte
		if h.rng.IntN(5) > 0 {
			value = fmt.Append(nil, len(h.model[n]))
			x.text += "=" + string(value)
		}
		h.model[n] = append(h.model[n], x)
		b.Append(x.at.UnixMilli(), []byte(key), value)
	}
	h.seqs[producer] += int32(b.Len())
	data, err := record.Recompress(nil, b.Batch(), record.Recompression{Codec: record.Codec(h.rng.IntN(5)), MaxBytes: 1 << 20})
	h.must(err)
	h.produce(at(h.topic, int32(n)), data)
}

// end ends a transaction of a partition, if one is open.
func (h *compactionHistory) end(n int, commit bool) bool {
	for producer, txn := range h.open {
		if producer/10 != int64(n) {
			continue
		}
		h.produce(at(h.topic, int32(n)), record.AppendMarker(nil, producer, 0,
			record.EndMarker{Commit: commit, CoordinatorEpoch: 1}, h.clock.Now().UnixMilli()))
		txn.ended, txn.committed = true, commit
		h.model[n] = append(h.model[n], modelRecord{})
		delete(h.open, producer)
		return true
	}
	return false
}

// cleanOrBreak runs a pass, which may end at any of its steps.
func (h *compactionHistory) cleanOrBreak() {
	steps := []string{"map", "spool", "intend", "upload", "register", "switch", "", "", "", "", "", ""}
	at := steps[h.rng.IntN(len(steps))]
	stopped := errors.New("stopped")
	h.seam = func(s string) error {
		if s == at {
			return stopped
		}
		return nil
	}
	h.noRoll()
	err := h.upkeep.Clean(context.Background())
	h.seam = nil
	if err != nil && !errors.Is(err, stopped) {
		h.t.Fatal(err)
	}
	if err != nil {
		h.restart() // as a process that died there
	}
}

// noRoll keeps a pass from closing the open volume, which the test must see before it is
// sealed.
func (h *compactionHistory) noRoll() { h.upkeep.clean.lastQuiet = h.clock.Now() }

// check holds what can be read against what was written.
func (h *compactionHistory) check() {
	h.t.Helper()
	removed := 0
	for n := range h.model {
		left := h.remaining(n)
		latest := map[string]int{}
		for i := range h.model[n] {
			x := &h.model[n][i]
			key, _, _ := strings.Cut(x.text, "=")
			if x.counts() {
				latest[key] = i
			}
			if _, there := left[i]; !there && x.txn != nil && !x.txn.ended {
				h.t.Fatalf("partition %d: record %d of an open transaction is gone", n, i)
			}
		}
		for i, text := range left {
			key, _, _ := strings.Cut(text, "=")
			last, has := latest[key]
			if _, there := left[last]; has && last > i && !there && h.model[n][i].counts() {
				h.t.Fatalf("partition %d: %q at %d is there, what replaced it at %d is gone", n, text, i, last)
			}
		}
		for key, i := range latest {
			x := &h.model[n][i]
			_, there := left[i]
			tombstone := !strings.Contains(x.text, "=")
			if !there && (!tombstone || h.clock.Now().Sub(x.at) < 10*time.Minute) {
				h.t.Fatalf("partition %d: %q at %d, the latest of %s, is gone", n, x.text, i, key)
			}
		}
		removed += len(h.model[n]) - len(left)
	}
	h.removed = max(h.removed, removed)
}

// remaining reads a partition: what is there must be what was written there.
func (h *compactionHistory) remaining(n int) map[int]string {
	h.t.Helper()
	left := map[int]string{}
	for _, x := range h.records(at(h.topic, int32(n))) {
		offset, text, _ := strings.Cut(x, ":")
		i, err := strconv.Atoi(offset)
		h.must(err)
		if i >= len(h.model[n]) || h.model[n][i].text != text {
			h.t.Fatalf("partition %d: %q at %d was never written", n, text, i)
		}
		left[i] = text
	}
	return left
}

// finish ends all transactions and waits: one value per key is left, and its states are
// what they were.
func (h *compactionHistory) finish() {
	h.t.Helper()
	for n := range h.model {
		for h.end(n, true) {
		}
	}
	for range 5 {
		h.sealAll()
		h.clock.advance(11 * time.Minute)
		h.noRoll()
		h.clean()
		h.check()
		h.clock.advance(11 * time.Minute)
		h.noRoll()
		h.clean()
	}
	for n := range h.model {
		want := map[string]string{}
		for i := range h.model[n] {
			if x := &h.model[n][i]; x.counts() {
				key, value, has := strings.Cut(x.text, "=")
				if want[key] = value; !has {
					delete(want, key)
				}
			}
		}
		got := map[string]string{}
		for i, text := range h.remaining(n) {
			key, value, has := strings.Cut(text, "=")
			if _, twice := got[key]; twice || !has {
				h.t.Fatalf("partition %d: %q at %d is there in the end", n, text, i)
			}
			got[key] = value
		}
		if !maps.Equal(got, want) {
			h.t.Fatalf("partition %d: %v is left, want %v", n, got, want)
		}
	}
	h.checkStates()
}
