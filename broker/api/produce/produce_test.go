package produce_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// TestProduceVersions: every version is appended and answered in its own shape, with
// small and large frames.
func TestProduceVersions(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 3, nil)
	c := b.Dial()
	next := map[int32]int64{}
	for version := int16(3); version <= 13; version++ {
		for _, size := range []int{10, 3000, 200_000} {
			batches := map[int32][]byte{0: apitest.Batch(3, size), 1: apitest.Batch(1, size), 2: apitest.Batch(2, size/2)}
			resp := c.Call(apitest.ProduceTo(version, "t", topic.ID, batches)).(*kmsg.ProduceResponse)
			if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 3 {
				t.Fatalf("v%d: %+v", version, resp)
			}
			out := resp.Topics[0]
			if version >= 13 && out.TopicID != topic.ID || version < 13 && out.Topic != "t" {
				t.Fatalf("v%d: topic %q %x", version, out.Topic, out.TopicID)
			}
			for _, p := range out.Partitions {
				if p.ErrorCode != 0 || p.BaseOffset != next[p.Partition] || p.LogAppendTime != -1 || len(p.ErrorRecords) != 0 || p.ErrorMessage != nil {
					t.Fatalf("v%d: partition %d: %+v, want offset %d", version, p.Partition, p, next[p.Partition])
				}
				if version >= 5 && p.LogStartOffset != 0 || version < 5 && p.LogStartOffset != -1 {
					t.Fatalf("v%d: log start %d", version, p.LogStartOffset)
				}
				stored := b.Log.Batches(pack.PartitionID{Topic: topic.ID, Partition: p.Partition})
				want := batches[p.Partition]
				if got := stored[len(stored)-1]; !bytes.Equal(got[21:], want[21:]) || !bytes.Equal(got[16:21], want[16:21]) {
					t.Fatalf("v%d: partition %d: other bytes were stored", version, p.Partition)
				}
				h, _ := record.ParseHeader(want)
				next[p.Partition] += int64(h.Records)
			}
		}
	}
}

// TestProduceManyPartitions: more partitions than one ticket has slots, over several
// topics, in one request.
func TestProduceManyPartitions(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	c := b.Dial()
	for _, version := range []int16{7, 9, 13} {
		req := kmsg.NewPtrProduceRequest()
		req.Version, req.Acks, req.TimeoutMillis = version, 1, 30_000
		for n, parts := range []int32{1, 255, 256, 257, 700} {
			name := fmt.Sprintf("v%d-%d", version, n)
			topic := b.Topic(name, parts, nil)
			rt := kmsg.NewProduceRequestTopic()
			rt.Topic, rt.TopicID = name, topic.ID
			for p := range parts {
				rp := kmsg.NewProduceRequestTopicPartition()
				rp.Partition, rp.Records = p, apitest.Batch(1, 100)
				rt.Partitions = append(rt.Partitions, rp)
			}
			req.Topics = append(req.Topics, rt)
		}
		resp := c.Call(req).(*kmsg.ProduceResponse)
		for i := range req.Topics {
			if len(resp.Topics[i].Partitions) != len(req.Topics[i].Partitions) {
				t.Fatalf("v%d: topic %d: %d partitions", version, i, len(resp.Topics[i].Partitions))
			}
			for j, p := range resp.Topics[i].Partitions {
				if p.Partition != int32(j) || p.ErrorCode != 0 || p.BaseOffset != 0 {
					t.Fatalf("v%d: topic %d: %+v", version, i, p)
				}
			}
		}
	}
}

// TestProduceRefusals: what a batch can be refused for, and that the batches beside
// it and the connection live on.
func TestProduceRefusals(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	plain := b.Topic("plain", 2, nil)
	b.Topic("compacted", 2, map[string]string{"cleanup.policy": "compact"})
	b.Topic("small", 2, map[string]string{"max.message.bytes": "1000"})
	if _, err := b.Catalog.EnsureInternal(t.Context(), "__consumer_offsets"); err != nil {
		t.Fatal(err)
	}
	good := apitest.Batch(2, 10)
	change := func(fn func(b []byte)) []byte {
		c := bytes.Clone(good)
		fn(c)
		return c
	}
	noKey := record.NewBuilder()
	noKey.Append(time.Now().UnixMilli(), []byte("k"), []byte("v"))
	noKey.Append(time.Now().UnixMilli(), nil, []byte("v"))
	cases := []struct {
		name    string
		topic   string
		part    int32
		records []byte
		code    protocol.Code
		says    bool
	}{
		{"unknown topic", "none", 0, good, protocol.UnknownTopicOrPartition, false},
		{"unknown partition", "plain", 2, good, protocol.UnknownTopicOrPartition, false},
		{"negative partition", "plain", -1, good, protocol.UnknownTopicOrPartition, false},
		{"internal topic", "__consumer_offsets", 0, good, protocol.InvalidTopicException, false},
		{"null records", "plain", 0, nil, protocol.InvalidRecord, false},
		{"no records", "plain", 0, []byte{}, protocol.InvalidRecord, false},
		{"corrupt", "plain", 0, change(func(b []byte) { b[70] ^= 1 }), protocol.CorruptMessage, false},
		{"wrong magic", "plain", 0, change(func(b []byte) { b[16] = 7 }), protocol.CorruptMessage, true},
		{"old magic", "plain", 0, change(func(b []byte) { b[16] = 1 }), protocol.InvalidRecord, false},
		{"too large", "small", 0, apitest.Batch(2, 1000), protocol.MessageTooLarge, false},
		{"no key", "compacted", 0, bytes.Clone(noKey.Batch()), protocol.InvalidRecord, true},
		{"two batches", "plain", 0, append(bytes.Clone(good), good...), protocol.InvalidRecord, false},
		{"control", "plain", 0, apitest.Recrc(change(func(b []byte) { b[22] |= 0x20 })), protocol.InvalidRecord, false},
		{"transaction", "plain", 0, apitest.Recrc(change(func(b []byte) {
			b[22] |= 0x10
			binary.BigEndian.PutUint64(b[43:], 5)
			binary.BigEndian.PutUint16(b[51:], 0)
			binary.BigEndian.PutUint32(b[53:], 0)
		})), protocol.TransactionalIDAuthorizationFailed, false},
	}
	c := b.Dial()
	for _, tc := range cases {
		for _, version := range []int16{3, 8, 9, 12} {
			req := apitest.ProduceTo(version, tc.topic, pack.TopicID{}, map[int32][]byte{tc.part: tc.records})
			beside := apitest.ProduceTo(version, "plain", plain.ID, map[int32][]byte{1: apitest.Batch(1, 5)})
			req.Topics = append(req.Topics, beside.Topics...)
			resp := c.Call(req).(*kmsg.ProduceResponse)
			p := resp.Topics[0].Partitions[0]
			if p.ErrorCode != int16(tc.code) || p.BaseOffset != -1 {
				t.Errorf("%s v%d: %v, offset %d, want %v", tc.name, version, protocol.Code(p.ErrorCode), p.BaseOffset, tc.code)
			}
			if version >= 8 && tc.says != (p.ErrorMessage != nil) {
				t.Errorf("%s v%d: message %v", tc.name, version, p.ErrorMessage)
			}
			if version >= 8 && tc.name == "no key" && (len(p.ErrorRecords) != 1 || p.ErrorRecords[0].RelativeOffset != 1) {
				t.Errorf("%s v%d: record errors %+v", tc.name, version, p.ErrorRecords)
			}
			last := resp.Topics[len(resp.Topics)-1].Partitions // one topic that is named twice is answered once
			if good := last[len(last)-1]; good.Partition != 1 || good.ErrorCode != 0 {
				t.Errorf("%s v%d: the batch beside it: %v", tc.name, version, protocol.Code(good.ErrorCode))
			}
		}
	}
	if n := len(b.Log.Batches(pack.PartitionID{Topic: plain.ID})); n != 0 {
		t.Errorf("%d refused batches were stored", n)
	}
}

// TestProduceRequestRefusals: what refuses all batches of a request.
func TestProduceRequestRefusals(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	c := b.Dial()
	for version := int16(3); version <= 13; version++ {
		req := apitest.ProduceTo(version, "t", topic.ID, map[int32][]byte{0: apitest.Batch(1, 10)})
		req.Acks = 2
		if p := apitest.Produced(t, c.Call(req)); p.ErrorCode != int16(protocol.InvalidRequiredAcks) || p.BaseOffset != -1 {
			t.Errorf("v%d: acks=2: %+v", version, p)
		}
	}
	req := apitest.ProduceTo(13, "", pack.TopicID{9}, map[int32][]byte{0: apitest.Batch(1, 10)})
	if p := apitest.Produced(t, c.Call(req)); p.ErrorCode != int16(protocol.UnknownTopicID) {
		t.Errorf("unknown id: %+v", p)
	}
	if n := len(b.Log.Appended()); n != 0 {
		t.Errorf("%d refused batches were stored", n)
	}
}

// TestProduceTwice: of two batches for a partition one is taken, and answered once.
func TestProduceTwice(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 40, nil)
	c := b.Dial()
	req := apitest.ProduceTo(9, "t", topic.ID, nil)
	for _, p := range []int32{3, 3, 5, 3} {
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = p, apitest.Batch(1, 10)
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, rp)
	}
	for p := range int32(40) { // enough for the map
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = p, apitest.Batch(1, 10)
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, rp)
	}
	for round := range 2 {
		resp := c.Call(req).(*kmsg.ProduceResponse)
		if n := len(resp.Topics[0].Partitions); n != 40 {
			t.Fatalf("%d answers for 40 partitions", n)
		}
		if n := len(b.Log.Appended()); n != 40*(round+1) {
			t.Fatalf("%d batches taken, want %d", n, 40*(round+1))
		}
	}
}

// TestProduceNotLeader: from version 10 on the answer names leader and endpoint.
func TestProduceNotLeader(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	b.Log.Refuse(protocol.NotLeaderOrFollower)
	c := b.Dial()
	for version := int16(3); version <= 13; version++ {
		resp := c.Call(apitest.ProduceTo(version, "t", topic.ID, map[int32][]byte{0: apitest.Batch(1, 10)})).(*kmsg.ProduceResponse)
		p := apitest.Produced(t, resp)
		if p.ErrorCode != int16(protocol.NotLeaderOrFollower) {
			t.Fatalf("v%d: %+v", version, p)
		}
		named := p.CurrentLeader.LeaderID == 1 && len(resp.Brokers) == 1 && resp.Brokers[0].Host == "127.0.0.1"
		if named != (version >= 10) {
			t.Errorf("v%d: leader %+v, endpoints %+v", version, p.CurrentLeader, resp.Brokers)
		}
	}
}

// TestProduceTimesOut: after its timeout a request is answered, and its batch keeps
// its place.
func TestProduceTimesOut(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 2, nil)
	c := b.Dial()
	b.Log.Hold()
	req := apitest.ProduceTo(9, "t", topic.ID, map[int32][]byte{0: apitest.Batch(1, 10), 7: apitest.Batch(1, 10)})
	req.TimeoutMillis = 50
	resp := c.Call(req).(*kmsg.ProduceResponse)
	for _, p := range resp.Topics[0].Partitions {
		want := protocol.RequestTimedOut
		if p.Partition == 7 {
			want = protocol.UnknownTopicOrPartition
		}
		if p.ErrorCode != int16(want) || p.BaseOffset != -1 {
			t.Errorf("partition %d: %+v", p.Partition, p)
		}
	}
	b.Log.Flush()
	req.TimeoutMillis = 10_000
	for _, p := range c.Call(req).(*kmsg.ProduceResponse).Topics[0].Partitions {
		if p.Partition == 0 && p.BaseOffset != 1 {
			t.Errorf("the next batch got offset %d, want 1", p.BaseOffset)
		}
	}
}

// TestProduceWithoutRoom: a batch for which the log has no room is given up when the
// request's timeout passes, and the next request is served then.
func TestProduceWithoutRoom(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 2, nil)
	b.Log.Fill()
	c := b.Dial()
	for range 2 {
		req := apitest.ProduceTo(9, "t", topic.ID, map[int32][]byte{0: apitest.Batch(1, 10), 1: apitest.Batch(1, 10)})
		req.TimeoutMillis = 20
		for _, p := range c.Call(req).(*kmsg.ProduceResponse).Topics[0].Partitions {
			if p.ErrorCode != int16(protocol.RequestTimedOut) {
				t.Fatalf("%+v", p)
			}
		}
	}
}

// TestProduceSilent: acks=0 gets no answer, and an error closes the connection.
func TestProduceSilent(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, nil)
	c := b.Dial()
	for range 5 {
		req := apitest.ProduceTo(9, "t", topic.ID, map[int32][]byte{0: apitest.Batch(1, 10)})
		req.Acks = 0
		c.Send(req)
	}
	if p := apitest.Produced(t, c.Call(apitest.ProduceTo(9, "t", topic.ID, map[int32][]byte{0: apitest.Batch(1, 10)}))); p.BaseOffset != 5 {
		t.Fatalf("after five silent ones: %+v", p)
	}
	req := apitest.ProduceTo(9, "t", topic.ID, map[int32][]byte{3: apitest.Batch(1, 10)})
	req.Acks = 0
	c.Send(req)
	c.Closed()
}

// TestProduceLogAppendTime: the broker's clock, in the batch and in the answer.
func TestProduceLogAppendTime(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	p := apitest.Produced(t, b.Dial().Call(apitest.ProduceTo(9, "t", topic.ID, map[int32][]byte{0: apitest.Batch(1, 10)})))
	if age := time.Now().UnixMilli() - p.LogAppendTime; age < 0 || age > 60_000 {
		t.Fatalf("log append time %d", p.LogAppendTime)
	}
	h, err := record.ParseHeader(b.Log.Batches(pack.PartitionID{Topic: topic.ID})[0])
	if err != nil || !h.LogAppendTime() || h.MaxTimestamp != p.LogAppendTime {
		t.Fatalf("stored %+v, %v", h, err)
	}
}

// TestProduceRecompresses: compression.type other than producer.
func TestProduceRecompresses(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	for name, codec := range map[string]record.Codec{"gzip": record.CodecGzip, "zstd": record.CodecZstd, "lz4": record.CodecLZ4, "snappy": record.CodecSnappy} {
		topic := b.Topic(name, 1, map[string]string{"compression.type": name})
		sent := apitest.Batch(5, 1000)
		if p := apitest.Produced(t, b.Dial().Call(apitest.ProduceTo(9, name, topic.ID, map[int32][]byte{0: sent}))); p.ErrorCode != 0 {
			t.Fatalf("%s: %+v", name, p)
		}
		stored := b.Log.Batches(pack.PartitionID{Topic: topic.ID})[0]
		h, _ := record.ParseHeader(stored)
		if h.Codec() != codec || h.Records != 5 || len(stored) >= len(sent) {
			t.Errorf("%s: stored %+v in %d bytes", name, h, len(stored))
		}
		if _, err := record.Validate(stored, &record.Rules{ProduceVersion: 9, MaxMessageBytes: 1 << 20, MaxRecordBytes: 1 << 20, Compression: record.CodecProducer, TimestampBeforeMax: 1 << 60, TimestampAfterMax: 1 << 60, Now: time.Now().UnixMilli()}, nil); err != nil {
			t.Errorf("%s: what was stored is not valid: %v", name, err)
		}
	}
}

// TestProduceBuffers: no batch's memory is kept, however requests end.
func TestProduceBuffers(t *testing.T) {
	before := buffer.InUse()
	b := apitest.Start(t, apitest.Options{})
	topic := b.Topic("t", 2, nil)
	c := b.Dial()
	for range 20 {
		c.Call(apitest.ProduceTo(9, "t", topic.ID, map[int32][]byte{0: apitest.Batch(3, 50_000), 1: apitest.Batch(1, 10)}))
	}
	bad := apitest.Batch(3, 50_000)
	bad[500] ^= 1
	c.Call(apitest.ProduceTo(9, "t", topic.ID, map[int32][]byte{0: bad}))
	frame := c.Frame(apitest.ProduceTo(9, "t", topic.ID, map[int32][]byte{0: apitest.Batch(3, 50_000)}))
	if _, err := c.Conn.Write(frame[:len(frame)-1000]); err != nil {
		t.Fatal(err)
	}
	_ = c.Conn.Close()
	if !apitest.Until(func() bool { return buffer.InUse() == before }) {
		t.Fatalf("%d bytes of buffers are kept", buffer.InUse()-before)
	}
}

// TestProduceNullName: a name that is null is no name, and ends the connection as any frame
// that cannot be read.
func TestProduceNullName(t *testing.T) {
	c := apitest.Start(t, apitest.Options{}).Dial()
	frame := c.Frame(apitest.ProduceTo(8, "name", pack.TopicID{}, map[int32][]byte{0: apitest.Batch(1, 10)}))
	null := bytes.Replace(frame, []byte("\x00\x04name"), []byte{0xff, 0xff}, 1)
	if len(null) != len(frame)-4 {
		t.Fatal("the request has no name to take out")
	}
	binary.BigEndian.PutUint32(null, uint32(len(null)-4))
	if _, err := c.Conn.Write(null); err != nil {
		t.Fatal(err)
	}
	c.Closed()
}
