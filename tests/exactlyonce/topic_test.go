package exactlyonce

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// patience bounds every wait for something that a program does.
const patience = 2 * time.Minute

func makeTopics(t *testing.T, addr string, partitions int32, names ...string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	made, err := kadm.NewClient(client).CreateTopics(peers.Context(t, patience), partitions, 1, nil, names...)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range made {
		if m.Err != nil {
			t.Fatal(m.Topic, m.Err)
		}
	}
}

// follower reads the committed records of a topic as they come.
type follower struct {
	client  *kgo.Client
	records []*kgo.Record
	watch   func() // what else has to be looked at while records come, if anything
}

func follow(t *testing.T, addr, topic string) *follower {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &follower{client: client}
}

// more waits for a number of further records.
func (f *follower) more(t *testing.T, count int) {
	t.Helper()
	f.reach(t, len(f.records)+count)
}

// reach waits until a number of records have come in all.
func (f *follower) reach(t *testing.T, total int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(f.records) < total {
		poll, done := context.WithTimeout(ctx, time.Second)
		fetches := f.client.PollFetches(poll)
		done()
		if ctx.Err() != nil {
			t.Fatalf("%d of %d records came within %v", len(f.records), total, patience)
		}
		if f.watch != nil {
			f.watch()
		}
		// Errors of a broker that is gone end with its next start.
		f.records = append(f.records, fetches.Records()...)
	}
}

// readTopic reads a topic from its beginning to its end.
func readTopic(t *testing.T, addr, topic string, isolation kgo.IsolationLevel) []*kgo.Record {
	t.Helper()
	ctx := peers.Context(t, patience)
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(),
		kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	var all []*kgo.Record
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading %s: %v; left: %v", topic, err, left)
		}
		// The last offset is a record or a marker, which is kept so that the end is seen.
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				all = append(all, r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return all
}
