package transactions

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/coordinator/shards"
	"github.com/streamhouse/streamhouse/coordinator/txn"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// fakeLog keeps what was appended in memory. An append is one pack, which becomes
// durable after delay, in order, or with release while held; or it fails, and all behind
// it with it, as in the real log.
type fakeLog struct {
	mu      sync.Mutex
	durable []fakePack
	open    []*fakeFlight
	delay   time.Duration
	held    bool
	// fail is asked at each append, with the number it has; an error comes when the
	// pack would have become durable.
	fail func(n int) error
	// refuse is asked for each marker.
	refuse  func(id pack.PartitionID) error
	openErr func(id pack.PartitionID) error
	appends int
	ends    map[pack.PartitionID]int64 // of what is appended; nil: count anew
	marks   log.Guard
	lost    log.Guard
}

// fakePack is what one append made durable.
type fakePack []fakeBatch

type fakeBatch struct {
	id     pack.PartitionID
	offset int64
	data   []byte
	marker *record.EndMarker
}

type fakeFlight struct {
	pack   fakePack
	err    error
	ticket *log.Ticket
}

func newFakeLog() *fakeLog { return &fakeLog{marks: 1} }

type fakePartition struct {
	log *fakeLog
	id  pack.PartitionID
}

func (l *fakeLog) Open(_ context.Context, id pack.PartitionID, _ int32) (Partition, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.openErr != nil {
		if err := l.openErr(id); err != nil {
			return nil, err
		}
	}
	return &fakePartition{l, id}, nil
}

func (l *fakeLog) Appender() Appender { return fakeAppender{l} }

func (p *fakePartition) Guard() log.Guard {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return p.log.marks
}

func (p *fakePartition) Standing(g log.Guard) bool {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return g >= p.log.lost
}

func (p *fakePartition) Bounds() log.Bounds {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return log.Bounds{HighWatermark: next(p.log.durable, p.id), LastStable: next(p.log.durable, p.id)}
}

func next(packs []fakePack, id pack.PartitionID) int64 {
	n := int64(0)
	for _, p := range packs {
		for _, b := range p {
			if b.id == id {
				n = b.end()
			}
		}
	}
	return n
}

func (p *fakePartition) Read(_ context.Context, req log.ReadRequest) (log.ReadResult, error) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	res := log.ReadResult{}
	for _, x := range p.log.durable {
		for _, b := range x {
			if b.id != p.id || b.offset < req.Offset {
				continue
			}
			if res.Bytes > 0 && res.Bytes+len(b.data) > req.MaxBytes {
				return res, nil
			}
			res.Chunks = append(res.Chunks, log.Chunk{Mem: b.data, Len: int64(len(b.data))})
			res.Bytes += len(b.data)
		}
	}
	return res, nil
}

type fakeAppender struct{ log *fakeLog }

func (a fakeAppender) Close() {}

func (a fakeAppender) Append(_ context.Context, t *log.Ticket, batches []Append) {
	l := a.log
	l.mu.Lock()
	refused, err := l.check(batches)
	if err != nil {
		l.mu.Unlock()
		for i := range batches {
			batches[i].Batch.Buf.Release()
			if i == refused || refused < 0 {
				t.Fail(i, err)
			} else {
				t.Fail(i, protocol.OperationNotAttempted)
			}
		}
		return
	}
	l.appends++
	f := &fakeFlight{ticket: t}
	if l.fail != nil {
		f.err = l.fail(l.appends)
	}
	l.count()
	for i := range batches {
		b, id := &batches[i].Batch, batches[i].Partition.(*fakePartition).id
		data := append([]byte(nil), b.Bytes...)
		at := l.ends[id]
		l.ends[id] += int64(b.Header.LastOffsetDelta) + 1
		record.SetOffset(data, at, 0)
		f.pack = append(f.pack, fakeBatch{id, at, data, b.Marker})
		b.Buf.Release()
	}
	l.open = append(l.open, f)
	held := l.held
	l.mu.Unlock()
	if !held {
		time.AfterFunc(l.delay, l.settleOne)
	}
}

// count finds where the partitions end, with what is on its way.
func (l *fakeLog) count() {
	if l.ends != nil {
		return
	}
	l.ends = map[pack.PartitionID]int64{}
	for _, p := range l.durable {
		for _, b := range p {
			l.ends[b.id] = b.end()
		}
	}
	for _, f := range l.open {
		for _, b := range f.pack {
			l.ends[b.id] = b.end()
		}
	}
}

// end is the offset behind the batch.
func (b fakeBatch) end() int64 {
	h, err := record.ParseHeader(b.data)
	if err != nil {
		panic(err)
	}
	return b.offset + int64(h.LastOffsetDelta) + 1
}

// check is what the log refuses at once.
func (l *fakeLog) check(batches []Append) (int, error) {
	for i := range batches {
		b := &batches[i].Batch
		if b.Marker == nil && !b.Coordinator {
			panic("a coordinator's append that does not say so")
		}
		if b.Guard != 0 && b.Guard < l.lost {
			return -1, protocol.KafkaStorageError
		}
		if b.Marker != nil && l.refuse != nil {
			if err := l.refuse(batches[i].Partition.(*fakePartition).id); err != nil {
				return i, err
			}
		}
	}
	if len(batches) > log.AtomicBatchesMax {
		return -1, protocol.InvalidRequest
	}
	return 0, nil
}

// settleOne gives the oldest append its outcome.
func (l *fakeLog) settleOne() {
	l.mu.Lock()
	if len(l.open) == 0 {
		l.mu.Unlock()
		return
	}
	over := l.open[:1]
	if err := l.open[0].err; err != nil {
		over = l.open // what came behind is lost, too
		l.marks++
		l.lost = l.marks
		l.ends = nil
		for _, f := range over {
			f.err = err
		}
	} else {
		l.durable = append(l.durable, l.open[0].pack)
	}
	l.open = append([]*fakeFlight(nil), l.open[len(over):]...)
	l.mu.Unlock()
	for _, f := range over {
		for i := range f.pack {
			f.ticket.Finish(i, log.Result{Err: f.err, BaseOffset: f.pack[i].offset})
		}
	}
}

// release makes everything that is held durable, and holds no more.
func (l *fakeLog) release() {
	l.set(func(l *fakeLog) { l.held = false })
	for l.waiting() > 0 {
		l.settleOne()
	}
}

func (l *fakeLog) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

func (l *fakeLog) set(change func(*fakeLog)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// after returns a log with the first n of what became durable, as after kill -9.
func (l *fakeLog) after(n int) *fakeLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := newFakeLog()
	c.durable = append(c.durable, l.durable[:n]...)
	return c
}

func (l *fakeLog) packs() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.durable)
}

// fakeTopics has the topics that a test gave it, 10,000 partitions each.
type fakeTopics struct {
	mu     sync.Mutex
	topics map[string]shards.Topic
	err    error
	made   byte
}

func newFakeTopics(names ...string) *fakeTopics {
	f := &fakeTopics{topics: map[string]shards.Topic{}}
	for _, n := range names {
		f.add(n, 10_000)
	}
	return f
}

func (f *fakeTopics) add(name string, partitions int32) shards.Topic {
	f.made++
	f.topics[name] = shards.Topic{ID: pack.TopicID{f.made}, Name: name, Partitions: partitions}
	return f.topics[name]
}

func (f *fakeTopics) ByName(name string) (shards.Topic, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.topics[name]
	return t, ok
}

func (f *fakeTopics) EnsureInternal(_ context.Context, name string) (shards.Topic, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return shards.Topic{}, f.err
	}
	if t, ok := f.topics[name]; ok {
		return t, nil
	}
	return f.add(name, 50), nil
}

func (f *fakeTopics) LeaderEpoch(id pack.PartitionID) (int32, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.topics {
		if t.ID == id.Topic {
			return 5, true
		}
	}
	return 0, false
}

func (f *fakeTopics) remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.topics, name)
}

// fakeOffsets is a group coordinator that keeps every group in partition 3.
type fakeOffsets struct {
	mu    sync.Mutex
	ended []string
	code  protocol.Code
}

func (f *fakeOffsets) PartitionFor(context.Context, string) (shards.Topic, int32, protocol.Code) {
	return shards.Topic{Name: offsetsTopic}, 3, f.code
}

func (f *fakeOffsets) TransactionEnded(partition int32, producerID int64, commit bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = append(f.ended, fmt.Sprintf("%d: %d %v", partition, producerID, commit))
}

// fakeIDs counts producer ids from 1000.
type fakeIDs struct {
	mu   sync.Mutex
	next int64
	err  error
}

func (f *fakeIDs) Next(context.Context) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return 0, f.err
	}
	f.next++
	return 999 + f.next, nil
}

// house is a running coordinator and what it stands on.
type house struct {
	*Coordinator
	t        *testing.T
	log      *fakeLog
	topics   *fakeTopics
	groups   *fakeOffsets
	producer *fakeIDs
	stop     func()
}

// run starts a coordinator; change may be nil. It stops at the test's end, within the
// bubble that the caller made.
func run(t *testing.T, l *fakeLog, topics *fakeTopics, ids *fakeIDs, change func(*Options)) *house {
	t.Helper()
	opts := DefaultOptions()
	if change != nil {
		change(&opts)
	}
	h := &house{t: t, log: l, topics: topics, groups: &fakeOffsets{}, producer: ids}
	h.Coordinator = New(opts, topics, l, h.groups, ids, prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return h
}

// start is run over an empty log with the topics a, b and __consumer_offsets, found.
func start(t *testing.T, change func(*Options)) *house {
	t.Helper()
	h := run(t, newFakeLog(), newFakeTopics("a", "b", offsetsTopic), &fakeIDs{}, change)
	h.find("any")
	return h
}

// crash starts another coordinator on the first n durable packs.
func (h *house) crash(n int) *house {
	h.t.Helper()
	next := run(h.t, h.log.after(n), h.topics, h.producer, func(o *Options) { *o = h.opts })
	next.find("any")
	return next
}

func (h *house) find(id string) {
	h.t.Helper()
	if code := h.Find(context.Background(), id); code != protocol.None {
		h.t.Fatalf("find %q: %v", id, code)
	}
	synctest.Wait() // all shards are loaded
}

func (h *house) init(id string) Producer {
	h.t.Helper()
	p, code := h.InitProducerID(context.Background(), id, 60_000, noProducer)
	if code != protocol.None {
		h.t.Fatalf("init %q: %v", id, code)
	}
	return p
}

func (h *house) join(id string, p Producer, tps ...txn.TopicPartition) {
	h.t.Helper()
	for i, code := range h.Join(context.Background(), id, p.ID, p.Epoch, true, tps) {
		if code != protocol.None {
			h.t.Fatalf("join %v: %v", tps[i], code)
		}
	}
}

func (h *house) end(id string, p Producer, commit bool) Producer {
	h.t.Helper()
	n, code := h.End(context.Background(), id, p, commit, txn.Version2)
	if code != protocol.None {
		h.t.Fatalf("end %q: %v", id, code)
	}
	return n
}

func (h *house) state(id string) *txn.State {
	h.t.Helper()
	s, code := h.Describe(id)
	if code != protocol.None {
		h.t.Fatalf("describe %q: %v", id, code)
	}
	return s
}

// markers lists the markers in a partition: "commit 1000/1".
func (l *fakeLog) markers(topic shards.Topic, partition int32) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, p := range l.durable {
		for _, b := range p {
			if b.marker == nil || b.id != (pack.PartitionID{Topic: topic.ID, Partition: partition}) {
				continue
			}
			h, err := record.ParseHeader(b.data)
			if err != nil {
				panic(err)
			}
			m, err := record.ParseMarker(b.data)
			if err != nil || m != *b.marker {
				panic(fmt.Sprint(err, m, b.marker))
			}
			word := "abort"
			if m.Commit {
				word = "commit"
			}
			list = append(list, fmt.Sprintf("%s %d/%d of %d", word, h.ProducerID, h.ProducerEpoch, m.CoordinatorEpoch))
		}
	}
	return list
}

// marked counts the partitions of a topic that have markers, which all commit epoch 1.
func (l *fakeLog) marked(topic shards.Topic) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[int32]bool{}
	for _, p := range l.durable {
		for _, b := range p {
			if b.marker == nil || b.id.Topic != topic.ID {
				continue
			}
			h, err := record.ParseHeader(b.data)
			if err != nil || h.ProducerEpoch != 1 || !b.marker.Commit {
				panic(fmt.Sprint(err, h, b.marker))
			}
			found[b.id.Partition] = true
		}
	}
	return len(found)
}

func (h *house) markers(topic string, partition int32) string {
	h.t.Helper()
	t, ok := h.topics.ByName(topic)
	if !ok {
		h.t.Fatal("no topic", topic)
	}
	return fmt.Sprint(h.log.markers(t, partition))
}

func at(topic string, partition int32) txn.TopicPartition {
	return txn.TopicPartition{Topic: topic, Partition: partition}
}

var errDisk = errors.New("disk on fire")
