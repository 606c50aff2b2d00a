package produce_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// transactional makes a batch part of producer 5's transaction.
func transactional(b []byte, sequence uint32) []byte {
	b[22] |= 0x10
	binary.BigEndian.PutUint64(b[43:], 5)
	binary.BigEndian.PutUint16(b[51:], 2)
	binary.BigEndian.PutUint32(b[53:], sequence)
	return apitest.Recrc(b)
}

// TestProduceNeedsATransactionalID: a transactional batch of a request without one is
// refused before its data are looked at, even while the producer's transaction is open.
func TestProduceNeedsATransactionalID(t *testing.T) {
	for _, version := range []int16{3, 9, 11, 12, 13} {
		x := &apitest.Transactions{}
		b := apitest.Start(t, apitest.Options{Transactions: x})
		topic := b.Topic("t", 1, nil)
		first := apitest.ProduceTo(version, "t", topic.ID, map[int32][]byte{0: transactional(apitest.Batch(1, 10), 0)})
		first.TransactionID = kmsg.StringPtr("tx")
		conn := b.Dial()
		if p := apitest.Produced(t, conn.Call(first)); p.ErrorCode != 0 {
			t.Fatalf("version %d: with an id: %v", version, protocol.Code(p.ErrorCode))
		}
		asked := len(x.Asked())
		p := apitest.Produced(t, conn.Call(apitest.ProduceTo(version, "t", topic.ID, map[int32][]byte{0: transactional(apitest.Batch(1, 10), 1)})))
		if got := protocol.Code(p.ErrorCode); got != protocol.TransactionalIDAuthorizationFailed {
			t.Errorf("version %d: without an id: %v", version, got)
		}
		if n := len(b.Log.Batches(pack.PartitionID{Topic: topic.ID})); n != 1 || len(x.Asked()) != asked {
			t.Errorf("version %d: %d batches stored, coordinator asked %d times more", version, n, len(x.Asked())-asked)
		}
	}
}

// TestProduceAsksTheCoordinator: a transactional batch is stored only if the
// coordinator confirms it, and the client is told what its version knows.
func TestProduceAsksTheCoordinator(t *testing.T) {
	for _, c := range []struct {
		name    string
		code    protocol.Code
		version int16
		want    protocol.Code
		message string
	}{
		{"confirmed", protocol.None, 11, protocol.None, ""},
		{"added", protocol.None, 12, protocol.None, ""},
		{"not added", protocol.InvalidTxnState, 11, protocol.InvalidTxnState, "Partition was not added to the transaction"},
		{"loading", protocol.CoordinatorLoadInProgress, 11, protocol.NotEnoughReplicas, "Underlying error: COORDINATOR_LOAD_IN_PROGRESS"},
		{"busy", protocol.ConcurrentTransactions, 11, protocol.NotEnoughReplicas, "Underlying error: CONCURRENT_TRANSACTIONS"},
		{"busy, version 2", protocol.ConcurrentTransactions, 12, protocol.ConcurrentTransactions, ""},
		{"fenced", protocol.ProducerFenced, 12, protocol.InvalidProducerEpoch, ""},
		{"unknown producer", protocol.InvalidProducerIDMapping, 9, protocol.InvalidProducerIDMapping, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := &apitest.Transactions{Code: c.code}
			b := apitest.Start(t, apitest.Options{Transactions: x})
			topic := b.Topic("t", 3, nil)
			req := apitest.ProduceTo(c.version, "t", topic.ID, map[int32][]byte{2: transactional(apitest.Batch(2, 10), 0)})
			req.TransactionID = kmsg.StringPtr("tx")
			p := apitest.Produced(t, b.Dial().Call(req))
			if protocol.Code(p.ErrorCode) != c.want {
				t.Errorf("answered %v, want %v", protocol.Code(p.ErrorCode), c.want)
			}
			if c.message != "" && (p.ErrorMessage == nil || !strings.Contains(*p.ErrorMessage, c.message)) {
				t.Errorf("message %v, want %q", p.ErrorMessage, c.message)
			}
			stored := len(b.Log.Batches(pack.PartitionID{Topic: topic.ID, Partition: 2}))
			if stored > 1 || (stored == 1) != (c.want == protocol.None) {
				t.Errorf("%d batches stored", stored)
			}
			want := apitest.Asked{
				TransactionalID: "tx", ProducerID: 5, Epoch: 2, Add: c.version >= 12,
				Partition: txn.TopicPartition{Topic: "t", Partition: 2},
			}
			if asked := x.Asked(); len(asked) != 1 || asked[0] != want {
				t.Errorf("asked %+v, want %+v", asked, want)
			}
		})
	}
}

// TestProduceUnverified: with verification switched off the coordinator is asked by those
// only who need it to add the partition.
func TestProduceUnverified(t *testing.T) {
	for version, asks := range map[int16]bool{3: false, 11: false, 12: true, 13: true} {
		x := &apitest.Transactions{Code: protocol.TransactionAbortable}
		b := apitest.Start(t, apitest.Options{Transactions: x, Unverified: true})
		topic := b.Topic("t", 1, nil)
		req := apitest.ProduceTo(version, "t", topic.ID, map[int32][]byte{0: transactional(apitest.Batch(1, 10), 0)})
		req.TransactionID = kmsg.StringPtr("tx")
		p := apitest.Produced(t, b.Dial().Call(req))
		if stored := len(b.Log.Batches(pack.PartitionID{Topic: topic.ID})); asks != (len(x.Asked()) == 1) || asks != (p.ErrorCode != 0) || asks != (stored == 0) {
			t.Errorf("version %d: %v, %d batches stored, coordinator asked %d times", version, protocol.Code(p.ErrorCode), stored, len(x.Asked()))
		}
	}
}

// TestProduceJoinsTogether: partitions of one request that begin a transaction are asked
// about at once, per producer; each gets its own answer.
func TestProduceJoinsTogether(t *testing.T) {
	for _, version := range []int16{9, 12} {
		x := &apitest.Transactions{}
		b := apitest.Start(t, apitest.Options{Transactions: x})
		topic := b.Topic("t", 200, nil)
		batches := map[int32][]byte{}
		for i := range int32(200) {
			batches[i] = transactional(apitest.Batch(1, 10), 0)
		}
		req := apitest.ProduceTo(version, "t", topic.ID, batches)
		req.TransactionID = kmsg.StringPtr("tx")
		conn := b.Dial()
		resp := conn.Call(req).(*kmsg.ProduceResponse)
		for _, p := range resp.Topics[0].Partitions {
			if p.ErrorCode != 0 || p.BaseOffset != 0 || len(b.Log.Batches(pack.PartitionID{Topic: topic.ID, Partition: p.Partition})) != 1 {
				t.Fatalf("partition %d: %v", p.Partition, protocol.Code(p.ErrorCode))
			}
		}
		// A client's bytes may arrive in a few pieces.
		if n := x.Calls(); n > 20 || len(x.Asked()) != 200 {
			t.Errorf("asked %d times about %d partitions", n, len(x.Asked()))
		}
		// Another producer's batch between those of one.
		other := transactional(apitest.Batch(1, 10), 0)
		binary.BigEndian.PutUint64(other[43:], 6)
		req = apitest.ProduceTo(version, "t", topic.ID, map[int32][]byte{0: transactional(apitest.Batch(1, 10), 1)})
		req.Topics[0].Partitions = append(req.Topics[0].Partitions,
			apitest.ProduceTo(version, "t", topic.ID, map[int32][]byte{1: apitest.Recrc(other)}).Topics[0].Partitions[0],
			apitest.ProduceTo(version, "t", topic.ID, map[int32][]byte{2: transactional(apitest.Batch(1, 10), 1)}).Topics[0].Partitions[0])
		req.TransactionID = kmsg.StringPtr("tx")
		for _, p := range conn.Call(req).(*kmsg.ProduceResponse).Topics[0].Partitions {
			if p.ErrorCode != 0 || p.BaseOffset != 1 {
				t.Fatalf("partition %d: %v at %d", p.Partition, protocol.Code(p.ErrorCode), p.BaseOffset)
			}
		}
		var asked []int64
		for _, a := range x.Asked()[200:] {
			asked = append(asked, a.ProducerID)
		}
		if !slices.Equal(asked, []int64{5, 6, 5}) {
			t.Errorf("asked about producers %v", asked)
		}
	}
}

// TestProduceJoinsWhatArrived: a batch does not wait for the rest of a slow request.
func TestProduceJoinsWhatArrived(t *testing.T) {
	x := &apitest.Transactions{}
	b := apitest.Start(t, apitest.Options{Transactions: x})
	topic := b.Topic("t", 2, nil)
	req := apitest.ProduceTo(12, "t", topic.ID, map[int32][]byte{0: transactional(apitest.Batch(1, 10), 0)})
	req.Topics[0].Partitions = append(req.Topics[0].Partitions,
		apitest.ProduceTo(12, "t", topic.ID, map[int32][]byte{1: transactional(apitest.Batch(1, 10), 0)}).Topics[0].Partitions[0])
	req.TransactionID = kmsg.StringPtr("tx")
	conn := b.Dial()
	frame := conn.Frame(req)
	cut := len(frame) - 40 // within the second batch
	if _, err := conn.Conn.Write(frame[:cut]); err != nil {
		t.Fatal(err)
	}
	stored := func(p int32) int { return len(b.Log.Batches(pack.PartitionID{Topic: topic.ID, Partition: p})) }
	if !apitest.Until(func() bool { return stored(0) == 1 }) {
		t.Fatal("the first batch waits for the second")
	}
	if _, err := conn.Conn.Write(frame[cut:]); err != nil {
		t.Fatal(err)
	}
	if !apitest.Until(func() bool { return stored(1) == 1 }) {
		t.Fatal("the second batch is not there")
	}
}

// TestProduceOfAFencedProducer: the coordinator is not asked about a producer that the
// partition knows under a higher epoch, and adds nothing for it.
func TestProduceOfAFencedProducer(t *testing.T) {
	for _, version := range []int16{9, 11, 12, 13} {
		x := &apitest.Transactions{}
		b := apitest.Start(t, apitest.Options{Transactions: x})
		topic := b.Topic("t", 1, nil)
		b.Log.Fence(protocol.InvalidProducerEpoch)
		req := apitest.ProduceTo(version, "t", topic.ID, map[int32][]byte{0: transactional(apitest.Batch(1, 10), 0)})
		req.TransactionID = kmsg.StringPtr("tx")
		p := apitest.Produced(t, b.Dial().Call(req))
		if got := protocol.Code(p.ErrorCode); got != protocol.InvalidProducerEpoch || x.Calls() != 0 {
			t.Errorf("version %d: %v, coordinator asked %d times", version, got, x.Calls())
		}
	}
}
