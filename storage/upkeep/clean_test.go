package upkeep

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol/record"
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
