package record_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
)

// sink is as much of a broker as a producer needs. It decodes requests with package
// protocol, validates what is produced and remembers the records.
type sink struct {
	t    *testing.T
	addr *net.TCPAddr

	mu      sync.Mutex
	records []record.Record
	codecs  map[record.Codec]int
	keys    map[int16]int
}

func (s *sink) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		h, err := protocol.ParseRequestHeader(frame)
		if err != nil {
			s.t.Error(err)
			return
		}
		req, err := protocol.Decode(h.Key, h.Version, frame[h.Size:])
		if err != nil {
			s.t.Error(err)
			return
		}
		s.mu.Lock()
		s.keys[h.Key]++
		resp := s.answer(req)
		s.mu.Unlock()
		out := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(h.CorrelationID))
		if protocol.ResponseHeaderVersion(h.Key, h.Version) == 1 {
			out = append(out, 0)
		}
		out = resp.AppendTo(out)
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

func (s *sink) answer(req kmsg.Request) kmsg.Response {
	resp := req.ResponseKind()
	switch r := resp.(type) {
	case *kmsg.ApiVersionsResponse:
		for _, api := range protocol.Served() {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MinVersion, k.MaxVersion = api.Key, api.Advertised, api.Max
			r.ApiKeys = append(r.ApiKeys, k)
		}
	case *kmsg.MetadataResponse:
		b := kmsg.NewMetadataResponseBroker()
		b.Host, b.Port = s.addr.IP.String(), int32(s.addr.Port)
		r.Brokers = append(r.Brokers, b)
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Replicas, p.ISR, p.LeaderEpoch = []int32{0}, []int32{0}, 0
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = kmsg.StringPtr("t"), [16]byte{1}
		topic.Partitions = append(topic.Partitions, p)
		r.Topics = append(r.Topics, topic)
	case *kmsg.InitProducerIDResponse:
		r.ProducerID = 5
	case *kmsg.ProduceResponse:
		s.produce(req.(*kmsg.ProduceRequest), r)
	}
	return resp
}

func (s *sink) produce(req *kmsg.ProduceRequest, resp *kmsg.ProduceResponse) {
	for _, t := range req.Topics {
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			part := kmsg.NewProduceResponseTopicPartition()
			part.Partition = p.Partition
			s.append(p.Records, req.Version)
			topic.Partitions = append(topic.Partitions, part)
		}
		resp.Topics = append(resp.Topics, topic)
	}
}

func (s *sink) append(b []byte, version int16) {
	r := &record.Rules{ProduceVersion: version, Now: time.Now().UnixMilli(), TimestampBeforeMax: math.MaxInt64, TimestampAfterMax: 3_600_000,
		MaxMessageBytes: 1048588, MaxRecordBytes: math.MaxInt32, Compression: record.CodecProducer}
	before := bytes.Clone(b)
	info, err := record.Validate(b, r, nil)
	if err != nil {
		s.t.Error(err)
		return
	}
	if !bytes.Equal(b, before) {
		s.t.Errorf("a batch of franz-go was corrected: %+v", info)
	}
	s.codecs[info.Header.Codec()]++
	for rec, err := range record.Records(b, math.MaxInt32) {
		if err != nil {
			s.t.Error(err)
			return
		}
		s.records = append(s.records, record.Record{Key: bytes.Clone(rec.Key), Value: bytes.Clone(rec.Value), Headers: slices.Clone(rec.Headers)})
	}
}

// What a real client sends, in every codec, is accepted as it is and reads back as it
// was produced.
func TestClientBatches(t *testing.T) {
	for codec, option := range map[record.Codec]kgo.CompressionCodec{
		record.CodecNone: kgo.NoCompression(), record.CodecGzip: kgo.GzipCompression(), record.CodecSnappy: kgo.SnappyCompression(),
		record.CodecLZ4: kgo.Lz4Compression(), record.CodecZstd: kgo.ZstdCompression(),
	} {
		t.Run(codec.String(), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := &sink{t: t, addr: l.Addr().(*net.TCPAddr), codecs: map[record.Codec]int{}, keys: map[int16]int{}}
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					wg.Go(func() { s.serve(conn) })
				}
			})
			cl, err := kgo.NewClient(kgo.SeedBrokers(l.Addr().String()), kgo.DefaultProduceTopic("t"), kgo.ProducerBatchCompression(option))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			sent := produceAll(ctx, t, cl)
			cl.Close()
			_ = l.Close()
			wg.Wait()
			s.check(codec, sent)
		})
	}
}

func produceAll(ctx context.Context, t *testing.T, cl *kgo.Client) []*kgo.Record {
	var sent []*kgo.Record
	for i := range 3000 {
		r := &kgo.Record{Key: []byte(strconv.Itoa(i)), Value: bytes.Repeat([]byte(fmt.Sprintf("value %d;", i)), i%40)}
		switch i % 10 {
		case 3:
			r.Key = nil
		case 4:
			r.Value = nil
		case 5:
			r.Headers = []kgo.RecordHeader{{Key: "a", Value: []byte("b")}, {Key: "", Value: nil}}
		}
		if i == 1000 {
			r.Value = bytes.Repeat([]byte("large "), 100_000)
		}
		sent = append(sent, r)
		cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		t.Error(err)
	}
	return sent
}

func (s *sink) check(codec record.Codec, sent []*kgo.Record) {
	if s.codecs[codec] == 0 || s.keys[protocol.KeyInitProducerId] == 0 {
		s.t.Errorf("codecs %v, requests %v", s.codecs, s.keys)
	}
	if len(s.records) != len(sent) {
		s.t.Fatalf("%d records of %d", len(s.records), len(sent))
	}
	for i, want := range sent {
		got := s.records[i]
		if !bytes.Equal(got.Key, want.Key) || (got.Key == nil) != (want.Key == nil) || !bytes.Equal(got.Value, want.Value) ||
			(got.Value == nil) != (want.Value == nil) || len(got.Headers) != len(want.Headers) {
			s.t.Fatalf("record %d differs", i)
		}
	}
}
