package upkeep

import (
	"context"
	"flag"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/bucket"
	"github.com/streamhouse/streamhouse/storage/cache"
	"github.com/streamhouse/streamhouse/storage/pack"
)

var cost = flag.Bool("cost", false, "measure what merging costs in requests: takes 5 GiB of memory and a minute")

// TestMergeCost counts the requests of one object's turn of merging at 50 MiB/s over 1,000
// partitions: what 56 neighbours have in 128 segments, 256 KiB each, is what a spool holds.
// A reader that begins at the oldest record is counted before and after.
func TestMergeCost(t *testing.T) {
	if !*cost {
		t.Skip("-cost")
	}
	const partitions, segments, batches, size = 56, 128, 16, 16 << 10
	r := newMergeRig(t, uploaded)
	counted := &countedBucket{Bucket: r.bucket, n: map[string]int{}}
	r.stop()
	r.bucket = counted
	r.begin()
	many := Topic{ID: pack.TopicID{0: 8}, Partitions: partitions, Delete: true, RetentionMs: -1, RetentionBytes: -1}
	r.must(r.store.CreateTopic(context.Background(), metadata.Topic{ID: many.ID, Name: "many", Partitions: partitions, Replicas: 1}))
	r.topics.mu.Lock()
	r.topics.list = append(r.topics.list, many)
	r.topics.mu.Unlock()
	for s := range segments {
		now := r.clock.Now().UnixMilli()
		var b pack.Builder
		var states []metadata.State
		for p := range int32(partitions) {
			for i := range batches {
				built := record.NewBuilder()
				built.Append(now, nil, make([]byte, size))
				batch := append([]byte(nil), built.Batch()...)
				record.SetOffset(batch, int64(s*batches+i), 0)
				b.Add(r.entry(at(many, p), batch, now), batch)
			}
			states = append(states, metadata.State{ID: at(many, p), NextOffset: int64((s + 1) * batches)})
		}
		r.registerPack(&b, states, now)
		r.clock.advance(5 * time.Second)
	}
	mib := float64(r.usage().Live) / (1 << 20)
	replay := func() float64 {
		r.cached = cache.NewObjects(counted, cache.Options{})
		defer func() { r.cached.Close(); r.cached = nil }()
		r.restart()
		counted.reset()
		var bytes int
		for p := range int32(4) {
			bytes += len(r.read(at(many, p)))
		}
		return float64(counted.n["get"]) / (float64(bytes) / (1 << 20))
	}
	unmerged := replay()
	counted.reset()
	r.merge()
	t.Logf("moved %.0f MiB: %.3f GETs, %.3f PUTs (parts of 16 MiB), %.4f HEADs per MiB", mib,
		float64(counted.n["get"])/mib, float64(counted.n["put"])/mib, float64(counted.n["head"])/mib)
	if got := r.shape(at(many, 5)); got != "1" {
		t.Fatalf("levels %s", got)
	}
	counted.reset()
	r.must(r.upkeep.Retain(context.Background()))
	r.sweepTwice()
	t.Logf("sweep of %d segments: %d DELETEs", segments, counted.n["delete"])
	t.Logf("a cold replay of a partition: %.2f GETs per MiB unmerged, %.2f merged", unmerged, replay())
}

func (b *countedBucket) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.n)
}

func (b *countedBucket) Create(ctx context.Context, key string, body bucket.Body) error {
	const part = 16 << 20
	n := 1
	if body.Size > part { // begin, parts, end
		n = int((body.Size+part-1)/part) + 2
	}
	b.count("put", n)
	return b.Bucket.Create(ctx, key, body)
}

func (b *countedBucket) Stat(ctx context.Context, key string) (bucket.Info, error) {
	b.count("head", 1)
	return b.Bucket.Stat(ctx, key)
}

func (b *countedBucket) Delete(ctx context.Context, keys ...string) error {
	b.count("delete", 1)
	return b.Bucket.Delete(ctx, keys...)
}
