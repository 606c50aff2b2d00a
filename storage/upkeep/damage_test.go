package upkeep

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// flip turns a bit of an object over; twice is never.
func (r *rig) flip(key string, pos int64) {
	r.t.Helper()
	ctx := context.Background()
	info, err := r.bucket.Stat(ctx, key)
	r.must(err)
	body, err := r.bucket.Get(ctx, key, 0, info.Size)
	r.must(err)
	b, err := io.ReadAll(body)
	r.must(errors.Join(err, body.Close()))
	b[pos] ^= 0x10
	r.must(r.bucket.Delete(ctx, key))
	r.must(r.bucket.Create(ctx, key, bucket.Bytes(b)))
}

// flipState turns over a bit of a partition's state block.
func (r *rig) flipState(id pack.PartitionID) {
	r.t.Helper()
	_, row, err := r.store.Partition(context.Background(), id)
	r.must(err)
	seg, err := r.store.Segment(context.Background(), row.Block)
	r.must(err)
	r.flip(seg.Key, row.BlockPos+row.BlockLen/2)
}

// TestDamagedStateBlockIsFoldedAnew: one bit of a state block costs nothing while the
// index entries of its partition are there: not at a seal, a start, a first use or a move.
func TestDamagedStateBlockIsFoldedAnew(t *testing.T) {
	for _, k := range []kind{adopted, uploaded} {
		r := newRig(t, k)
		ctx := context.Background()
		r.some()
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		r.flipState(at(orders, 0))
		r.some()
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		r.checkStates()
		r.flipState(at(orders, 2))
		r.some() // in the journal
		r.restart()
		r.some()
		r.checkAcked()
		if damaged := r.log.Damaged(); len(damaged) != 0 {
			t.Errorf("damaged: %v", damaged)
		}
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		r.checkStates()
		r.flipState(at(orders, 0))
		r.topics.change(orders.ID, func(x *Topic) { x.RetentionMs = 1000 })
		r.clock.advance(2 * time.Second)
		r.must(r.upkeep.Retain(ctx)) // nothing is left but the offsets
		r.must(r.upkeep.Retain(ctx))
		r.restart()
		r.some()
		r.checkAcked()
	}
}

// TestDamagedPartitionHarmsNoOther: of a partition whose state can neither be read nor
// folded anew nothing is served and nothing is lost, and all others live.
func TestDamagedPartitionHarmsNoOther(t *testing.T) {
	r := newRig(t, uploaded)
	ctx := context.Background()
	ill, well := at(orders, 0), at(clicks, 0)
	give := func(id pack.PartitionID) { t.Helper(); r.produce(id, batchOf(-1, -1, 1000, nil, []byte("v"))) }
	give(ill)
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	key := r.objects(segmentPrefix)[0]
	info, err := r.bucket.Stat(ctx, key)
	r.must(err)
	give(ill)
	give(well)
	harm := func() { // the footer, and the state by itself
		r.flip(key, info.Size-10)
		r.flipState(ill)
	}
	harm()
	for round := range 2 {
		r.restart()
		if _, err := r.log.Partition(ctx, ill, r.topics.epoch); !errors.Is(err, protocol.KafkaStorageError) {
			t.Fatalf("the damaged partition: %v", err)
		}
		if damaged := r.log.Damaged(); len(damaged) != 1 || damaged[ill] == nil {
			t.Errorf("damaged: %v", damaged)
		}
		give(well)
		r.roll()
		r.must(r.upkeep.Seal(ctx))
		r.must(r.upkeep.Retain(ctx))
		sweepAll(r)
		r.checkAcked(clicks)
		if n := len(r.journal.Volumes()); n != 1 {
			t.Errorf("round %d: %d volumes are left", round, n)
		}
	}
	harm() // heals it
	r.restart()
	give(ill)
	r.checkAcked()
	p, err := r.log.Partition(ctx, ill, r.topics.epoch)
	if err != nil {
		t.Fatal(err)
	}
	if b := p.Bounds(); b != (log.Bounds{HighWatermark: 3, LastStable: 3, LeaderEpoch: b.LeaderEpoch}) || len(r.log.Damaged()) != 0 {
		t.Errorf("%+v, damaged %v", b, r.log.Damaged())
	}
}

// TestDamagedCoordinatorPartition: one of an internal topic that cannot be read keeps
// lifts from no other.
func TestDamagedCoordinatorPartition(t *testing.T) {
	r := newRig(t, uploaded)
	ctx := context.Background()
	r.commits(at(consumers, 1), 20, 5)
	r.roll()
	r.must(r.upkeep.Seal(ctx))
	r.flip(r.objects(segmentPrefix)[0], pack.VolumeHeaderSize+pack.HeaderSize+pack.EntrySize+200)
	r.restart()
	r.commits(at(consumers, 2), 20, 5)
	r.must(r.upkeep.Lift(ctx))
	if n := len(r.objects(liftedPrefix)); n != 1 {
		t.Errorf("%d lifted segments, want that of the others", n)
	}
}
