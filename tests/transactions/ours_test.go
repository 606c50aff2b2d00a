package transactions

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// ours leaves out tests that look at what only our broker shows.
func ours(t *testing.T) {
	t.Helper()
	if peers.Kind(*broker) != peers.StreamHouse {
		t.Skip("it looks at our broker's metrics")
	}
}

// metric reads a counter of our broker.
func (h *house) metric(name string) int64 {
	h.t.Helper()
	resp, err := http.Get(h.HTTP() + "/metrics")
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if number, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			v, err := strconv.ParseFloat(number, 64)
			if err != nil {
				h.t.Fatal(err)
			}
			return int64(v)
		}
	}
	h.t.Fatalf("no metric %s", name)
	return 0
}

// A transaction over many partitions costs one durable write for all its markers and the
// record that it is complete, and one record for all the partitions that a request brings.
func TestMarkersAreOneWrite(t *testing.T) {
	ours(t)
	const partitions = 1000
	h := start(t, nil)
	h.create("t", partitions)
	p := h.begins("x", 2, time.Minute)
	batches := map[int32][]byte{}
	for i := range int32(partitions) {
		batches[i] = p.batch(0, time.Now(), "a")
	}
	req := wire.ProduceRequest("t", 10_000, batches)
	req.TransactionID = &p.id
	for _, part := range h.call(12, req).(*kmsg.ProduceResponse).Topics[0].Partitions {
		if part.ErrorCode != 0 {
			t.Fatal(part.Partition, protocol.Code(part.ErrorCode))
		}
	}
	if n := len(h.records("x")); n > 50 {
		t.Errorf("%d records for one request", n)
	}
	packs, batchesBefore := h.metric("streamhouse_journal_packs_total"), h.metric("streamhouse_journal_batches_total")
	p.ends(true)
	if n := h.metric("streamhouse_journal_packs_total") - packs; n != 1 {
		t.Errorf("%d durable writes", n)
	}
	if n := h.metric("streamhouse_journal_batches_total") - batchesBefore; n != partitions+1 {
		t.Errorf("%d batches", n)
	}
	for _, i := range []int32{0, 1, 500, partitions - 1} {
		h.reads("t", i, true, "a <commit 1>")
	}
}

// A transaction with more partitions than one durable write takes is killed while its
// markers are written: it is committed in all of them, once it has been prepared.
func TestLargeTransactionIsKilled(t *testing.T) {
	ours(t)
	const partitions, enough, most = 9000, 2, 20 // three writes of markers
	h := start(t, nil)
	h.createAtOnce("t", partitions)
	all := make([]int32, partitions)
	for i := range all {
		all[i] = int32(i)
	}
	middle := 0
	for round := 0; middle < enough; round++ {
		if round == most {
			t.Fatalf("%d of %d kills came in the middle", middle, round)
		}
		id := fmt.Sprint("large-", round)
		p := h.begins(id, 2, 10*time.Minute)
		if code := h.last(func() code { return p.add("t", all...) }); code != 0 {
			t.Fatal(code)
		}
		before, open := h.ends("t", partitions), h.bound("__transaction_state", 0, false)
		answer := make(chan protocol.Code, 1)
		go func() { answer <- p.tryEnd() }()
		// The first record behind those of the open transaction is that its end is prepared.
		h.until("prepared", func() bool { return h.bound("__transaction_state", 0, false) > open })
		if err := h.Kill(); err != nil {
			t.Fatal(err)
		}
		killed := <-answer != protocol.None
		h.conn.Close()
		if err := h.Start(peers.Context(t, peers.StartTimeout)); err != nil {
			t.Fatal(err)
		}
		h.find(1, id)
		var s kmsg.DescribeTransactionsResponseTransactionState
		h.until("what was prepared is completed", func() bool {
			s = h.describe(id)
			return !strings.HasPrefix(s.State, "Prepare")
		})
		if s.State != "CompleteCommit" || s.ProducerEpoch != p.epoch+1 {
			t.Errorf("%+v", s)
		}
		markers := 0
		for i, end := range h.ends("t", partitions) {
			if end == before[i] {
				t.Fatalf("partition %d has no marker", i)
			}
			markers += int(end - before[i]) // one that is written again ends nothing
		}
		t.Logf("answered before the kill: %v, %d markers in %d partitions", !killed, markers, partitions)
		if killed {
			middle++
		}
	}
}

// tryEnd asks for a commit while the broker may die: UNKNOWN_SERVER_ERROR if it did.
func (p *producer) tryEnd() protocol.Code {
	conn := &wire.Redial{Addr: p.h.Addr(), ClientID: "dying"}
	defer conn.Close()
	req := kmsg.NewPtrEndTxnRequest()
	req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = 5, p.id, p.pid, p.epoch, true
	resp, err := conn.Call(p.h.t.Context(), req)
	if err != nil {
		return protocol.UnknownServerError
	}
	return protocol.Code(resp.(*kmsg.EndTxnResponse).ErrorCode)
}

// createAtOnce makes a topic whose partitions are not asked for one by one.
func (h *house) createAtOnce(topic string, partitions int32) {
	h.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, partitions, 1
	req.Topics = append(req.Topics, t)
	if code := h.call(5, req).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode; code != 0 {
		h.t.Fatal(topic, protocol.Code(code))
	}
}

// ends are the ends of all partitions of a topic.
func (h *house) ends(topic string, partitions int32) []int64 {
	h.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	for i := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp, p.CurrentLeaderEpoch = i, -1, -1
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	list := make([]int64, partitions)
	for _, p := range h.call(6, req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions {
		if p.ErrorCode != 0 {
			h.t.Fatal(p.Partition, protocol.Code(p.ErrorCode))
		}
		list[p.Partition] = p.Offset
	}
	return list
}

// Loading the coordinator costs what its live ids cost, not what they ever did: also when
// the broker is killed while transactions end as fast as it takes them.
func TestLoadingIsBoundedByLiveIDs(t *testing.T) {
	ours(t)
	const producers, transactions = 16, 12_000
	h := start(t, nil)
	long := strings.Repeat("i", 2000) // it is in the key of every record
	var group sync.WaitGroup
	var acked [producers]int
	for i := range producers {
		p := h.begins(fmt.Sprint(long, i), 2, time.Minute)
		group.Go(func() {
			conn := &wire.Redial{Addr: h.Addr(), ClientID: "busy"}
			defer conn.Close()
			for range transactions / producers {
				req := kmsg.NewPtrEndTxnRequest()
				req.Version, req.TransactionalID, req.ProducerID, req.ProducerEpoch = 5, p.id, p.pid, p.epoch
				resp, err := conn.Call(t.Context(), req)
				if err != nil {
					return
				}
				r := resp.(*kmsg.EndTxnResponse)
				if code := protocol.Code(r.ErrorCode); code != 0 {
					t.Errorf("%d: %v", i, code)
					return
				}
				p.epoch = r.ProducerEpoch
				acked[i]++
			}
		})
	}
	group.Wait()
	written := 0
	for _, n := range acked {
		written += n * len(long)
	}
	if written < 20<<20 {
		t.Fatalf("%d bytes of keys were written", written)
	}
	h.again()
	for i := range producers {
		id := fmt.Sprint(long, i)
		h.find(1, id)
		if s := h.describe(id); s.State != "CompleteAbort" || int(s.ProducerEpoch) != acked[i] {
			t.Errorf("%d: %s, epoch %d, want %d", i, s.State, s.ProducerEpoch, acked[i])
		}
	}
	loaded := h.metric("streamhouse_transaction_coordinator_load_bytes_total")
	t.Logf("%d bytes of keys in %d transactions; %d bytes were read", written, transactions, loaded)
	if loaded >= 1<<20 || loaded < producers*int64(len(long)) {
		t.Errorf("%d bytes were read for %d ids", loaded, producers)
	}
}

// A transaction with offsets stays open while its partition takes commits by the ten
// thousand: nothing behind it can be tidied up, and nobody waits for that. Once it has
// ended, a start reads what is live, and no more.
func TestOpenTransactionHoldsNobodyUp(t *testing.T) {
	ours(t)
	const keys, requests, connections = 100, 1500, 4
	h := start(t, nil)
	h.createAtOnce("t", keys)
	h.find(0, "g")
	p := h.begins("x", 2, 10*time.Minute)
	p.takesOffsets("open", "t", 7)
	var group sync.WaitGroup
	for range connections {
		group.Go(func() {
			conn := &wire.Redial{Addr: h.Addr(), ClientID: "committer"}
			defer conn.Close()
			for n := range int64(requests / connections) {
				if err := commitAll(t.Context(), conn, n, keys); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if n := h.metric("streamhouse_lift_stalls_total"); n != 0 {
		t.Errorf("%d times commits waited for what can not be tidied up", n)
	}
	if stable, end := h.bound("__consumer_offsets", 0, true), h.bound("__consumer_offsets", 0, false); end-stable < requests*keys {
		t.Fatalf("last stable offset %d of %d", stable, end)
	}
	h.again()
	if got := h.bound("__consumer_offsets", 0, true); got == h.bound("__consumer_offsets", 0, false) {
		t.Fatal("the transaction is not open any more")
	}
	h.find(0, "g")
	h.find(1, "x")
	lifts := h.metric("streamhouse_lifts_total")
	p.ends(true)
	if got := h.stableOffset("open", "t"); got != 7 {
		t.Errorf("offset %d", got)
	}
	h.until("tidied up", func() bool { return h.metric("streamhouse_lifts_total") > lifts })
	h.again()
	h.find(0, "g")
	loaded := h.metric("streamhouse_coordinator_load_bytes_total")
	t.Logf("%d bytes were read", loaded)
	if loaded >= 2<<20 || loaded <= 0 {
		t.Errorf("%d bytes were read for %d keys", loaded, keys)
	}
}

// commitAll commits one offset for every partition of t.
func commitAll(ctx context.Context, conn *wire.Redial, offset int64, keys int32) error {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation = 8, "g", -1
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic = "t"
	for number := range keys {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = number, offset
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = append(req.Topics, topic)
	resp, err := conn.Call(ctx, req)
	if err != nil {
		return err
	}
	for _, p := range resp.(*kmsg.OffsetCommitResponse).Topics[0].Partitions {
		if p.ErrorCode != 0 {
			return protocol.Code(p.ErrorCode)
		}
	}
	return nil
}
