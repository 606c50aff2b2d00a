package fetch_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/metadata/leaders"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// fetcher is a client that fetches.
type fetcher struct {
	*apitest.Client
	version int16
	session int32
	epoch   int32
	wait    int32 // ms
	max     int32
	minimum int32
}

func newFetcher(b *apitest.Broker, version int16) *fetcher {
	return &fetcher{Client: b.Dial(), version: version, epoch: -1, max: 1 << 20, minimum: 1}
}

// at is a partition to fetch.
type at struct {
	topic     *catalog.Topic
	partition int32
	offset    int64
}

func (f *fetcher) request(parts []at, forget []at) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = f.version, f.wait, f.minimum, f.max
	req.SessionID, req.SessionEpoch = f.session, f.epoch
	for _, a := range parts {
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.TopicID = a.topic.Name, a.topic.ID
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = a.partition, a.offset, 1<<20
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
	}
	for _, a := range forget {
		t := kmsg.NewFetchRequestForgottenTopic()
		t.Topic, t.TopicID, t.Partitions = a.topic.Name, a.topic.ID, []int32{a.partition}
		req.ForgottenTopics = append(req.ForgottenTopics, t)
	}
	return req
}

func (f *fetcher) fetch(parts ...at) *kmsg.FetchResponse {
	f.T.Helper()
	return f.Call(f.request(parts, nil)).(*kmsg.FetchResponse)
}

// flatParts lists the partitions of an answer.
func flatParts(r *kmsg.FetchResponse) []kmsg.FetchResponseTopicPartition {
	var out []kmsg.FetchResponseTopicPartition
	for _, t := range r.Topics {
		out = append(out, t.Partitions...)
	}
	return out
}

// TestFetchVersions: every version gets the stored bytes in its own shape.
func TestFetchVersions(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 2, nil)
	for i := range 5 {
		b.Produce(topic, 0, apitest.Batch(2, 100*i))
	}
	want := bytes.Join(b.Log.Batches(pack.PartitionID{Topic: topic.ID}), nil)
	for version := int16(4); version <= 18; version++ {
		for _, committed := range []int8{0, 1} {
			f := newFetcher(b, version)
			req := f.request([]at{{topic, 0, 0}, {topic, 1, 0}, {topic, 0, 77}}, nil)
			req.Topics[2].Partitions[0].Partition = 9
			req.IsolationLevel = committed
			resp := f.Call(req).(*kmsg.FetchResponse)
			parts := flatParts(resp)
			if len(parts) != 3 || resp.ErrorCode != 0 || resp.SessionID != 0 {
				t.Fatalf("v%d: %+v", version, resp)
			}
			p := parts[0]
			if p.ErrorCode != 0 || p.HighWatermark != 10 || p.LastStableOffset != 10 || !bytes.Equal(p.RecordBatches, want) {
				t.Fatalf("v%d: hw %d lso %d, %d bytes of %d", version, p.HighWatermark, p.LastStableOffset, len(p.RecordBatches), len(want))
			}
			if version >= 5 && p.LogStartOffset != 0 || version >= 11 && p.PreferredReadReplica != -1 {
				t.Fatalf("v%d: %+v", version, p)
			}
			if (p.AbortedTransactions != nil) != (committed == 1) {
				t.Fatalf("v%d: isolation %d: aborted %v", version, committed, p.AbortedTransactions)
			}
			if e := parts[1]; e.ErrorCode != 0 || e.HighWatermark != 0 || e.RecordBatches == nil || len(e.RecordBatches) != 0 {
				t.Fatalf("v%d: empty partition: %+v", version, e)
			}
			if u := parts[2]; u.ErrorCode != int16(protocol.UnknownTopicOrPartition) || u.HighWatermark != -1 || u.AbortedTransactions == nil {
				t.Fatalf("v%d: unknown partition: %+v", version, u)
			}
		}
	}
}

// TestFetchLimits: at least one batch, then no more than the limits allow.
func TestFetchLimits(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 3, nil)
	size := 0
	for p := range int32(3) {
		for range 4 {
			batch := apitest.Batch(1, 1000)
			size = len(batch)
			b.Produce(topic, p, batch)
		}
	}
	sizes := func(max, perPart int32) (out [3]int) {
		f := newFetcher(b, 12)
		f.max = max
		req := f.request([]at{{topic, 0, 0}, {topic, 1, 0}, {topic, 2, 0}}, nil)
		for i := range req.Topics {
			req.Topics[i].Partitions[0].PartitionMaxBytes = perPart
		}
		for i, p := range flatParts(f.Call(req).(*kmsg.FetchResponse)) {
			code, watermark := protocol.None, int64(4)
			if max < 0 || perPart < 0 {
				code, watermark = protocol.InvalidRequest, -1
			}
			if p.HighWatermark != watermark || protocol.Code(p.ErrorCode) != code {
				t.Errorf("max %d, per partition %d: partition %d: high watermark %d, %v", max, perPart, i, p.HighWatermark, protocol.Code(p.ErrorCode))
			}
			out[i] = len(p.RecordBatches) / size
		}
		return out
	}
	for _, tc := range []struct {
		max, part int32
		want      [3]int
	}{
		{1 << 20, 1 << 20, [3]int{4, 4, 4}},
		{1, 1, [3]int{1, 0, 0}},
		{0, 0, [3]int{1, 0, 0}},
		{int32(size), 1 << 20, [3]int{1, 0, 0}},
		{int32(5 * size), 1 << 20, [3]int{4, 1, 0}},
		{1 << 20, int32(2*size + 1), [3]int{2, 2, 2}},
		{int32(5*size + 10), int32(2 * size), [3]int{2, 2, 1}},
		{-1, 1 << 20, [3]int{}},
		{1 << 20, -1, [3]int{}},
	} {
		if got := sizes(tc.max, tc.part); got != tc.want {
			t.Errorf("max %d, per partition %d: %v batches, want %v", tc.max, tc.part, got, tc.want)
		}
	}
}

// TestFetchErrors: what a partition can be refused for.
func TestFetchErrors(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	b.Leaders.Set(leaders.NewSingle(b.Self, 3)) // two leaders were before this one
	topic := b.Topic("t", 1, nil)
	for range 3 {
		b.Produce(topic, 0, apitest.Batch(1, 10))
	}
	one := func(version int16, change func(*kmsg.FetchRequestTopicPartition)) (kmsg.FetchResponseTopicPartition, *kmsg.FetchResponse) {
		f := newFetcher(b, version)
		f.wait = 10_000 // an error does not wait
		req := f.request([]at{{topic, 0, 0}}, nil)
		change(&req.Topics[0].Partitions[0])
		start := time.Now()
		resp := f.Call(req).(*kmsg.FetchResponse)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("an error waited for %v", took)
		}
		return flatParts(resp)[0], resp
	}
	for version := int16(4); version <= 18; version++ {
		for _, offset := range []int64{-1, 4, 1 << 50} {
			p, _ := one(version, func(p *kmsg.FetchRequestTopicPartition) { p.FetchOffset = offset })
			if p.ErrorCode != int16(protocol.OffsetOutOfRange) || p.HighWatermark != -1 {
				t.Errorf("v%d: offset %d: %+v", version, offset, p)
			}
		}
		if version < 9 {
			continue
		}
		for epoch, code := range map[int32]protocol.Code{5: protocol.UnknownLeaderEpoch, 1: protocol.FencedLeaderEpoch, 2: protocol.None, -2: protocol.None} {
			p, resp := one(version, func(p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = epoch })
			if p.ErrorCode != int16(code) {
				t.Errorf("v%d: epoch %d: %v", version, epoch, protocol.Code(p.ErrorCode))
			}
			named := len(resp.Brokers) == 1 && p.CurrentLeader.LeaderID == 1
			if named != (version >= 16 && code == protocol.FencedLeaderEpoch) {
				t.Errorf("v%d: epoch %d: leader %+v, brokers %v", version, epoch, p.CurrentLeader, resp.Brokers)
			}
		}
		if version < 12 {
			continue
		}
		if p, _ := one(version, func(p *kmsg.FetchRequestTopicPartition) { p.LastFetchedEpoch = 3 }); p.ErrorCode != int16(protocol.OffsetOutOfRange) {
			t.Errorf("v%d: last fetched epoch above the latest: %+v", version, p)
		}
	}
	f := newFetcher(b, 13)
	gone := &catalog.Topic{}
	gone.ID = pack.TopicID{1, 2}
	if p := flatParts(f.fetch(at{gone, 0, 0}))[0]; p.ErrorCode != int16(protocol.UnknownTopicID) {
		t.Errorf("unknown id: %+v", p)
	}
}

// TestFetchDiverging: a client whose last record is of an epoch that ended earlier.
func TestFetchDiverging(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	b.Log.Epoch(2)
	for range 3 {
		b.Produce(topic, 0, apitest.Batch(1, 10))
	}
	f := newFetcher(b, 12)
	f.wait = 10_000
	req := f.request([]at{{topic, 0, 2}}, nil)
	req.Topics[0].Partitions[0].LastFetchedEpoch = 1
	p := flatParts(f.Call(req).(*kmsg.FetchResponse))[0]
	if p.ErrorCode != 0 || p.DivergingEpoch.Epoch != 1 || p.DivergingEpoch.EndOffset != 0 || len(p.RecordBatches) != 0 || p.HighWatermark != 3 {
		t.Fatalf("%+v", p)
	}
}

// TestFetchWaits: a fetch waits for bytes, no longer than it says, and no longer
// than until something happened.
func TestFetchWaits(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 2, nil)
	other := b.Topic("other", 1, nil)
	for _, version := range []int16{6, 12, 13} {
		f := newFetcher(b, version)
		f.wait = 100
		end := b.End(topic, 0)
		start := time.Now()
		parts := flatParts(f.fetch(at{topic, 0, end}, at{topic, 1, 0}))
		if took := time.Since(start); took < 100*time.Millisecond || len(parts) != 2 {
			t.Errorf("v%d: nothing to read: %d partitions after %v", version, len(parts), took)
		}
		f.wait = 20_000
		f.Send(f.request([]at{{topic, 0, end}, {topic, 1, 0}}, nil))
		time.Sleep(20 * time.Millisecond)
		b.Produce(topic, 0, apitest.Batch(1, 10))
		resp, _, err := f.Receive(f.request(nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		if parts := flatParts(resp.(*kmsg.FetchResponse)); len(parts) != 2 || len(parts[0].RecordBatches) == 0 || parts[0].HighWatermark != end+1 {
			t.Errorf("v%d: after a batch came: %+v", version, parts)
		}
	}
	// A topic that never was does not end the wait, one that is deleted meanwhile does.
	f := newFetcher(b, 12)
	f.wait = 200
	never := &catalog.Topic{}
	never.Name = "never"
	start := time.Now()
	f.fetch(at{topic, 1, 0}, at{never, 0, 0})
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("an unknown topic beside others ended the wait after %v", took)
	}
	start = time.Now()
	f.wait = 20_000
	f.fetch(at{never, 0, 0})
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("with unknown topics only it waited for %v", took)
	}
	f.Send(f.request([]at{{topic, 1, 0}, {other, 0, 0}}, nil))
	time.Sleep(20 * time.Millisecond)
	if err := b.Catalog.Delete(context.Background(), other.ID); err != nil {
		t.Fatal(err)
	}
	resp, _, err := f.Receive(f.request(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	if parts := flatParts(resp.(*kmsg.FetchResponse)); parts[1].ErrorCode != int16(protocol.UnknownTopicOrPartition) {
		t.Errorf("a topic deleted during the wait: %+v", parts[1])
	}
	if time.Since(start) > 15*time.Second {
		t.Error("a topic deleted during the wait did not end it")
	}
	if n := b.Log.Watchers(); n != 0 {
		t.Errorf("%d watchers are left", n)
	}
}

// TestFetchMinBytes: the wait goes on until enough has come.
func TestFetchMinBytes(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	f := newFetcher(b, 12)
	f.wait, f.minimum = 20_000, 2500
	f.Send(f.request([]at{{topic, 0, 0}}, nil))
	for range 3 {
		time.Sleep(10 * time.Millisecond)
		b.Produce(topic, 0, apitest.Batch(1, 1000))
	}
	resp, _, err := f.Receive(f.request(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	if p := flatParts(resp.(*kmsg.FetchResponse))[0]; len(p.RecordBatches) < 2500 {
		t.Fatalf("%d bytes came, 2500 were asked for", len(p.RecordBatches))
	}
}

// TestFetchFutureOffset: offsets between the durable and the appended end are legal
// and see nothing yet.
func TestFetchFutureOffset(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	b.Produce(topic, 0, apitest.Batch(1, 10))
	b.Log.Hold()
	c := b.Dial()
	c.Send(apitest.ProduceTo(9, "t", topic.ID, map[int32][]byte{0: apitest.Batch(2, 10)}))
	if !apitest.Until(func() bool { return b.Log.Held() == 1 }) {
		t.Fatal("the batch did not come")
	}
	f := newFetcher(b, 12)
	for offset := int64(1); offset <= 3; offset++ {
		p := flatParts(f.fetch(at{topic, 0, offset}))[0]
		if p.ErrorCode != 0 || p.HighWatermark != 1 || len(p.RecordBatches) != 0 {
			t.Fatalf("offset %d: %+v", offset, p)
		}
	}
	f.wait = 20_000
	f.Send(f.request([]at{{topic, 0, 1}}, nil))
	time.Sleep(10 * time.Millisecond)
	b.Log.Flush()
	resp, _, err := f.Receive(f.request(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	p := flatParts(resp.(*kmsg.FetchResponse))[0]
	h, err := record.ParseHeader(p.RecordBatches)
	if err != nil || h.BaseOffset != 1 || p.HighWatermark != 3 {
		t.Fatalf("%+v, %v", h, err)
	}
}
