package fetch_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// TestFetchReadCommitted: isolation level 1 sees what lies below the last stable offset and
// is told what was aborted there; level 0 sees all and is told nothing.
func TestFetchReadCommitted(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	for range 3 {
		b.Produce(topic, 0, apitest.Batch(2, 100))
	}
	id := pack.PartitionID{Topic: topic.ID}
	stored := b.Log.Batches(id)
	b.Log.SetStable(id, 4, log.Aborted{ProducerID: 7, FirstOffset: 0}, log.Aborted{ProducerID: 1 << 40, FirstOffset: 2})
	for version := int16(4); version <= 18; version++ {
		for isolation, want := range [][]byte{bytes.Join(stored, nil), bytes.Join(stored[:2], nil)} {
			f := newFetcher(b, version)
			req := f.request([]at{{topic, 0, 0}}, nil)
			req.IsolationLevel = int8(isolation)
			p := flatParts(f.Call(req).(*kmsg.FetchResponse))[0]
			if p.ErrorCode != 0 || p.HighWatermark != 6 || p.LastStableOffset != 4 || !bytes.Equal(p.RecordBatches, want) {
				t.Fatalf("v%d, isolation level %d: %+v", version, isolation, p)
			}
			switch list := p.AbortedTransactions; {
			case isolation == 0 && list != nil:
				t.Fatalf("v%d: read_uncommitted is told of %+v", version, list)
			case isolation == 1 && (len(list) != 2 || list[0].ProducerID != 7 || list[0].FirstOffset != 0 ||
				list[1].ProducerID != 1<<40 || list[1].FirstOffset != 2):
				t.Fatalf("v%d: aborted %+v", version, list)
			}
		}
	}
}

// TestFetchWaitsForTheLastStableOffset: a consumer at the last stable offset waits although
// there are records above it, and is answered when the transaction ends.
func TestFetchWaitsForTheLastStableOffset(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	for range 3 {
		b.Produce(topic, 0, apitest.Batch(2, 100))
	}
	id := pack.PartitionID{Topic: topic.ID}
	b.Log.SetStable(id, 2)
	f := newFetcher(b, 12)
	req := f.request([]at{{topic, 0, 2}}, nil)
	req.IsolationLevel, req.MinBytes, req.MaxWaitMillis = 1, 1, 60_000
	answered := make(chan *kmsg.FetchResponse, 1)
	go func() { answered <- f.Call(req).(*kmsg.FetchResponse) }()
	select {
	case resp := <-answered:
		t.Fatalf("answered with %+v", flatParts(resp))
	case <-time.After(50 * time.Millisecond):
	}
	b.Log.SetStable(id, 0)
	p := flatParts(<-answered)[0]
	if want := bytes.Join(b.Log.Batches(id)[1:], nil); p.LastStableOffset != 6 || !bytes.Equal(p.RecordBatches, want) {
		t.Fatalf("after the end: %+v", p)
	}
}

// TestListOffsetsReadCommitted: the latest offset is the last stable one.
func TestListOffsetsReadCommitted(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	for range 3 {
		b.Produce(topic, 0, apitest.Batch(2, 100))
	}
	b.Log.SetStable(pack.PartitionID{Topic: topic.ID}, 4)
	for isolation, want := range []int64{6, 4} {
		req := kmsg.NewPtrListOffsetsRequest()
		req.Version, req.ReplicaID, req.IsolationLevel = 5, -1, int8(isolation)
		in := kmsg.NewListOffsetsRequestTopic()
		in.Topic = topic.Name
		part := kmsg.NewListOffsetsRequestTopicPartition()
		part.Timestamp, part.CurrentLeaderEpoch = -1, -1
		in.Partitions = append(in.Partitions, part)
		req.Topics = append(req.Topics, in)
		got := b.Dial().Call(req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		if got.ErrorCode != 0 || got.Offset != want {
			t.Errorf("isolation level %d: %+v, want offset %d", isolation, got, want)
		}
	}
}
