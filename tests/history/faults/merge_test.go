package faults

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// merged waits for a merge by the broker as it runs now, which may have started a moment
// ago, while a record every now and then leaves small pieces; and for no partition to be
// left out of it as damaged.
func merged(ctx context.Context, t *testing.T, at place) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(at.addr), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("small-pieces"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for {
		if err := cl.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err != nil {
			t.Errorf("no merge before the load's end, and then: %v", err)
			return
		}
		pieces, err := metric(at.http, "streamhouse_merge_slices_total")
		if err == nil && pieces > 0 {
			left, err := metric(at.http, "streamhouse_merge_left_partitions")
			if err != nil || left > 0 {
				t.Errorf("%.0f partitions are not merged, as if they were damaged (%v)", left, err)
			}
			t.Logf("%.0f pieces of partitions merged since the last start", pieces)
			return
		}
		select {
		case <-ctx.Done():
			t.Errorf("%.0f pieces merged (%v)", pieces, err)
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}
