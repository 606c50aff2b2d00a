package clients

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// levels are the isolation levels of consumers.
var levels = [2]string{"read_committed", "read_uncommitted"}

// TestCompacted has every client read what a compaction leaves: records that are gone from
// inside a batch and whole batches that are, batches with a delete horizon where their base
// timestamp was, and at the end one without records; and then what is written behind it, in
// both isolation levels. Each has a topic of its own with the same records.
func TestCompacted(t *testing.T) {
	t.Parallel()
	l := &compactedLog{topics: make(map[string]bool)}
	for _, c := range clients {
		if !c.slow || *acceptance {
			l.topics["compacted-"+c.name] = true
		}
	}
	l.prepare(t)
	for _, c := range clients {
		topic := "compacted-" + c.name
		if !l.topics[topic] {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.command = c.install(t)
			c.readCompacted(t, &compactedLog{broker: l.broker, topics: map[string]bool{topic: true}, records: slices.Clone(l.records)})
		})
	}
}

// logged is a record that was acknowledged.
type logged struct {
	offset     int64
	key, value *string
	aborted    bool
}

// compactedLog is what was written to each of some topics, of one partition each.
type compactedLog struct {
	broker  *peers.Broker
	topics  map[string]bool
	records []logged
}

// prepare starts the broker, fills the topics and has them compacted. Then they are
// compacted no more.
func (l *compactedLog) prepare(t *testing.T) {
	t.Helper()
	o := options(t, storage{journal: "file"})
	kafka := o.Kind == peers.Kafka
	if kafka {
		o.Settings["log.cleaner.backoff.ms"] = "200"
	} else {
		maps.Copy(o.Settings, sealed)
	}
	l.broker = peers.Start(t, o)
	const segmentMillis = 2000
	l.configure(t, map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "segment.ms": strconv.Itoa(segmentMillis)})
	l.fill(t)
	end := l.records[len(l.records)-1].offset
	if kafka { // which compacts what lies below the segment of the last record
		time.Sleep(segmentMillis * 3 / 2 * time.Millisecond)
		l.write(t, l.client(t), "behind")
	}
	l.configure(t, map[string]string{"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "1000"})
	for topic := range l.topics {
		waitForGaps(t, l.broker.Addr(), topic, end)
	}
	l.configure(t, map[string]string{"cleanup.policy": "delete"})
	l.compact(end)
}

// fill writes records of which few are left. The last one has no key, which no compacted
// topic keeps; its batch stays for where it is, and for its producer.
func (l *compactedLog) fill(t *testing.T) {
	t.Helper()
	var keys []string
	for n := range 20 {
		keys = append(keys, fmt.Sprint("key-", n))
	}
	bulk := l.client(t, kgo.ProducerBatchCompression(kgo.GzipCompression()))
	for range 4 {
		l.write(t, bulk, keys...)
	}
	l.write(t, l.client(t), keys[0], keys[1]) // all there is of its producer
	plain := l.client(t)
	l.write(t, plain, keys[:8]...)
	l.writeRecords(t, plain, []logged{{key: &keys[3]}, {key: &keys[15]}, {key: &keys[17]}})
	l.transaction(t, kgo.TryCommit, keys[10:13]...)
	l.transaction(t, kgo.TryAbort, keys[:6]...)
	l.write(t, plain, keys[5], keys[6])
	value := "without a key"
	l.writeRecords(t, l.client(t), []logged{{value: &value}})
}

// compact takes out of the records up to end those that a compaction takes.
func (l *compactedLog) compact(end int64) {
	latest := make(map[string]int64)
	for _, r := range l.records {
		if r.key != nil && !r.aborted && r.offset <= end {
			latest[*r.key] = r.offset
		}
	}
	l.records = slices.DeleteFunc(l.records, func(r logged) bool {
		return r.offset <= end && (r.key == nil || latest[*r.key] != r.offset)
	})
}

// readCompacted runs two consumers over a compacted topic, and behind what was compacted.
func (c client) readCompacted(t *testing.T, l *compactedLog) {
	t.Helper()
	var readers [len(levels)]*program
	for i, level := range levels {
		s := &scenario{client: c, broker: l.broker, topic: "compacted-" + c.name}
		readers[i] = s.start(t, "consume", c.name+"-"+level, level)
	}
	if c.rereads {
		for _, r := range readers {
			r.wait(t, "record that it has read before", patience, twice)
		}
		return
	}
	stuck := c.stuck && l.broker.Options().Kind == peers.Kafka
	if stuck {
		l.records = l.records[:len(l.records)-1]
	}
	for i, level := range levels {
		l.waitFor(t, readers[i], level)
	}
	if stuck {
		time.Sleep(3 * time.Second) // some fetches
		for i, level := range levels {
			l.check(t, readers[i], level)
		}
		return
	}
	l.write(t, l.client(t), "behind", "key-1")
	l.transaction(t, kgo.TryAbort, "key-2")
	l.transaction(t, kgo.TryCommit, "key-3", "key-4")
	l.write(t, l.client(t), "last")
	for i, level := range levels {
		l.waitFor(t, readers[i], level)
		readers[i].finish(t)
		l.check(t, readers[i], level)
	}
}

// seen are the records that a consumer of a level gets.
func (l *compactedLog) seen(level string) []logged {
	return slices.DeleteFunc(slices.Clone(l.records), func(r logged) bool { return r.aborted && level == "read_committed" })
}

// waitFor waits until a consumer has read the last record.
func (l *compactedLog) waitFor(t *testing.T, p *program, level string) {
	t.Helper()
	want := l.seen(level)
	last := want[len(want)-1].offset
	p.wait(t, fmt.Sprintf("record at offset %d in %s", last, level), patience, func(events []event) bool {
		return slices.ContainsFunc(events, func(e event) bool { return e.Event == "record" && e.Offset == last })
	})
}

// check holds what a consumer read against what there is: each record once, in order.
func (l *compactedLog) check(t *testing.T, p *program, level string) {
	t.Helper()
	var got []logged
	for _, e := range p.snapshot() {
		if e.Event == "record" {
			got = append(got, logged{offset: e.Offset, key: e.Key, value: e.Value})
		}
	}
	want := l.seen(level)
	for i := range max(len(got), len(want)) {
		if i == len(got) || i == len(want) || !got[i].same(want[i]) {
			t.Fatalf("%s in %s read %d records where there are %d; different from record %d on: %v and %v",
				p.name, level, len(got), len(want), i, got[i:min(i+3, len(got))], want[i:min(i+3, len(want))])
		}
	}
}

// same says whether a record was read as it was written.
func (r logged) same(other logged) bool {
	return r.offset == other.offset && equal(r.key, other.key) && equal(r.value, other.value)
}

// twice says whether a record was read twice.
func twice(events []event) bool {
	read := make(map[int64]bool)
	for _, e := range events {
		if e.Event != "record" {
			continue
		}
		if read[e.Offset] {
			return true
		}
		read[e.Offset] = true
	}
	return false
}

// String is for reports.
func (r logged) String() string { return fmt.Sprintf("%d:%s=%s", r.offset, show(r.key), show(r.value)) }

// client is a producer of its own.
func (l *compactedLog) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{kgo.SeedBrokers(l.broker.Addr()), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(50 * time.Millisecond)}, opts...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// write writes a record of each key, all with values of their own.
func (l *compactedLog) write(t *testing.T, cl *kgo.Client, keys ...string) {
	t.Helper()
	l.writeRecords(t, cl, l.valued(keys, false))
}

func (l *compactedLog) valued(keys []string, aborted bool) (records []logged) {
	for i := range keys {
		value := fmt.Sprint("välue-", len(l.records)+i)
		records = append(records, logged{key: &keys[i], value: &value, aborted: aborted})
	}
	return records
}

// transaction is write in a transaction that ends as told.
func (l *compactedLog) transaction(t *testing.T, end kgo.TransactionEndTry, keys ...string) {
	t.Helper()
	cl := l.client(t, kgo.TransactionalID(fmt.Sprint(slices.Sorted(maps.Keys(l.topics))[0], len(l.records))))
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	l.writeRecords(t, cl, l.valued(keys, end == kgo.TryAbort))
	if err := cl.EndTransaction(peers.Context(t, patience), end); err != nil {
		t.Fatal(err)
	}
}

// writeRecords writes the same records to each topic, and keeps their offsets.
func (l *compactedLog) writeRecords(t *testing.T, cl *kgo.Client, records []logged) {
	t.Helper()
	bytesOf := func(s *string) []byte {
		if s == nil {
			return nil
		}
		return []byte(*s)
	}
	var all []*kgo.Record
	for topic := range l.topics {
		for i, r := range records {
			n := strconv.Itoa(len(l.records) + i)
			all = append(all, &kgo.Record{Topic: topic, Key: bytesOf(r.key), Value: bytesOf(r.value), Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(n)}}})
		}
	}
	if err := cl.ProduceSync(peers.Context(t, patience), all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for i, r := range all { // the same in every topic
		mine := &records[i%len(records)]
		if i >= len(records) && mine.offset != r.Offset {
			t.Fatalf("record %d of %s lies at offset %d, at %d in another topic", i, r.Topic, r.Offset, mine.offset)
		}
		mine.offset = r.Offset
	}
	l.records = append(l.records, records...)
}

// configure makes the topics, or changes their settings.
func (l *compactedLog) configure(t *testing.T, settings map[string]string) {
	t.Helper()
	ctx, admin, topics := peers.Context(t, patience), kadm.NewClient(l.client(t)), slices.Collect(maps.Keys(l.topics))
	if len(l.records) == 0 {
		config := make(map[string]*string)
		for name, value := range settings {
			config[name] = &value
		}
		made, err := admin.CreateTopics(ctx, 1, 1, config, topics...)
		if err != nil || made.Error() != nil {
			t.Fatal(err, made.Error())
		}
		return
	}
	var changes []kadm.AlterConfig
	for name, value := range settings {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value})
	}
	changed, err := admin.AlterTopicConfigs(ctx, changes, topics...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changed {
		if c.Err != nil {
			t.Fatal(c.Err)
		}
	}
}

// waitForGaps waits until the batches of a topic's partition up to end have everything that
// a compaction leaves. This, and not what a client shows, says that it is there.
func waitForGaps(t *testing.T, addr, topic string, end int64) {
	t.Helper()
	var inside, between, horizons, empty int
	var last record.Header
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		inside, between, horizons, empty, last = 0, 0, 0, 0, record.Header{LastOffsetDelta: -1}
		for _, h := range headers(t, addr, topic, end) {
			if h.BaseOffset > last.LastOffset()+1 {
				between++
			}
			if h.Records > 0 && h.Records <= h.LastOffsetDelta {
				inside++
			}
			if _, has := h.DeleteHorizon(); has && !h.Control() {
				horizons++
			}
			if h.Records == 0 {
				empty++
			}
			last = h
		}
		if inside > 0 && between > 0 && horizons > 0 && empty > 1 && last.Records == 0 && last.LastOffset() == end {
			return
		}
	}
	t.Fatalf("%s is not compacted: %d batches with gaps, %d gaps between them, %d horizons, %d empty ones, the last is %+v, the end %d",
		topic, inside, between, horizons, empty, last, end)
}

// headers are those of the batches of a topic's partition up to end, as they are on the
// wire.
func headers(t *testing.T, addr, topic string, end int64) (all []record.Header) {
	t.Helper()
	conn, err := wire.Dial(addr, "raw", patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for next := int64(0); next <= end; {
		data := fetch(t, conn, topic, next)
		before := next
		for b, err := range record.Batches(data) {
			if err != nil {
				t.Fatal(err)
			}
			if next = b.Header.LastOffset() + 1; b.Header.BaseOffset <= end {
				all = append(all, b.Header)
			}
		}
		if next == before {
			t.Fatalf("%s: a fetch at offset %d got nothing, the end is %d", topic, next, end)
		}
	}
	return all
}

func fetch(t *testing.T, conn *wire.Conn, topic string, at int64) []byte {
	t.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 12, 1000, 1, 1<<20
	p := kmsg.NewFetchRequestTopicPartition()
	p.FetchOffset, p.PartitionMaxBytes = at, 1<<20
	req.Topics = []kmsg.FetchRequestTopic{{Topic: topic, Partitions: []kmsg.FetchRequestTopicPartition{p}}}
	resp, err := conn.Call(req, patience)
	if err != nil {
		t.Fatal(err)
	}
	answer := resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		t.Fatal(err)
	}
	return answer.RecordBatches
}
