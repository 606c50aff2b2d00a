package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/metadata"
	metadatamem "github.com/streamhouse/streamhouse/metadata/mem"
	"github.com/streamhouse/streamhouse/metadata/sqlite"
	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/storage/bucket"
	bucketfile "github.com/streamhouse/streamhouse/storage/bucket/file"
	"github.com/streamhouse/streamhouse/storage/bucket/mem"
	"github.com/streamhouse/streamhouse/storage/buffer"
	"github.com/streamhouse/streamhouse/storage/cache"
	"github.com/streamhouse/streamhouse/storage/journal"
	journalfile "github.com/streamhouse/streamhouse/storage/journal/file"
	"github.com/streamhouse/streamhouse/storage/journal/object"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
	"github.com/streamhouse/streamhouse/storage/partition"
	"github.com/streamhouse/streamhouse/storage/segment"
)

// rig is a broker's storage: real journal, real log, a bucket, and a metadata store
// in memory. It can be stopped and started again over what is durable.
type rig struct {
	t      *testing.T
	dir    string
	bucket bucket.Bucket
	store  metadata.Store
	start  metadata.Start
	clock  *clock
	topics *topics
	seam   func(string) error
	// cleaning is off unless a test says otherwise.
	cleaning Cleaning
	merging  Merging
	// indexRead, if it is set, is called before the log's index reads a segment.
	indexRead func(key string)

	kind    kind
	durable bool // the metadata store is a file
	journal journal.Journal
	log     *log.Log
	upkeep  *Upkeep
	index   *segment.Index
	cached  *cache.Objects // in front of sealed objects; nil: none
	stop    func()
	fenced  bool // another broker took the journal: it cannot be closed in order

	// What clients were told: the batches of each partition, as stored.
	acked map[pack.PartitionID][]byte
	// folds is the fold from zero over every pack that was ever closed.
	folds                map[pack.PartitionID]*partition.State
	folded               uint64 // last sequence in folds
	rounds, commitRounds int
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// topics is Topics and log.Topics.
type topics struct {
	mu    sync.Mutex
	list  []Topic
	epoch int32
}

func (x *topics) List() []Topic {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.list)
}

func (x *topics) Exists(id metadata.TopicID) bool {
	_, ok := x.LeaderEpoch(pack.PartitionID{Topic: id})
	return ok
}

func (x *topics) LeaderEpoch(id pack.PartitionID) (int32, bool) {
	for _, t := range x.List() {
		if t.ID == id.Topic {
			return x.epoch, true
		}
	}
	return 0, false
}

func (x *topics) change(id pack.TopicID, fn func(*Topic)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.list {
		if x.list[i].ID == id {
			fn(&x.list[i])
		}
	}
}

func (x *topics) drop(id pack.TopicID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list = slices.DeleteFunc(x.list, func(t Topic) bool { return t.ID == id })
}

var (
	orders    = Topic{ID: pack.TopicID{15: 1}, Partitions: 3, Delete: true, RetentionMs: -1, RetentionBytes: -1}
	clicks    = Topic{ID: pack.TopicID{15: 2}, Partitions: 2, Delete: true, RetentionMs: -1, RetentionBytes: -1}
	txns      = Topic{ID: pack.TopicID{15: 4}, Partitions: 2, Owner: Transactions, RetentionMs: -1, RetentionBytes: -1}
	consumers = Topic{ID: pack.TopicID{15: 3}, Partitions: 4, Owner: Groups, RetentionMs: -1, RetentionBytes: -1}
)

func at(t Topic, partition int32) pack.PartitionID {
	return pack.PartitionID{Topic: t.ID, Partition: partition}
}

// kind is how a volume becomes a segment.
type kind struct {
	object bool // the journal lies in the bucket, else in files
	folder bool // the bucket is a folder, else remote
}

var (
	adopted  = kind{folder: true}
	uploaded = kind{}
)

func kinds(t *testing.T, fn func(t *testing.T, k kind)) {
	t.Run("adopted", func(t *testing.T) { fn(t, adopted) })
	t.Run("uploaded", func(t *testing.T) { fn(t, uploaded) })
	t.Run("object journal", func(t *testing.T) { fn(t, kind{object: true}) })
	t.Run("object journal in a folder", func(t *testing.T) { fn(t, kind{object: true, folder: true}) })
}

// newRig starts a rig with an empty metadata store in memory.
func newRig(t *testing.T, k kind) *rig { return newRigOn(t, k, false) }

// newRigOn starts a rig whose metadata store is in memory or, with durable, in a file.
func newRigOn(t *testing.T, k kind, durable bool) *rig {
	r := &rig{
		kind:    k,
		durable: durable,
		t:       t,
		dir:     t.TempDir(),
		clock:   &clock{now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)},
		topics:  &topics{list: []Topic{orders, clicks, consumers, txns}},
		acked:   map[pack.PartitionID][]byte{},
		folds:   map[pack.PartitionID]*partition.State{},
	}
	r.openStore(t)
	for _, topic := range r.topics.List() {
		r.must(r.store.CreateTopic(context.Background(), metadata.Topic{
			ID: topic.ID, Name: fmt.Sprintf("topic-%x", topic.ID[15]), Partitions: topic.Partitions, Replicas: 1,
		}))
	}
	if k.folder {
		b, err := bucketfile.Open(filepath.Join(r.dir, "bucket"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		r.bucket = b
	} else {
		r.bucket = mem.New()
	}
	r.begin()
	t.Cleanup(func() { r.stop() })
	return r
}

// openStore opens the metadata store anew.
func (r *rig) openStore(t *testing.T) {
	t.Helper()
	if !r.durable {
		r.store = metadatamem.New(r.clock.Now)
		return
	}
	s, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(r.dir, storeFile), Now: r.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	r.store = s
}

const storeFile = "metadata.db"

// delete deletes a topic as the catalog does.
func (r *rig) delete(topic Topic) {
	r.t.Helper()
	r.must(r.store.DeleteTopic(context.Background(), topic.ID))
	r.topics.drop(topic.ID)
	r.log.DropTopic(topic.ID)
}

// intents lists the keys that were intended and not registered.
func (r *rig) intents() []string {
	r.t.Helper()
	_, keys, err := r.store.Garbage(context.Background(), 0)
	r.must(err)
	return keys
}

// referenced lists the keys of the segments that a slice or a state refers to.
func (r *rig) referenced() []string {
	r.t.Helper()
	ctx := context.Background()
	keys := map[string]bool{}
	add := func(id metadata.SegmentID) {
		seg, err := r.store.Segment(ctx, id)
		r.must(err)
		keys[seg.Key] = true
	}
	for _, t := range r.topics.List() {
		for i := range t.Partitions {
			slices, state, err := r.store.Partition(ctx, at(t, i))
			r.must(err)
			for _, x := range slices {
				add(x.Segment)
			}
			if state.BlockLen > 0 {
				add(state.Block)
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

// begin starts journal, log and upkeep, as a process does.
func (r *rig) begin() {
	r.t.Helper()
	if err := r.tryBegin(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) tryBegin() error {
	r.stop = func() {}
	ctx := context.Background()
	var err error
	if r.start, err = r.store.Begin(ctx); err != nil {
		return err
	}
	r.topics.epoch = r.start.Epoch
	witness, err := CheckStore(ctx, r.store, r.bucket, r.start)
	if err != nil {
		return err
	}
	if err := r.openJournal(); err != nil {
		return err
	}
	r.index = segment.NewIndex(1<<20, func(ctx context.Context, s metadata.Segment, p []byte, off int64) error {
		if r.indexRead != nil {
			r.indexRead(s.Key)
		}
		if r.cached == nil {
			_, err := objectReader{ctx, r.bucket, s.Key}.ReadAt(p, off)
			return err
		}
		src, err := r.cached.Open(ctx, s.Key, s.Bytes)
		if err == nil {
			_, err = src.ReadAt(p, off)
		}
		return err
	})
	r.index.Distrust = func(s metadata.Segment) {
		if r.cached != nil {
			r.cached.Forget(s.Key)
		}
	}
	r.log, err = log.Open(ctx, log.Config{
		Journal: r.journal, Store: r.store, Segments: r.index, Topics: r.topics,
		OpenObject: r.openObject, Logger: zap.NewNop(), Registry: prometheus.NewRegistry(), Now: r.clock.Now,
		VolumeBytes: 1 << 40, ProducerExpiry: func() time.Duration { return 24 * time.Hour },
	})
	if err != nil {
		return errors.Join(err, r.journal.Close(ctx))
	}
	r.upkeep = New(Config{
		Journal: r.journal, Bucket: r.bucket, Store: r.store, Log: LogOf(r.log, r.topics), Topics: r.topics,
		Index: r.index, Logger: zap.NewNop(), Registry: prometheus.NewRegistry(), Now: r.clock.Now, Start: r.start,
		SpoolDir: r.dir, Cleaning: func() Cleaning { return r.cleaning },
		Merging: func() Merging { return r.merging },
		Seam: func(step string) error {
			if r.seam != nil {
				return r.seam(step)
			}
			return nil
		},
	}, witness)
	run, cancel := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- r.log.Run(run) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ran, r.journal.Close(ctx)); err != nil && !r.fenced {
			r.t.Error(err)
		}
	})
	return nil
}

func (r *rig) openJournal() (err error) {
	if r.kind.object {
		r.journal = object.New(object.Config{Bucket: r.bucket, ClusterID: r.start.ClusterID, Now: r.clock.Now, KeepDir: filepath.Join(r.dir, "kept")})
		return nil
	}
	r.journal, err = journalfile.Open(journalfile.Config{
		Dir: filepath.Join(r.dir, "journal"), ClusterID: r.start.ClusterID, VolumeBytes: 1 << 20, Now: r.clock.Now,
	})
	return err
}

// restart ends the process and starts another one.
func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.begin()
	r.foldClosed()
}

type sealedObject struct {
	objectReader
	size int64
}

func (o sealedObject) File() *os.File { return nil }
func (o sealedObject) Close() error   { return nil }

func (r *rig) openObject(ctx context.Context, key string, size int64) (journal.Source, error) {
	if r.cached != nil {
		return r.cached.Open(ctx, key, size)
	}
	info, err := r.bucket.Stat(ctx, key)
	if err == nil && info.Size != size {
		err = fmt.Errorf("%s has %d bytes, not %d", key, info.Size, size)
	}
	return sealedObject{objectReader{ctx, r.bucket, key}, size}, err
}

// batchOf encodes an uncompressed batch. A nil value is a tombstone.
func batchOf(producer int64, sequence int32, timestamp int64, kv ...[]byte) []byte {
	var records []byte
	n := len(kv) / 2
	for i := range n {
		x := kmsg.NewRecord()
		x.OffsetDelta, x.Key, x.Value = int32(i), kv[2*i], kv[2*i+1]
		x.Length = int32(len(x.AppendTo(nil)) - 1)
		// The length is a varint before itself: correct it until it holds.
		for len(x.AppendTo(nil))-varintLen(x.Length) != int(x.Length) {
			x.Length = int32(len(x.AppendTo(nil)) - varintLen(x.Length))
		}
		records = x.AppendTo(records)
	}
	b := kmsg.NewRecordBatch()
	b.Magic, b.LastOffsetDelta, b.NumRecords = 2, int32(n-1), int32(n)
	b.FirstTimestamp, b.MaxTimestamp = timestamp, timestamp
	b.ProducerID, b.ProducerEpoch, b.FirstSequence = producer, 0, sequence
	if producer < 0 {
		b.ProducerEpoch = -1
	}
	b.Records = records
	out := b.AppendTo(nil)
	b.Length = int32(len(out) - 12)
	out = b.AppendTo(nil)
	record.SetMaxTimestamp(out, timestamp, false)
	return out
}

func varintLen(n int32) int {
	u, size := uint32(n)<<1^uint32(n>>31), 1
	for ; u >= 0x80; u >>= 7 {
		size++
	}
	return size
}

// produce appends a batch and waits until it is durable.
func (r *rig) produce(id pack.PartitionID, b []byte) {
	r.t.Helper()
	r.produceAll([]pack.PartitionID{id}, [][]byte{b})
}

// produceAll appends one batch per partition, all at once.
func (r *rig) produceAll(ids []pack.PartitionID, batches [][]byte) {
	r.t.Helper()
	ctx := context.Background()
	done := make(chan struct{})
	ticket := log.NewTicket(len(ids), func(*log.Ticket) { close(done) })
	appender := r.log.NewAppender()
	defer appender.Close()
	for i, id := range ids {
		p, err := r.log.Partition(ctx, id, r.topics.epoch)
		if err != nil {
			r.t.Fatal(err)
		}
		buf := buffer.Get(len(batches[i]))
		copy(buf.Bytes(), batches[i])
		h, err := record.ParseHeader(buf.Bytes())
		if err != nil {
			r.t.Fatal(err)
		}
		appender.Append(ctx, ticket, i, p, r.batch(p, log.Batch{
			Buf: buf, Bytes: buf.Bytes(), Header: h, Coordinator: id.Topic == consumers.ID || id.Topic == txns.ID,
		}))
	}
	<-done
	for i, res := range ticket.Results() {
		if res.Err != nil {
			r.t.Fatal(res.Err)
		}
		stored := bytes.Clone(batches[i])
		record.SetOffset(stored, res.BaseOffset, r.topics.epoch)
		r.acked[ids[i]] = append(r.acked[ids[i]], stored...)
	}
}

// batch gives a transactional batch what the coordinator would.
func (r *rig) batch(p *log.Partition, b log.Batch) log.Batch {
	switch {
	case b.Header.Control():
		m, err := record.ParseMarker(b.Bytes)
		r.must(err)
		b.Marker = &m
	case b.Header.Transactional():
		_, b.Guard, _ = p.TransactionGuard(b.Header.ProducerID, b.Header.ProducerEpoch)
	}
	return b
}

// roll closes the open volume and folds its packs from zero.
func (r *rig) roll() {
	r.t.Helper()
	before := len(r.journal.Volumes())
	open := r.journal.Volumes()[before-1].ID
	r.log.RequestRoll()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		v := r.journal.Volumes()
		if v[len(v)-1].ID != open {
			break
		}
		if time.Now().After(deadline) {
			r.t.Fatal("the log does not roll")
		}
	}
	r.foldClosed()
}

// foldClosed applies the packs of closed volumes that it has not seen to the folds
// from zero.
func (r *rig) foldClosed() {
	r.t.Helper()
	ctx := context.Background()
	for _, v := range r.journal.Volumes() {
		if !v.Closed || v.LastSeq <= r.folded {
			continue
		}
		c, err := r.upkeep.openContents(ctx, v)
		if err != nil {
			r.t.Fatal(err)
		}
		err = c.packs(ctx, func(_ int64, index *pack.Index) error {
			for i := range index.Entries {
				e := &index.Entries[i]
				if r.folds[e.ID] == nil {
					r.folds[e.ID] = &partition.State{}
				}
				if err := r.folds[e.ID].Apply(e, 0, 0); err != nil {
					return err
				}
			}
			return nil
		})
		if err := errors.Join(err, c.close()); err != nil {
			r.t.Fatal(err)
		}
		r.folded = v.LastSeq
	}
}

// checkStates compares every stored state with the fold from zero.
func (r *rig) checkStates() {
	r.t.Helper()
	ctx := context.Background()
	for id, want := range r.folds {
		if !r.topics.Exists(id.Topic) {
			continue
		}
		_, row, err := r.store.Partition(ctx, id)
		if err != nil {
			r.t.Fatal(err)
		}
		if row.NextOffset != want.NextOffset() {
			r.t.Errorf("partition %v: stored next offset %d, fold from zero %d", id, row.NextOffset, want.NextOffset())
			continue
		}
		block, err := r.upkeep.stateBlock(ctx, row)
		if err != nil {
			r.t.Fatal(err)
		}
		payload, _ := want.MarshalBinary()
		if !bytes.Equal(block.Payload, payload) {
			r.t.Errorf("partition %v: stored state is not the fold from zero", id)
		}
	}
}

// read returns everything from the log start to the end.
func (r *rig) read(id pack.PartitionID) []byte {
	r.t.Helper()
	ctx := context.Background()
	from, err := r.store.LogStart(ctx, id)
	if err != nil {
		r.t.Fatal(err)
	}
	var all []byte
	for {
		b, err := r.upkeep.cfg.Log.ReadBatches(ctx, id, from, 1<<20)
		if err != nil {
			r.t.Fatalf("read %v from %d: %v", id, from, err)
		}
		if len(b) == 0 {
			return all
		}
		all = append(all, b...)
		for len(b) > 0 {
			h, err := record.ParseHeader(b)
			if err != nil {
				r.t.Fatal(err)
			}
			from = h.LastOffset() + 1
			b = b[h.Size():]
		}
	}
}

// checkAcked reads every partition and compares it with what was acknowledged, from
// the log start on: once, in order, at its offset, byte for byte.
func (r *rig) checkAcked(only ...Topic) {
	r.t.Helper()
	for id, want := range r.acked {
		if !r.topics.Exists(id.Topic) {
			continue
		}
		if only != nil && !slices.ContainsFunc(only, func(t Topic) bool { return t.ID == id.Topic }) {
			continue
		}
		start, _ := r.store.LogStart(context.Background(), id)
		for len(want) > 0 {
			h, _ := record.ParseHeader(want)
			if h.LastOffset() >= start {
				break
			}
			want = want[h.Size():]
		}
		if got := r.read(id); !bytes.Equal(got, want) {
			r.t.Errorf("partition %v: %d bytes read, %d acknowledged", id, len(got), len(want))
		}
	}
}

// objects lists the bucket's keys under prefix.
func (r *rig) objects(prefix string) (keys []string) {
	r.t.Helper()
	err := r.bucket.List(context.Background(), prefix, "", func(i bucket.Info) error {
		keys = append(keys, i.Key)
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return keys
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// some produces a few batches over several partitions, with and without a producer.
func (r *rig) some() {
	r.t.Helper()
	round := r.rounds
	r.rounds++
	now := r.clock.Now().UnixMilli()
	for i := range 5 {
		seq := int32(round*5+i) * 2
		value := fmt.Appendf(nil, "round %d batch %d", round, i)
		r.produceAll(
			[]pack.PartitionID{at(orders, 0), at(clicks, 1), at(orders, 2)},
			[][]byte{
				batchOf(7, seq, now, []byte("k"), value, []byte("l"), value),
				batchOf(-1, -1, now, nil, value),
				batchOf(9, seq, now, nil, value, nil, value),
			})
	}
}

var _ io.ReaderAt = sealedObject{}
