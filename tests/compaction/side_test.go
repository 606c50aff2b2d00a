package compaction

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// patience bounds one request, and one wait for what is to become of it.
const patience = 30 * time.Second

// spot is a partition.
type spot struct {
	topic     string
	partition int32
}

func (s spot) String() string { return fmt.Sprintf("%s-%d", s.topic, s.partition) }

// side is one of the two brokers that get the same operations.
type side struct {
	*peers.Broker
	t    *testing.T
	conn *wire.Conn
	// producers by the test's numbers, and the other way round.
	producers map[int]record.Producer
	numbers   map[int64]int
}

func newSide(t *testing.T, o peers.Options) *side {
	return &side{Broker: peers.Prepare(t, o), t: t, producers: map[int]record.Producer{}, numbers: map[int64]int{-1: -1}}
}

func (s *side) start() error {
	if err := s.Start(peers.Context(s.t, peers.StartTimeout)); err != nil {
		return err
	}
	var err error
	if s.conn, err = wire.Dial(s.Addr(), "beside", patience); err == nil {
		s.t.Cleanup(func() { _ = s.conn.Close() }) // nothing is on its way
	}
	return err
}

func (s *side) ours() bool { return s.Options().Kind == peers.StreamHouse }

func (s *side) call(version int16, req kmsg.Request) kmsg.Response {
	s.t.Helper()
	req.SetVersion(version)
	resp, err := s.conn.Call(req, patience)
	if err != nil {
		s.t.Fatalf("%s: %T: %v", s.Options().Kind, req, err)
	}
	return resp
}

// must asks until the code is 0; what a coordinator says while it is busy is no answer.
func (s *side) must(what string, ask func() int16) {
	s.t.Helper()
	var code protocol.Code
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		switch code = protocol.Code(ask()); code {
		case 0:
			return
		case protocol.ConcurrentTransactions, protocol.NotCoordinator, protocol.CoordinatorNotAvailable, protocol.CoordinatorLoadInProgress,
			protocol.UnknownTopicOrPartition, protocol.NotLeaderOrFollower:
		default:
			s.t.Fatalf("%s: %s: %v", s.Options().Kind, what, code)
		}
	}
	s.t.Fatalf("%s: %s: %v", s.Options().Kind, what, code)
}

func (s *side) create(topic string, partitions int32, settings map[string]string) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, 1
	for name, value := range settings {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, &value
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	s.must("create "+topic, func() int16 { return s.call(7, req).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode })
}

func (s *side) alter(topic string, settings map[string]string) {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	for name, value := range settings {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Name, c.Value = name, &value
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	s.must("alter "+topic, func() int16 {
		return s.call(1, req).(*kmsg.IncrementalAlterConfigsResponse).Resources[0].ErrorCode
	})
}

// coordinator asks for a transaction coordinator, which makes its topic.
func (s *side) coordinator(txn string) {
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType, req.CoordinatorKey = 1, txn
	s.must("coordinator", func() int16 { return s.call(3, req).(*kmsg.FindCoordinatorResponse).ErrorCode })
}

// init gets a producer id, or the next epoch of a transactional one.
func (s *side) init(number int, txn string) (epoch int16) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionTimeoutMillis = 600_000
	if txn != "" {
		req.TransactionalID = &txn
	}
	var got *kmsg.InitProducerIDResponse
	s.must("init "+txn, func() int16 {
		got = s.call(4, req).(*kmsg.InitProducerIDResponse)
		return got.ErrorCode
	})
	s.producers[number] = record.Producer{ID: got.ProducerID, Epoch: got.ProducerEpoch}
	s.numbers[got.ProducerID] = number
	return got.ProducerEpoch
}

func (s *side) join(number int, txn string, at spot) {
	p := s.producers[number]
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = txn, p.ID, p.Epoch
	t := kmsg.NewAddPartitionsToTxnRequestTopic()
	t.Topic, t.Partitions = at.topic, []int32{at.partition}
	req.Topics = append(req.Topics, t)
	s.must("join "+txn, func() int16 {
		return s.call(3, req).(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions[0].ErrorCode
	})
}

func (s *side) end(number int, txn string, commit bool) {
	p := s.producers[number]
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = txn, p.ID, p.Epoch, commit
	s.must("end "+txn, func() int16 { return s.call(3, req).(*kmsg.EndTxnResponse).ErrorCode })
}

// produce sends a batch of a transaction ("": of none).
func (s *side) produce(at spot, txn string, batch []byte) (code protocol.Code, base int64) {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	if txn != "" {
		req.TransactionID = &txn
	}
	t, p := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = at.partition, batch
	t.Topic, t.Partitions = at.topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		got := s.call(9, req).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		code = protocol.Code(got.ErrorCode)
		if code != protocol.ConcurrentTransactions && code != protocol.NotLeaderOrFollower && code != protocol.UnknownTopicOrPartition || time.Now().After(end) {
			return code, got.BaseOffset
		}
	}
}

func (s *side) deleteRecords(at spot, before int64) {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 10_000
	t, p := kmsg.NewDeleteRecordsRequestTopic(), kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = at.partition, before
	t.Topic, t.Partitions = at.topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	s.must("delete records", func() int16 {
		return s.call(2, req).(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0].ErrorCode
	})
}

// offset asks for the log start (-2) or the high watermark (-1).
func (s *side) offset(at spot, which int64) (offset int64) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t, p := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = at.partition, which
	t.Topic, t.Partitions = at.topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	s.must("offset", func() int16 {
		got := s.call(4, req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		offset = got.Offset
		return got.ErrorCode
	})
	return offset
}

// reaches waits until the high watermark is there: an end marker comes after its answer.
func (s *side) reaches(at spot, end int64) {
	s.t.Helper()
	var got int64
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(2 * time.Millisecond) {
		if got = s.offset(at, -1); got >= end {
			break
		}
	}
	if got != end {
		s.t.Fatalf("%s: %v ends at %d, want %d", s.Options().Kind, at, got, end)
	}
}

// fetch reads what is left from an offset on.
func (s *side) fetch(at spot, from int64, committed bool) (got kmsg.FetchResponseTopicPartition) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.SessionEpoch, req.ReplicaID = 64<<20, -1, -1
	if committed {
		req.IsolationLevel = 1
	}
	t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.PartitionMaxBytes, p.FetchOffset, p.CurrentLeaderEpoch = at.partition, 64<<20, from, -1
	t.Topic, t.Partitions = at.topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	s.must(fmt.Sprintf("fetch %v from %d", at, from), func() int16 {
		got = s.call(11, req).(*kmsg.FetchResponse).Topics[0].Partitions[0]
		return got.ErrorCode
	})
	return got
}

// cleaned reads how far Kafka's cleaner has come, from its checkpoint.
func (s *side) cleaned() map[spot]int64 {
	out := map[spot]int64{}
	text, err := os.ReadFile(filepath.Join(s.Data(), "cleaner-offset-checkpoint"))
	if err != nil {
		return out // none yet
	}
	for line := range strings.Lines(string(text)) {
		var at spot
		var end int64
		if n, _ := fmt.Sscan(line, &at.topic, &at.partition, &end); n == 3 {
			out[at] = end
		}
	}
	return out
}

// metric reads one of ours.
func (s *side) metric(name string) float64 {
	s.t.Helper()
	value, err := s.Metric(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return value
}
