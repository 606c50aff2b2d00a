package apitest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/metadata/catalog"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// Versions calls fn for every served version of an API.
func Versions(t *testing.T, key int16, fn func(t *testing.T, version int16)) {
	t.Helper()
	spec := protocol.Lookup(key)
	if !spec.Served {
		t.Fatalf("%s is not served", spec.Name)
	}
	for v := spec.Min; v <= spec.Max; v++ {
		t.Run(fmt.Sprint("v", v), func(t *testing.T) { fn(t, v) })
	}
}

// Is fails the test unless an answer's error code is the wanted one.
func Is(t *testing.T, what string, got int16, want protocol.Code) {
	t.Helper()
	if protocol.Code(got) != want {
		t.Errorf("%s: %v, want %v", what, protocol.Code(got), want)
	}
}

// Batch builds a batch of n records with values of size bytes.
func Batch(n, size int) []byte {
	b := record.NewBuilder()
	for i := range n {
		b.Append(time.Now().UnixMilli(), fmt.Appendf(nil, "key-%d", i), bytes.Repeat([]byte{byte(i)}, size))
	}
	return bytes.Clone(b.Batch())
}

// Recrc makes a changed batch's CRC right again.
func Recrc(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], record.Castagnoli))
	return b
}

// ProduceTo makes a request with one batch per partition, all of one topic.
func ProduceTo(version int16, topic string, id pack.TopicID, batches map[int32][]byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = version, -1, 30_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = topic, id
	for partition, b := range batches {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = partition, b
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// Produced returns the only partition of an answer to Produce.
func Produced(t *testing.T, resp kmsg.Response) *kmsg.ProduceResponseTopicPartition {
	t.Helper()
	r := resp.(*kmsg.ProduceResponse)
	if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		t.Fatalf("%d topics in the answer: %+v", len(r.Topics), r)
	}
	return &r.Topics[0].Partitions[0]
}

// Produce appends a batch through a connection of its own.
func (b *Broker) Produce(topic *catalog.Topic, partition int32, batch []byte) {
	b.t.Helper()
	c := b.Dial()
	resp := c.Call(ProduceTo(9, topic.Name, topic.ID, map[int32][]byte{partition: batch})).(*kmsg.ProduceResponse)
	if code := resp.Topics[0].Partitions[0].ErrorCode; code != 0 {
		b.t.Fatalf("produce: %v", protocol.Code(code))
	}
	_ = c.Conn.Close()
}
