package ecosystem

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

const (
	mirrorGroup = "movers"
	// syncEvery is MirrorMaker's offset.lag.max: so many records may lie between two places whose
	// offsets it knows in both clusters.
	syncEvery = 20
)

// MirrorMaker 2 mirrors both ways between our broker, called house, and Apache Kafka. A group
// moves to Kafka and back, each time with its offsets translated: it misses nothing, and reads
// again only what lies above the last offset that was translated. Topic settings follow. Our
// broker is killed meanwhile.
func TestMirrorMaker(t *testing.T) {
	long(t)
	house := start(t, map[string]string{"log.cleaner.min.cleanable.ratio": "0.01", "log.cleaner.max.compaction.lag.ms": "10000"})
	kafka := peers.Start(t, peers.Options{Kind: peers.Kafka, Settings: map[string]string{"group.initial.rebalance.delay.ms": "0"}})
	for _, b := range []*peers.Broker{house, kafka} {
		makeTopic(t, b, "orders", 2, nil)
	}
	startMirrorMaker(t, house, kafka)
	m := &mirror{t: t, sides: map[string]*peers.Broker{"house": house, "kafka": kafka}, written: make(map[string]struct{}), read: make(map[string]int)}

	m.write("house", 3000)
	m.consume("house", 2200, "orders")
	m.arrives("house", "kafka")
	kill(t, house)
	m.write("house", 1000)
	m.arrives("house", "kafka")

	// Over: what it has not read at home it reads from the mirror; new orders come there.
	again := m.move("house", "kafka", "house.orders")
	m.consume("kafka", 4000-2200+again, "house.orders")
	m.write("kafka", 2000)
	m.consume("kafka", 1400, "orders")

	// And back: what it has not read there it reads from the mirror of it.
	m.arrives("kafka", "house")
	back := m.move("kafka", "house", "kafka.orders")
	m.consume("house", 600+back, "kafka.orders")
	m.complete()
	t.Logf("%d records written, %d read again after the move there and %d after the move back", len(m.written), again, back)

	m.settings("house", "kafka", "1234567890")
	m.settings("kafka", "house", "2345678901")
	// Its heartbeats are work enough.
	settled(t, house, 10, func() {}, "mm2-configs.kafka.internal", "mm2-offsets.kafka.internal", "mm2-status.kafka.internal", "kafka.checkpoints.internal")
}

// startMirrorMaker runs MirrorMaker 2 as one process for both ways.
func startMirrorMaker(t *testing.T, house, kafka *peers.Broker) {
	t.Helper()
	java, err := peers.KafkaConnect(peers.Context(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	address, err := peers.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{
		"clusters":                            "house, kafka",
		"house.bootstrap.servers":             house.Addr(),
		"kafka.bootstrap.servers":             kafka.Addr(),
		"house->kafka.enabled":                "true",
		"kafka->house.enabled":                "true",
		"topics":                              "orders",
		"groups":                              mirrorGroup,
		"replication.factor":                  "1",
		"sync.topic.acls.enabled":             "false",
		"sync.group.offsets.enabled":          "true",
		"sync.group.offsets.interval.seconds": "1",
		"emit.checkpoints.interval.seconds":   "1",
		"refresh.topics.interval.seconds":     "2",
		"refresh.groups.interval.seconds":     "2",
		"sync.topic.configs.interval.seconds": "2",
		"offset.lag.max":                      strconv.Itoa(syncEvery),
		"offset.flush.interval.ms":            "1000",
		"dedicated.mode.enable.internal.rest": "true",
		"listeners":                           "http://" + address,
		"consumer.auto.offset.reset":          "earliest",
	}
	for _, topic := range []string{"checkpoints.topic", "heartbeats.topic", "offset-syncs.topic", "offset.storage", "status.storage", "config.storage"} {
		settings[topic+".replication.factor"] = "1"
	}
	dir := peers.Folder(t)
	config := filepath.Join(dir, "mm2.properties")
	if err := os.WriteFile(config, []byte(properties(settings)), 0o644); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "mm2.log"))
	if err != nil {
		t.Fatal(err)
	}
	process, err := java.Command("org.apache.kafka.connect.mirror.MirrorMaker", 512, config).Start(nil, log, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Kill(); err != nil {
			t.Error(err)
		}
		log.Close()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("end of %s:\n%s", log.Name(), text[max(0, len(text)-4000):])
		}
	})
}

// mirror is what was written to either side, and what a group has read of it on either.
type mirror struct {
	t       *testing.T
	sides   map[string]*peers.Broker
	written map[string]struct{}
	read    map[string]int // how often
}

// write writes orders to a side's own topic.
func (m *mirror) write(side string, count int) {
	m.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(m.sides[side].Addr()), kgo.DefaultProduceTopic("orders"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(50)) // batches of a size that offsets are synced between
	if err != nil {
		m.t.Fatal(err)
	}
	defer cl.Close()
	for range count / 20 {
		var records []*kgo.Record
		for range 20 {
			value := fmt.Sprintf("order %d of %s", len(m.written), side)
			m.written[value] = struct{}{}
			records = append(records, kgo.StringRecord(value))
		}
		if err := cl.ProduceSync(peers.Context(m.t, patience), records...).FirstErr(); err != nil {
			m.t.Fatal(err)
		}
	}
}

// arrives waits until a side's own topic is on the other side as a whole.
func (m *mirror) arrives(from, to string) {
	m.t.Helper()
	want := m.total(from, "orders")
	await(m.t, fmt.Sprintf("%d records of %s at %s", want, from, to), func() bool { return m.total(to, from+".orders") >= want })
}

// total is the sum of a topic's end offsets.
func (m *mirror) total(side, topic string) (sum int64) {
	ends, err := admin(m.t, m.sides[side]).ListEndOffsets(peers.Context(m.t, patience), topic)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, o := range ends[topic] {
		sum += max(o.Offset, 0)
	}
	return sum
}

// consume reads exactly so many records in the group, commits them and leaves.
func (m *mirror) consume(side string, count int, topic string) {
	m.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(m.sides[side].Addr()), kgo.ConsumerGroup(mirrorGroup), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		m.t.Fatal(err)
	}
	defer cl.Close()
	ctx := peers.Context(m.t, patience)
	for left := count; left > 0; {
		fetches := cl.PollRecords(ctx, left)
		if ctx.Err() != nil {
			m.t.Fatalf("%d of %d records of %s at %s came", count-left, count, topic, side)
		}
		records := fetches.Records()
		for _, r := range records {
			m.read[string(r.Value)]++
		}
		left -= len(records)
		if err := cl.CommitRecords(ctx, records...); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := cl.LeaveGroupContext(ctx); err != nil {
		m.t.Fatal(err)
	}
}

// move waits until the group's offsets in a side's own topic are translated for the mirror on the
// other side, and returns how many records it will read there again. That is no more than what
// lies between two offsets that MirrorMaker remembers: it keeps them ever further apart the
// further they are behind the last one.
func (m *mirror) move(from, to, mirrored string) (again int) {
	m.t.Helper()
	own := m.committed(from, "orders")
	behind := m.total(from, "orders") - sum(own)
	limit := behind + 2*int64(len(own))*(syncEvery+1)
	last := ""
	await(m.t, "offsets translated from "+from+" to "+to, func() bool {
		there := m.committed(to, mirrored)
		last = fmt.Sprint(own, there)
		if len(there) < len(own) {
			return false
		}
		for p, offset := range there {
			if offset > own[p] {
				m.t.Fatalf("partition %d: offset %d became %d: records would be missed", p, own[p], offset)
			}
		}
		again = int(sum(own) - sum(there))
		return int64(again) <= limit
	})
	m.t.Logf("%s to %s: offsets %s", from, to, last)
	time.Sleep(3 * time.Second) // two more intervals: a later translation would move what is committed
	there := m.committed(to, mirrored)
	return int(sum(own) - sum(there))
}

func (m *mirror) committed(side, topic string) map[int32]int64 {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	found, err := admin(m.t, m.sides[side]).FetchOffsets(ctx, mirrorGroup)
	if err != nil {
		m.t.Fatal(err)
	}
	offsets := make(map[int32]int64)
	found.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic && o.At >= 0 {
			offsets[o.Partition] = o.At
		}
	})
	return offsets
}

func sum(offsets map[int32]int64) (total int64) {
	for _, o := range offsets {
		total += o
	}
	return total
}

// complete says whether the group has read every record.
func (m *mirror) complete() {
	m.t.Helper()
	missed := 0
	for value := range m.written {
		if m.read[value] == 0 {
			missed++
		}
	}
	if missed > 0 {
		m.t.Errorf("%d of %d records were missed", missed, len(m.written))
	}
}

// settings changes a setting of a side's own topic, and waits for it to be its mirror's.
func (m *mirror) settings(from, to, retention string) {
	m.t.Helper()
	_, err := admin(m.t, m.sides[from]).AlterTopicConfigs(peers.Context(m.t, patience), []kadm.AlterConfig{{Name: "retention.ms", Value: &retention}}, "orders")
	if err != nil {
		m.t.Fatal(err)
	}
	await(m.t, "retention.ms of the mirror at "+to, func() bool {
		found, err := admin(m.t, m.sides[to]).DescribeTopicConfigs(peers.Context(m.t, patience), from+".orders")
		if err != nil {
			m.t.Fatal(err)
		}
		for _, c := range found[0].Configs {
			if c.Key == "retention.ms" {
				return c.MaybeValue() == retention
			}
		}
		return false
	})
}
