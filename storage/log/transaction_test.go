package log

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/metadata"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// txnBatch is a transactional batch of one record with the guard g.
func txnBatch(producer int64, seq int32, g Guard) Batch {
	b := batch(producer, seq, 1, 50)
	b.Bytes[22] |= 0x10
	record.SetMaxTimestamp(b.Bytes, b.Header.MaxTimestamp, false)
	h, err := record.ParseHeader(b.Bytes)
	if err != nil {
		panic(err)
	}
	b.Header, b.Guard = h, g
	return b
}

// markerBatch is an end marker in producer epoch 0.
func markerBatch(producer int64, commit bool, coordinator int32) Batch {
	m := record.EndMarker{Commit: commit, CoordinatorEpoch: coordinator}
	buf := buffer.Get(record.MarkerSize)
	record.AppendMarker(buf.Bytes()[:0], producer, 0, m, 5000)
	h, err := record.ParseHeader(buf.Bytes())
	if err != nil {
		panic(err)
	}
	return Batch{Buf: buf, Bytes: buf.Bytes(), Header: h, Marker: &m}
}

// must appends a batch and expects it to become durable at an offset.
func (r *rig) must(p *Partition, b Batch, offset int64) {
	r.t.Helper()
	if res := <-r.send(p, b); res.Err != nil || res.BaseOffset != offset {
		r.t.Fatalf("%+v, want offset %d", res, offset)
	}
}

// begin appends the first batch of a transaction, confirmed.
func (r *rig) begin(p *Partition, producer int64, seq int32, offset int64) {
	r.t.Helper()
	_, g, _ := p.TransactionGuard(producer, 0)
	r.must(p, txnBatch(producer, seq, g), offset)
}

// committed reads with isolation level read_committed from an offset on: where the
// batches begin, and what was aborted.
func (r *rig) committed(p *Partition, from int64) (offsets []int64, aborted []Aborted) {
	r.t.Helper()
	res, err := r.log.Read(context.Background(), p, ReadRequest{Offset: from, MaxBytes: 1 << 20, AtLeastOne: true, Committed: true})
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Release()
	for i := range res.Chunks {
		for b, err := range record.Batches(res.Chunks[i].Mem) {
			if err != nil {
				r.t.Fatal(err)
			}
			offsets = append(offsets, b.Header.BaseOffset)
		}
	}
	return offsets, res.Aborted
}

func TestReadCommitted(t *testing.T) {
	r := newRig(t, newScriptedJournal(1))
	p := r.partition(0)
	r.must(p, batch(-1, 0, 1, 10), 0)
	r.begin(p, 1, 0, 1)
	r.begin(p, 2, 0, 2)
	check := func(from, stable int64, offsets []int64, aborted ...Aborted) {
		t.Helper()
		if b := p.Bounds(); b.LastStable != stable {
			t.Fatalf("last stable offset %d, want %d", b.LastStable, stable)
		}
		got, list := r.committed(p, from)
		if !reflect.DeepEqual(got, offsets) || len(list) != len(aborted) || len(list) > 0 && !reflect.DeepEqual(list, aborted) || list == nil {
			t.Fatalf("from %d: batches at %v, aborted %+v; want %v, %+v", from, got, list, offsets, aborted)
		}
	}
	check(0, 1, []int64{0})
	r.must(p, markerBatch(2, false, 0), 3)
	check(0, 1, []int64{0})
	r.must(p, batch(-1, 0, 1, 10), 4)
	r.must(p, markerBatch(1, true, 0), 5)
	check(0, 6, []int64{0, 1, 2, 3, 4, 5}, Aborted{2, 2})
	check(3, 6, []int64{3, 4, 5}, Aborted{2, 2})
	check(4, 6, []int64{4, 5})
	r.begin(p, 1, 1, 6)
	if low, err := r.log.DeleteRecords(context.Background(), p, 7); err != nil || low != 7 {
		t.Fatal(low, err)
	}
	check(7, 7, nil) // the log start lifts it
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.store.starts = map[pack.PartitionID]int64{}
	r.start()
	p = r.partition(0)
	check(2, 6, []int64{2, 3, 4, 5}, Aborted{2, 2})
	if open, _, _ := p.TransactionGuard(1, 0); !open {
		t.Error("the transaction is not open after a restart")
	}
	r.must(p, txnBatch(1, 2, 0), 7)
	r.must(p, markerBatch(1, false, 0), 8)
	check(3, 9, []int64{3, 4, 5, 6, 7, 8}, Aborted{2, 2}, Aborted{1, 6})
}

// A compaction that replaces segments during a read takes the list of aborted transactions
// away with their records: the read does not give the records without the list.
func TestReadCommittedWhileSegmentsAreReplaced(t *testing.T) {
	for _, replace := range []string{"once", "each time"} {
		t.Run(replace, func(t *testing.T) {
			j := newScriptedJournal(1)
			r := newRigWith(t, j, func(c *Config) { c.RecentBytes = 1 }) // so that reads open sources
			p := r.partition(0)
			r.begin(p, 1, 0, 0)
			r.must(p, markerBatch(1, false, 0), 1)
			r.must(p, batch(-1, 0, 1, 10), 2)
			r.must(p, batch(-1, 0, 1, 10), 3)
			slices := []metadata.Slice{{ID: p.id, Segment: 1, LastOffset: 1, Bytes: 100}}
			times := 0
			j.source = func() {
				if times++; times == 1 || replace == "each time" {
					r.log.Lifted(p.id, 1, slices) // as a seal and a compaction leave it
					r.log.Replaced(p.id, 0, 1, nil)
				}
			}
			if replace == "once" {
				if offsets, aborted := r.committed(p, 0); !reflect.DeepEqual(offsets, []int64{2, 3}) || len(aborted) != 0 || times < 2 {
					t.Errorf("batches at %v, aborted %+v after opening %d sources, want those at 2 and 3", offsets, aborted, times)
				}
				return
			}
			res, err := r.log.Read(context.Background(), p, ReadRequest{MaxBytes: 1 << 20, AtLeastOne: true, Committed: true})
			if err != protocol.KafkaStorageError || len(res.Chunks) != 0 {
				t.Errorf("%d chunks and %v, want an error to retry by", len(res.Chunks), err)
			}
		})
	}
}

// A transaction's end is seen when it is durable, and whoever waits is woken by it.
func TestLastStableOffsetRisesWithTheMarker(t *testing.T) {
	j := newScriptedJournal(1)
	var gate chan struct{}
	j.before = func(uint64) error {
		if gate != nil {
			<-gate
		}
		return nil
	}
	r := newRig(t, j)
	p := r.partition(0)
	r.begin(p, 1, 0, 0)
	w := r.log.NewWatcher()
	defer w.Close()
	w.Add(p, 3)
	w.Drain(nil)
	select {
	case <-w.Wake():
	default:
	}
	gate = make(chan struct{})
	ended := r.send(p, markerBatch(1, true, 0))
	select {
	case <-w.Wake():
		t.Fatal("woken before the marker is durable")
	case <-time.After(10 * time.Millisecond):
	}
	if b := p.Bounds(); b.LastStable != 0 {
		t.Fatalf("last stable offset %d before the marker is durable", b.LastStable)
	}
	close(gate)
	<-w.Wake()
	if b := p.Bounds(); b.LastStable != 2 {
		t.Fatalf("last stable offset %d", b.LastStable)
	}
	if tags := w.Drain(nil); !reflect.DeepEqual(tags, []int{3}) {
		t.Fatalf("tags %v", tags)
	}
	if res := <-ended; res.Err != nil {
		t.Fatal(res.Err)
	}
}

func TestGuard(t *testing.T) {
	r := newRig(t, newScriptedJournal(1))
	p, other := r.partition(0), r.partition(1)
	refused := func(b Batch, want error) {
		t.Helper()
		if res := <-r.send(p, b); !errors.Is(res.Err, want) {
			t.Fatalf("%+v, want %v", res, want)
		}
	}
	refused(txnBatch(1, 0, 0), protocol.InvalidTxnState)
	open, g, _ := p.TransactionGuard(1, 0)
	if open || g == 0 {
		t.Fatalf("%v, %d", open, g)
	}
	// The marker of another producer, or of another partition, does not matter.
	r.must(p, markerBatch(2, false, 0), 0)
	r.must(other, markerBatch(1, false, 0), 0)
	r.must(p, txnBatch(1, 0, g), 1)
	if open, _, _ := p.TransactionGuard(1, 0); !open {
		t.Fatal("no transaction is open")
	}
	if open, _, _ := p.TransactionGuard(1, 1); open {
		t.Fatal("a transaction is open in an epoch without one")
	}
	r.must(p, txnBatch(1, 1, 0), 2) // continues
	_, g, _ = p.TransactionGuard(1, 0)
	if _, _, err := p.TransactionGuard(1, -1); !errors.Is(err, protocol.InvalidProducerEpoch) {
		t.Fatal("an epoch below the one in force:", err)
	}
	for _, epoch := range []int16{0, 1} {
		if _, _, err := p.TransactionGuard(1, epoch); err != nil {
			t.Fatal(epoch, err)
		}
	}
	r.must(p, markerBatch(1, true, 0), 3)
	refused(txnBatch(1, 2, g), protocol.InvalidTxnState)
	_, g, _ = p.TransactionGuard(1, 0)
	r.must(p, txnBatch(1, 2, g), 4)
}

// Where nobody asks for verification a batch begins a transaction by itself; what is
// wrong with it otherwise is refused all the same.
func TestUnconfirmed(t *testing.T) {
	r := newRig(t, newScriptedJournal(1))
	p := r.partition(0)
	unconfirmed := func(seq int32) Batch {
		_, g, _ := p.TransactionGuard(1, 0)
		b := txnBatch(1, seq, g)
		b.Unconfirmed = true
		return b
	}
	r.must(p, unconfirmed(0), 0)
	if got := p.Bounds(); got.LastStable != 0 || got.HighWatermark != 1 {
		t.Fatalf("%+v", got)
	}
	if res := <-r.send(p, unconfirmed(7)); !errors.Is(res.Err, protocol.OutOfOrderSequenceNumber) {
		t.Fatalf("%+v", res)
	}
	stale := unconfirmed(1)
	r.must(p, markerBatch(1, false, 0), 1)
	r.must(p, stale, 2) // as in Kafka: it begins another one, and nobody ends it
	if got := p.Bounds(); got.LastStable != 2 {
		t.Fatalf("%+v", got)
	}
}

// What the guard stood for may have been in the pack that failed: the batch is refused as
// if it had been there too, although its own partition lost nothing.
func TestGuardIsVoidAfterAFailure(t *testing.T) {
	j := newScriptedJournal(1)
	fail := make(chan error, 1)
	j.before = func(uint64) error {
		select {
		case err := <-fail:
			return err
		default:
			return nil
		}
	}
	r := newRig(t, j)
	p, coordinator := r.partition(0), r.partition(1)
	_, g, _ := p.TransactionGuard(1, 0)
	fail <- errors.New("no effect")
	if res := <-r.send(coordinator, batch(-1, 0, 1, 10)); !errors.Is(res.Err, protocol.KafkaStorageError) {
		t.Fatal(res)
	}
	r.usable(coordinator)
	if res := <-r.send(p, txnBatch(1, 0, g)); !errors.Is(res.Err, protocol.KafkaStorageError) {
		t.Fatalf("%+v", res)
	}
	_, g, _ = p.TransactionGuard(1, 0)
	r.must(p, txnBatch(1, 0, g), 0)
}

// usable waits until the log takes appends again.
func (r *rig) usable(p *Partition) {
	r.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		res := <-r.send(p, batch(-1, 0, 1, 10))
		if res.Err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatal(res.Err)
		}
	}
}

// recordBatch is a batch of one real record; with a producer, in a transaction.
func recordBatch(timestamp int64, producer record.Producer, g Guard) Batch {
	b := record.NewBuilder()
	b.Producer, b.Transactional = producer, producer.ID >= 0
	b.Append(timestamp, []byte("key"), []byte("value"))
	buf := buffer.Get(b.Size())
	copy(buf.Bytes(), b.Batch())
	h, err := record.ParseHeader(buf.Bytes())
	if err != nil {
		panic(err)
	}
	return Batch{Buf: buf, Bytes: buf.Bytes(), Header: h, Guard: g}
}

// ListOffsets with isolation level read_committed finds the record first and then holds it
// against the last stable offset, as Kafka does; markers have timestamps like others.
func TestOffsetForTimeAndTransactions(t *testing.T) {
	r := newRig(t, newScriptedJournal(1))
	p := r.partition(0)
	at := func(timestamp int64, committed bool) int64 {
		t.Helper()
		x, ok, err := r.log.OffsetForTime(t.Context(), p, timestamp, committed)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return -1
		}
		return x.Offset
	}
	r.must(p, recordBatch(1000, record.NoProducer, 0), 0)
	_, g, _ := p.TransactionGuard(1, 0)
	r.must(p, recordBatch(1005, record.Producer{ID: 1}, g), 1)
	for _, c := range []struct {
		timestamp int64
		committed bool
		want      int64
	}{
		{1000, true, 0}, {1000, false, 0},
		{1001, true, -1}, {1001, false, 1},
		{MaxTimestamp, true, -1}, {MaxTimestamp, false, 1},
	} {
		if got := at(c.timestamp, c.committed); got != c.want {
			t.Errorf("time %d, committed %v: offset %d, want %d", c.timestamp, c.committed, got, c.want)
		}
	}
	r.must(p, markerBatch(1, true, 0), 2) // timestamp 5000
	for timestamp, want := range map[int64]int64{1001: 1, 1006: 2, MaxTimestamp: 2, 5001: -1} {
		if got := at(timestamp, true); got != want {
			t.Errorf("time %d behind the marker: offset %d, want %d", timestamp, got, want)
		}
	}
}
