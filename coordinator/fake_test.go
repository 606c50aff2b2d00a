package coordinator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// fakeLog keeps what was appended in memory. Appends become durable after delay, in
// order, or all at once with release while held; or they fail.
type fakeLog struct {
	mu      sync.Mutex
	parts   map[int32]*fakePartition
	delay   time.Duration
	held    bool
	fail    func() error // of an append; nil: none
	openErr error
	fenced  error // of transactional producers
	largest int   // batch, bytes
}

func newFakeLog() *fakeLog { return &fakeLog{parts: map[int32]*fakePartition{}} }

type fakePartition struct {
	log     *fakeLog
	start   int64
	next    int64    // appended
	durable [][]byte // batches
	pending []func()
	settles sync.Mutex // held while an append becomes durable: they do so in order
}

func (l *fakeLog) partition(n int32) *fakePartition {
	p := l.parts[n]
	if p == nil {
		p = &fakePartition{log: l}
		l.parts[n] = p
	}
	return p
}

func (l *fakeLog) Open(_ context.Context, id pack.PartitionID, _ int32) (Partition, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.openErr != nil {
		return nil, l.openErr
	}
	return l.partition(id.Partition), nil
}

func (p *fakePartition) Close() {}

func (p *fakePartition) TransactionGuard(int64, int16) (bool, log.Guard, error) {
	return false, 0, p.log.fenced
}

func (p *fakePartition) Bounds() log.Bounds {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return log.Bounds{LogStart: p.start, HighWatermark: p.end(), LastStable: p.end()}
}

func (p *fakePartition) end() int64 {
	if len(p.durable) == 0 {
		return p.start
	}
	h, err := record.ParseHeader(p.durable[len(p.durable)-1])
	if err != nil {
		panic(err)
	}
	return h.LastOffset() + 1
}

func (p *fakePartition) Append(_ context.Context, t *log.Ticket, b log.Batch) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	if !b.Coordinator {
		panic("a coordinator's append that does not say so")
	}
	var err error
	if p.log.fail != nil {
		err = p.log.fail()
	}
	data := append([]byte(nil), b.Bytes...)
	base := p.next
	if err == nil {
		record.SetOffset(data, base, 0)
		p.next += int64(b.Header.LastOffsetDelta) + 1
		p.log.largest = max(p.log.largest, len(data))
	}
	p.pending = append(p.pending, func() {
		p.log.mu.Lock()
		if err == nil {
			p.durable = append(p.durable, data)
		}
		p.log.mu.Unlock()
		b.Buf.Release()
		t.Finish(0, log.Result{Err: err, BaseOffset: base})
	})
	if !p.log.held {
		time.AfterFunc(p.log.delay, p.settleOne)
	}
}

func (p *fakePartition) settleOne() {
	p.settles.Lock()
	defer p.settles.Unlock()
	p.log.mu.Lock()
	if len(p.pending) == 0 {
		p.log.mu.Unlock()
		return
	}
	f := p.pending[0]
	p.pending = p.pending[1:]
	p.log.mu.Unlock()
	f()
}

// release makes everything that is held durable, and holds no more.
func (l *fakeLog) release() {
	l.mu.Lock()
	l.held = false
	var all []*fakePartition
	for _, p := range l.parts {
		all = append(all, p)
	}
	l.mu.Unlock()
	for _, p := range all {
		for {
			l.mu.Lock()
			n := len(p.pending)
			l.mu.Unlock()
			if n == 0 {
				break
			}
			p.settleOne()
		}
	}
}

func (l *fakeLog) set(change func(*fakeLog)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// crashed returns a log with what is durable now.
func (l *fakeLog) crashed() *fakeLog {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := newFakeLog()
	for n, p := range l.parts {
		q := c.partition(n)
		q.start, q.durable = p.start, append([][]byte(nil), p.durable...)
		q.next = q.end()
	}
	return c
}

func (p *fakePartition) Read(_ context.Context, req log.ReadRequest) (log.ReadResult, error) {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	res := log.ReadResult{}
	for _, b := range p.durable {
		h, err := record.ParseHeader(b)
		if err != nil {
			return res, err
		}
		if h.LastOffset() < req.Offset {
			continue
		}
		if res.Bytes > 0 && res.Bytes+len(b) > req.MaxBytes {
			break
		}
		// A chunk need not end with a batch.
		half := len(b) / 2
		res.Chunks = append(res.Chunks, log.Chunk{Mem: b[:half], Len: int64(half)}, log.Chunk{Mem: b[half:], Len: int64(len(b) - half)})
		res.Bytes += len(b)
	}
	return res, nil
}

// fakeTopics has the topics that a test gave it.
type fakeTopics struct {
	mu     sync.Mutex
	topics map[string]Topic
	err    error
	epoch  int32 // of all partitions
}

func newFakeTopics(names ...string) *fakeTopics {
	f := &fakeTopics{topics: map[string]Topic{}}
	for i, n := range names {
		f.topics[n] = Topic{ID: pack.TopicID{byte(i + 1)}, Name: n, Partitions: 100_000}
	}
	return f
}

func (f *fakeTopics) ByName(name string) (Topic, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.topics[name]
	return t, ok
}

func (f *fakeTopics) EnsureInternal(_ context.Context, name string) (Topic, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return Topic{}, f.err
	}
	if _, ok := f.topics[name]; !ok {
		f.topics[name] = Topic{ID: pack.TopicID{0xff}, Name: name, Partitions: 50}
	}
	return f.topics[name], nil
}

func (f *fakeTopics) LeaderEpoch(pack.PartitionID) (int32, bool) { return f.epoch, true }

func (f *fakeTopics) remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.topics, name)
}

// house is a running coordinator and what it stands on.
type house struct {
	*Coordinator
	t      *testing.T
	log    *fakeLog
	topics *fakeTopics
	reg    *prometheus.Registry
	stop   func()
}

// run starts a coordinator; change may be nil. It stops at the test's end, within
// the bubble that the caller made.
func run(t *testing.T, l *fakeLog, topics *fakeTopics, change func(*Options)) *house {
	t.Helper()
	opts := DefaultOptions()
	if change != nil {
		change(&opts)
	}
	h := &house{t: t, log: l, topics: topics, reg: prometheus.NewRegistry()}
	h.Coordinator = New(opts, topics, l, h.reg)
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

// restart stops the coordinator and starts another on what is durable.
func (h *house) restart() *house {
	h.t.Helper()
	h.stop()
	next := run(h.t, h.log.crashed(), h.topics, func(o *Options) { *o = h.opts })
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

func subscription(topics ...string) []byte {
	b := []byte{0, 0, 0, 0, 0, byte(len(topics))}
	for _, t := range topics {
		b = append(append(b, 0, byte(len(t))), t...)
	}
	return b
}

func joinRequest(member string) *group.JoinRequest {
	return &group.JoinRequest{
		NewMemberID: member, ClientID: "client", ClientHost: "/127.0.0.1",
		SessionTimeout: 10 * time.Second, RebalanceTimeout: 30 * time.Second, ProtocolType: "consumer",
		Protocols: []group.Protocol{{Name: "range", Metadata: subscription("t")}},
	}
}

// stable makes a stable group of one member and returns its generation.
func (h *house) stable(id, member string) int32 {
	h.t.Helper()
	r := h.JoinGroup(context.Background(), id, joinRequest(member))
	if r.Code != protocol.None {
		h.t.Fatalf("join: %+v", r)
	}
	s := h.SyncGroup(context.Background(), id, &group.SyncRequest{
		MemberID: r.MemberID, Generation: r.Generation, Assignments: map[string][]byte{r.MemberID: []byte(share(r.MemberID))},
	})
	if s.Code != protocol.None || string(s.Assignment) != share(member) {
		h.t.Fatalf("sync: %+v", s)
	}
	return r.Generation
}

func simple(id string, offsets ...PartitionOffset) *Commit {
	return &Commit{GroupID: id, Generation: -1, Unknown: protocol.GroupIDNotFound, Retention: -1, Offsets: offsets}
}

func at(topic string, partition int32, offset int64) PartitionOffset {
	return PartitionOffset{Topic: topic, Partition: partition, Offset: offset, LeaderEpoch: -1}
}

func (h *house) commit(c *Commit) {
	h.t.Helper()
	if code := h.CommitOffsets(context.Background(), c); code != protocol.None {
		h.t.Fatalf("commit: %v", code)
	}
}

// offset returns a committed offset, -1 if there is none.
func (h *house) offset(id, topic string, partition int32) int64 {
	h.t.Helper()
	f, code := h.FetchOffsets(id, []FetchTopic{{Topic: topic, Partitions: []int32{partition}}}, false)
	if code != protocol.None {
		h.t.Fatalf("fetch: %v", code)
	}
	if !f[0].Offsets[0].Found {
		return -1
	}
	return f[0].Offsets[0].Offset.Offset
}

// dump is everything a client can see of the groups.
func (h *house) dump() string {
	h.t.Helper()
	list, code := h.ListGroups(&Filter{})
	if code != protocol.None {
		h.t.Fatalf("list: %v", code)
	}
	s := ""
	for _, l := range list {
		d, _ := h.DescribeGroup(l.ID)
		s += fmt.Sprintf("%+v generation %d\n", l, h.generation(l.ID))
		for _, m := range d.Members {
			s += fmt.Sprintf("  %q %v %q %q %q %q\n", m.MemberID, m.InstanceID == nil, m.ClientID, m.ClientHost, m.Metadata, m.Assignment)
		}
		offsets, _ := h.FetchOffsets(l.ID, nil, true)
		s += fmt.Sprintf("  %+v\n", offsets)
	}
	return s
}

func (h *house) generation(id string) int32 {
	s, _ := h.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.groups[id].group.Generation()
}

var errDisk = errors.New("disk on fire")

// share is the assignment of a member: one of no partitions, with the member's name as
// user data.
func share(member string) string {
	return "\x00\x00\x00\x00\x00\x00\x00\x00\x00" + string(rune(len("for "+member))) + "for " + member
}
