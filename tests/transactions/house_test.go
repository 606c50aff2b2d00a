package transactions

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

var broker = flag.String("broker", string(peers.StreamHouse), "which broker to start: streamhouse or kafka")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(peers.Main(m))
}

// patience bounds what a test waits for.
const patience = 60 * time.Second

// house is a broker and somebody who asks it.
type house struct {
	*peers.Broker
	t    *testing.T
	conn *wire.Redial
}

// start makes a broker with one partition of __transaction_state.
func start(t *testing.T, settings map[string]string) *house {
	t.Helper()
	all := map[string]string{"transaction.state.log.num.partitions": "1", "offsets.topic.num.partitions": "1"}
	for k, v := range settings {
		all[k] = v
	}
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker), Settings: all})
	h := &house{Broker: b, t: t, conn: &wire.Redial{Addr: b.Addr(), ClientID: "transactions"}}
	t.Cleanup(h.conn.Close)
	return h
}

func (h *house) kafka() bool { return peers.Kind(*broker) == peers.Kafka }

// again kills the broker and starts it. Apache Kafka, which does not sync what it
// acknowledges, is stopped in order.
func (h *house) again() {
	h.t.Helper()
	end := h.Kill
	if h.kafka() {
		end = h.Stop
	}
	if err := end(); err != nil {
		h.t.Fatal(err)
	}
	h.conn.Close()
	if err := h.Start(peers.Context(h.t, peers.StartTimeout)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) call(version int16, req kmsg.Request) kmsg.Response {
	h.t.Helper()
	req.SetVersion(version)
	resp, err := h.conn.Call(peers.Context(h.t, patience), req)
	if err != nil {
		h.t.Fatalf("%s: %v", kmsg.NameForKey(req.Key()), err)
	}
	return resp
}

// until asks until the answer is what it should come to.
func (h *house) until(what string, ask func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); !ask(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func (h *house) create(topic string, partitions int32) {
	h.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, 1
	req.Topics = append(req.Topics, t)
	if code := h.call(5, req).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode; code != 0 {
		h.t.Fatal(topic, protocol.Code(code))
	}
	for i := range partitions {
		h.bound(topic, i, false) // Kafka's partitions have leaders a while later
	}
}

// find makes sure that a group (0) or a transactional id (1) has a coordinator.
func (h *house) find(kind int8, id string) {
	h.t.Helper()
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorType, req.CoordinatorKey = kind, id
	h.until("a coordinator", func() bool {
		return h.call(3, req).(*kmsg.FindCoordinatorResponse).ErrorCode == 0
	})
}

// producer is a client with a transactional id, of one of the two protocols.
type producer struct {
	h        *house
	id       string
	protocol int // 1 or 2
	pid      int64
	epoch    int16
	timeout  time.Duration
}

func (p *producer) pick(first, second int16) int16 {
	if p.protocol == 1 {
		return first
	}
	return second
}

// init asks for an id and epoch once; resumed says to go on as who it is.
func (p *producer) init(resumed bool) protocol.Code {
	p.h.t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = &p.id, int32(p.timeout/time.Millisecond)
	req.ProducerID, req.ProducerEpoch = -1, -1
	if resumed {
		req.ProducerID, req.ProducerEpoch = p.pid, p.epoch
	}
	resp := p.h.call(p.pick(4, 5), req).(*kmsg.InitProducerIDResponse)
	if resp.ErrorCode == 0 {
		p.pid, p.epoch = resp.ProducerID, resp.ProducerEpoch
	}
	return protocol.Code(resp.ErrorCode)
}

// passing are the answers that a client asks again after.
func passing(code protocol.Code) bool {
	return slices.Contains([]protocol.Code{
		protocol.CoordinatorLoadInProgress, protocol.NotCoordinator, protocol.CoordinatorNotAvailable, protocol.ConcurrentTransactions,
	}, code)
}

// last asks until the answer is final.
func (h *house) last(ask func() protocol.Code) (code protocol.Code) {
	h.t.Helper()
	h.until("a final answer", func() bool {
		code = ask()
		return !passing(code)
	})
	return code
}

// begins makes a producer that has an id.
func (h *house) begins(id string, protocol int, timeout time.Duration) *producer {
	h.t.Helper()
	h.find(1, id)
	p := &producer{h: h, id: id, protocol: protocol, timeout: timeout, pid: -1, epoch: -1}
	if code := h.last(func() code { return p.init(false) }); code != 0 {
		h.t.Fatal(id, code)
	}
	return p
}

type code = protocol.Code

func (p *producer) add(topic string, partitions ...int32) protocol.Code {
	p.h.t.Helper()
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.id, p.pid, p.epoch
	req.Topics = []kmsg.AddPartitionsToTxnRequestTopic{{Topic: topic, Partitions: partitions}}
	return protocol.Code(p.h.call(3, req).(*kmsg.AddPartitionsToTxnResponse).Topics[0].Partitions[0].ErrorCode)
}

// produce sends records without asking whether the partition is part of the transaction.
func (p *producer) produce(topic string, partition, sequence int32, at time.Time, values ...string) protocol.Code {
	p.h.t.Helper()
	req := wire.ProduceRequest(topic, 10_000, map[int32][]byte{partition: p.batch(sequence, at, values...)})
	req.TransactionID = &p.id
	return protocol.Code(p.h.call(p.pick(11, 12), req).(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode)
}

// batch is a batch of its transaction.
func (p *producer) batch(sequence int32, at time.Time, values ...string) []byte {
	b := record.NewBuilder()
	b.Producer = record.Producer{ID: p.pid, Epoch: p.epoch, Sequence: sequence}
	b.Transactional = true
	for _, v := range values {
		b.Append(at.UnixMilli(), nil, []byte(v))
	}
	return slices.Clone(b.Batch())
}

// sends writes records in the transaction, which takes in the partition.
func (p *producer) sends(topic string, partition, sequence int32, values ...string) {
	p.h.t.Helper()
	if p.protocol == 1 {
		if code := p.h.last(func() code { return p.add(topic, partition) }); code != 0 {
			p.h.t.Fatal("add:", code)
		}
	}
	if code := p.h.last(func() code { return p.produce(topic, partition, sequence, time.Now(), values...) }); code != 0 {
		p.h.t.Fatal("send:", code)
	}
}

// end asks for the end once.
func (p *producer) end(commit bool) protocol.Code {
	p.h.t.Helper()
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = p.id, p.pid, p.epoch, commit
	resp := p.h.call(p.pick(4, 5), req).(*kmsg.EndTxnResponse)
	if resp.ErrorCode == 0 && p.protocol == 2 {
		p.pid, p.epoch = resp.ProducerID, resp.ProducerEpoch
	}
	return protocol.Code(resp.ErrorCode)
}

// ends ends the transaction, and waits until that is over.
func (p *producer) ends(commit bool) {
	p.h.t.Helper()
	if code := p.h.last(func() code { return p.end(commit) }); code != 0 {
		p.h.t.Fatal("end:", code)
	}
	p.h.until("the end", func() bool { return strings.HasPrefix(p.h.describe(p.id).State, "Complete") })
}

// offsets commits an offset of a group, without asking whether it is part of the
// transaction.
func (p *producer) offsets(group, topic string, offset int64) protocol.Code {
	p.h.t.Helper()
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch, req.Generation = p.id, group, p.pid, p.epoch, -1
	t, part := kmsg.NewTxnOffsetCommitRequestTopic(), kmsg.NewTxnOffsetCommitRequestTopicPartition()
	part.Offset = offset
	t.Topic, t.Partitions = topic, append(t.Partitions, part)
	req.Topics = append(req.Topics, t)
	return protocol.Code(p.h.call(p.pick(4, 5), req).(*kmsg.TxnOffsetCommitResponse).Topics[0].Partitions[0].ErrorCode)
}

func (h *house) describe(id string) kmsg.DescribeTransactionsResponseTransactionState {
	h.t.Helper()
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{id}
	var s kmsg.DescribeTransactionsResponseTransactionState
	h.last(func() code {
		s = h.call(0, req).(*kmsg.DescribeTransactionsResponse).TransactionStates[0]
		return protocol.Code(s.ErrorCode)
	})
	return s
}

// reads waits until readers of an isolation level see this of a partition: a Kafka that
// was killed takes its time.
func (h *house) reads(topic string, partition int32, committed bool, want string) {
	h.t.Helper()
	var got string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got = h.read(topic, partition, committed); got == want {
			return
		}
		if !h.kafka() {
			break // ours has been told of nothing that is not there
		}
	}
	h.t.Errorf("%s-%d: %q, want %q", topic, partition, got, want)
}

// bound is the end of a partition, or the last stable offset.
func (h *house) bound(topic string, partition int32, stable bool) int64 {
	h.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	if stable {
		req.IsolationLevel = 1
	}
	t, p := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, -1, -1
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	var got kmsg.ListOffsetsResponseTopicPartition
	h.until("an end of "+topic, func() bool {
		got = h.call(6, req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
		return got.ErrorCode == 0 // Kafka's leaders come a while after a start
	})
	return got.Offset
}

// read is a partition as readers of an isolation level see it: values, and markers as
// <commit 5> with the producer's epoch.
func (h *house) read(topic string, partition int32, committed bool) string {
	h.t.Helper()
	var seen []string
	aborted := map[int64][]int64{}
	for at, end := int64(0), h.bound(topic, partition, committed); at < end; {
		got := h.fetch(topic, partition, at, committed)
		for _, a := range got.AbortedTransactions {
			aborted[a.ProducerID] = append(aborted[a.ProducerID], a.FirstOffset)
		}
		for b, err := range record.Batches(got.RecordBatches) {
			if err != nil {
				h.t.Fatal(err)
			}
			at = b.Header.LastOffset() + 1
			if b.Header.Control() {
				delete(aborted, b.Header.ProducerID)
			} else if starts := aborted[b.Header.ProducerID]; len(starts) > 0 && starts[0] <= b.Header.BaseOffset {
				continue
			}
			seen = append(seen, h.values(&b)...)
		}
	}
	return strings.Join(seen, " ")
}

func (h *house) values(b *record.Batch) (seen []string) {
	h.t.Helper()
	for r, err := range record.Records(b.Bytes, 1<<20) {
		switch {
		case err != nil:
			h.t.Fatal(err)
		case b.Header.Control():
			word := map[byte]string{0: "abort", 1: "commit"}[r.Key[3]]
			seen = append(seen, fmt.Sprintf("<%s %d>", word, b.Header.ProducerEpoch))
		default:
			seen = append(seen, string(r.Value))
		}
	}
	return seen
}

func (h *house) fetch(topic string, partition int32, at int64, committed bool) kmsg.FetchResponseTopicPartition {
	h.t.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 500, 1, 1<<20, -1
	if committed {
		req.IsolationLevel = 1
	}
	t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, at, 1<<20
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	got := h.call(12, req).(*kmsg.FetchResponse).Topics[0].Partitions[0]
	if got.ErrorCode != 0 {
		h.t.Fatalf("%s-%d at %d: %v", topic, partition, at, protocol.Code(got.ErrorCode))
	}
	return got
}

// state writes a record of __transaction_state, as only administrators may. The broker
// learns of it with its next start.
func (h *house) state(id string, change func(*kmsg.TxnMetadataValue)) {
	h.t.Helper()
	k, v := kmsg.NewTxnMetadataKey(), kmsg.NewTxnMetadataValue()
	k.TransactionalID, v.Version, v.NextProducerID, v.PreviousProducerID = id, 1, -1, -1
	v.LastUpdateTimestamp = time.Now().UnixMilli()
	v.StartTimestamp, v.Topics = v.LastUpdateTimestamp, []kmsg.TxnMetadataValueTopic{} // null is for Empty
	change(&v)
	b := record.NewBuilder()
	b.Append(v.LastUpdateTimestamp, k.AppendTo(nil), v.AppendTo(nil))
	admin := &wire.Redial{Addr: h.Addr(), ClientID: "__admin_client"}
	defer admin.Close()
	if _, err := admin.Produce(peers.Context(h.t, patience), "__transaction_state", 0, slices.Clone(b.Batch())); err != nil {
		h.t.Fatal(err)
	}
}

// expect compares answers with what Apache Kafka gives.
func (h *house) expect(what string, got, want protocol.Code) {
	h.t.Helper()
	if got != want {
		h.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// takesOffsets commits an offset of a group in the transaction.
func (p *producer) takesOffsets(group, topic string, offset int64) {
	p.h.t.Helper()
	if p.protocol == 1 {
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Group = p.id, p.pid, p.epoch, group
		if code := p.h.last(func() code { return protocol.Code(p.h.call(3, req).(*kmsg.AddOffsetsToTxnResponse).ErrorCode) }); code != 0 {
			p.h.t.Fatal("add offsets:", code)
		}
	}
	if code := p.h.last(func() code { return p.offsets(group, topic, offset) }); code != 0 {
		p.h.t.Fatal("offsets:", code)
	}
}

// stableOffset is a group's offset of partition 0 once no transaction holds it back.
func (h *house) stableOffset(group, topic string) int64 {
	h.t.Helper()
	h.find(0, group)
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = group, true
	req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: []int32{0}}}
	var p kmsg.OffsetFetchResponseTopicPartition
	h.until("a stable offset", func() bool {
		resp := h.call(7, req).(*kmsg.OffsetFetchResponse)
		if passing(protocol.Code(resp.ErrorCode)) {
			return false
		}
		p = resp.Topics[0].Partitions[0]
		return protocol.Code(p.ErrorCode) != protocol.UnstableOffsetCommit
	})
	if p.ErrorCode != 0 {
		h.t.Fatal(group, protocol.Code(p.ErrorCode))
	}
	return p.Offset
}
