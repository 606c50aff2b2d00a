package topic

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	metadatamem "github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/buffer"
	journalfile "github.com/streamhouse/streamhouse/storage/journal/file"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

var id = pack.PartitionID{Topic: pack.TopicID{15: 1}}

type topics struct{}

func (topics) LeaderEpoch(pack.PartitionID) (int32, bool) { return 1, true }

// rig is a log over a real journal. It can be stopped and started again.
type rig struct {
	t    *testing.T
	dir  string
	log  *log.Log
	p    *Partition
	w    *Writer
	stop func()
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, dir: filepath.Join(t.TempDir(), "journal")}
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) start() {
	r.t.Helper()
	ctx := context.Background()
	store := metadatamem.New(time.Now)
	if err := store.CreateTopic(ctx, metadata.Topic{ID: id.Topic, Name: "state", Partitions: 1, Replicas: 1}); err != nil {
		r.t.Fatal(err)
	}
	j, err := journalfile.Open(journalfile.Config{Dir: r.dir, ClusterID: "c", VolumeBytes: 1 << 20, Now: time.Now})
	if err != nil {
		r.t.Fatal(err)
	}
	r.log, err = log.Open(ctx, log.Config{
		Journal: j, Store: store, Topics: topics{}, Logger: zap.NewNop(), Registry: prometheus.NewRegistry(), Now: time.Now,
		VolumeBytes: 1 << 40, ProducerExpiry: func() time.Duration { return time.Hour },
	})
	if err != nil {
		r.t.Fatal(err)
	}
	run, cancel := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- r.log.Run(run) }()
	if r.p, err = Open(ctx, r.log, id, 1); err != nil {
		r.t.Fatal(err)
	}
	r.w = NewWriter(r.p, WriterOptions{BatchMax: func() int { return 1 << 20 }, Now: time.Now})
	r.stop = sync.OnceFunc(func() {
		r.w.Close()
		cancel()
		if err := errors.Join(<-ran, j.Close(ctx)); err != nil {
			r.t.Error(err)
		}
	})
}

func (r *rig) put(records ...Record) int64 {
	r.t.Helper()
	base, err := r.w.AppendAndWait(context.Background(), 0, records)
	if err != nil {
		r.t.Fatal(err)
	}
	return base
}

func kv(key, value string) Record { return Record{Key: []byte(key), Value: []byte(value)} }

// follow runs a follower and returns where it has come to, and its end.
func (r *rig) follow(ctx context.Context, from int64, apply func(*record.Record) error) (caught <-chan int64, ended <-chan error) {
	c, e := make(chan int64, 1000), make(chan error, 1)
	f := &Follower{
		Partition: r.p, From: from, RecordMax: 1 << 20, Apply: apply,
		CaughtUp: func(end int64) { c <- end },
	}
	go func() { e <- f.Run(ctx) }()
	return c, e
}

// reach waits until a follower has come to an offset.
func reach(t *testing.T, caught <-chan int64, offset int64) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case at := <-caught:
			if at >= offset {
				return
			}
		case <-limit:
			t.Fatalf("the follower does not come to offset %d", offset)
		}
	}
}

func TestFollowerSeesWhatIsThereAndWhatComes(t *testing.T) {
	r := newRig(t)
	for i := range 500 {
		if base := r.put(kv(strconv.Itoa(i%10), strconv.Itoa(i)), Record{Key: []byte("null")}); base != int64(2*i) {
			t.Fatalf("append %d is at offset %d", i, base)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var offsets []int64
	latest := NewLatest(1 << 20)
	caught, ended := r.follow(ctx, 100, func(rec *record.Record) error {
		mu.Lock()
		defer mu.Unlock()
		offsets = append(offsets, rec.Offset)
		return latest.Apply(rec)
	})
	reach(t, caught, 1000)
	for i := range 100 {
		r.put(kv("later", strconv.Itoa(i)))
	}
	reach(t, caught, 1100)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if len(offsets) != 1000 {
		t.Fatalf("%d records were applied, want 1000", len(offsets))
	}
	for i, at := range offsets {
		if at != int64(100+i) {
			t.Fatalf("record %d has offset %d", i, at)
		}
	}
	if e, ok := latest.Get([]byte("7")); !ok || string(e.Value) != "497" || e.Offset != 994 {
		t.Fatalf("key 7 is %+v, %v", e, ok)
	}
	if e, _ := latest.Get([]byte("later")); string(e.Value) != "99" {
		t.Fatalf("the last value is %q", e.Value)
	}
	if _, ok := latest.Get([]byte("null")); ok || latest.Len() != 11 {
		t.Fatalf("a removed key is there, or %d keys are not 11", latest.Len())
	}
}

// The same state comes out of what a restart finds.
func TestStateOutlivesARestart(t *testing.T) {
	r := newRig(t)
	for i := range 100 {
		r.put(kv(strconv.Itoa(i%7), strconv.Itoa(i)))
	}
	r.stop()
	r.start()
	latest := NewLatest(1 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	caught, ended := r.follow(ctx, 0, latest.Apply)
	reach(t, caught, 100)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	n := 0
	latest.Range(func(key string, e Entry) bool {
		n++
		if k, _ := strconv.Atoi(key); e.Offset%7 != int64(k) || e.Offset < 93 {
			t.Errorf("key %s: offset %d", key, e.Offset)
		}
		return true
	})
	if n != 7 {
		t.Fatalf("%d keys", n)
	}
}

// A record is valid only while Apply runs, and what Latest keeps stays as it was.
func TestLatestKeepsCopies(t *testing.T) {
	latest := NewLatest(100)
	rec := record.Record{Key: []byte("k"), Value: []byte("value")}
	if err := latest.Apply(&rec); err != nil {
		t.Fatal(err)
	}
	copy(rec.Value, "XXXXX")
	rec.Key[0] = 'X'
	if e, ok := latest.Get([]byte("k")); !ok || string(e.Value) != "value" {
		t.Fatalf("%q, %v", e.Value, ok)
	}
}

func TestLatestIsBounded(t *testing.T) {
	latest := NewLatest(20)
	apply := func(key, value string) error {
		return latest.Apply(&record.Record{Key: []byte(key), Value: []byte(value)})
	}
	for i := range 100 { // the same key takes its room once
		if err := apply("key", fmt.Sprintf("%010d", i)); err != nil {
			t.Fatal(i, err)
		}
	}
	if err := apply("other", "123"); !errors.Is(err, protocol.PolicyViolation) {
		t.Fatal(err)
	}
	if _, ok := latest.Get([]byte("other")); ok {
		t.Fatal("what was refused is there")
	}
	if err := latest.Apply(&record.Record{Key: []byte("key")}); err != nil {
		t.Fatal(err)
	}
	if err := apply("other", "123"); err != nil {
		t.Fatalf("there is room again: %v", err)
	}
}

func TestAppendsThatAreRefused(t *testing.T) {
	r := newRig(t)
	w := NewWriter(r.p, WriterOptions{BatchMax: func() int { return 200 }, Now: time.Now})
	defer w.Close()
	ctx := context.Background()
	if _, err := w.AppendAndWait(ctx, 0, nil); !errors.Is(err, protocol.InvalidRecord) {
		t.Fatalf("nothing: %v", err)
	}
	if _, err := w.AppendAndWait(ctx, 0, []Record{kv("k", string(make([]byte, 200)))}); !errors.Is(err, protocol.MessageTooLarge) {
		t.Fatalf("too much: %v", err)
	}
	if base, err := w.AppendAndWait(ctx, r.p.Guard(), []Record{kv("k", "v")}); err != nil || base != 0 {
		t.Fatalf("behind it: %d, %v", base, err)
	}
}

func TestAFollowerEnds(t *testing.T) {
	t.Run("with an error of Apply", func(t *testing.T) {
		r := newRig(t)
		r.put(kv("a", "1"), kv("b", "2"))
		bad := errors.New("bad")
		_, ended := r.follow(context.Background(), 0, func(rec *record.Record) error {
			if string(rec.Key) == "b" {
				return bad
			}
			return nil
		})
		if err := <-ended; !errors.Is(err, bad) {
			t.Fatal(err)
		}
	})
	t.Run("with its topic", func(t *testing.T) {
		r := newRig(t)
		r.put(kv("a", "1"))
		caught, ended := r.follow(context.Background(), 0, func(*record.Record) error { return nil })
		reach(t, caught, 1)
		r.log.DropTopic(id.Topic)
		if err := <-ended; !errors.Is(err, protocol.UnknownTopicOrPartition) {
			t.Fatal(err)
		}
	})
}

// A log start above the follower's offset, as after retention, is where it goes on.
func TestAFollowerBeginsAtTheLogStart(t *testing.T) {
	r := newRig(t)
	for i := range 10 {
		r.put(kv("k", strconv.Itoa(i)))
	}
	if _, err := r.log.DeleteRecords(context.Background(), r.p.part, 6); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var first, n int64 = -1, 0
	caught, ended := r.follow(ctx, 2, func(rec *record.Record) error {
		if n++; first < 0 {
			first = rec.Offset
		}
		return nil
	})
	reach(t, caught, 10)
	cancel()
	if err := <-ended; err != nil || first != 6 || n != 4 {
		t.Fatalf("began at %d, %d records, %v", first, n, err)
	}
}

// send appends a batch of one record, or an end marker, of a transactional producer.
func (r *rig) send(producer int64, seq int32, value string, marker *record.EndMarker) {
	r.t.Helper()
	var data []byte
	_, guard, err := r.p.part.TransactionGuard(producer, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	if marker != nil {
		data = record.AppendMarker(nil, producer, 0, *marker, 1000)
	} else {
		b := record.NewBuilder()
		b.Producer, b.Transactional = record.Producer{ID: producer, Sequence: seq}, true
		b.Append(1000, []byte("k"), []byte(value))
		data = b.Batch()
	}
	buf := buffer.Get(len(data))
	copy(buf.Bytes(), data)
	h, err := record.ParseHeader(buf.Bytes())
	if err != nil {
		r.t.Fatal(err)
	}
	result := make(chan error, 1)
	ticket := log.NewTicket(1, func(t *log.Ticket) { result <- t.Results()[0].Err })
	r.w.appender.Append(context.Background(), ticket, 0, r.p.part, log.Batch{
		Buf: buf, Bytes: buf.Bytes(), Header: h, Marker: marker, Guard: guard,
	})
	if err := <-result; err != nil {
		r.t.Fatal(err)
	}
}

// What a transactional client wrote, as a mirror may, is applied once it is committed and
// never if it was aborted.
func TestAFollowerReadsCommitted(t *testing.T) {
	r := newRig(t)
	r.send(1, 0, "aborted", nil)
	r.send(2, 0, "committed", nil)
	r.put(kv("k", "plain"))
	r.send(1, 0, "", &record.EndMarker{})
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var values []string
	caught, ended := r.follow(ctx, 0, func(rec *record.Record) error {
		mu.Lock()
		defer mu.Unlock()
		values = append(values, string(rec.Value))
		return nil
	})
	reach(t, caught, 1)
	mu.Lock()
	if len(values) != 0 {
		t.Fatalf("an open transaction and what is behind it were applied: %q", values)
	}
	mu.Unlock()
	r.send(2, 0, "", &record.EndMarker{Commit: true})
	r.send(1, 1, "again", nil)
	r.send(1, 0, "", &record.EndMarker{Commit: true})
	reach(t, caught, 7)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if want := []string{"committed", "plain", "again"}; fmt.Sprint(values) != fmt.Sprint(want) {
		t.Fatalf("applied %q, want %q", values, want)
	}
}
