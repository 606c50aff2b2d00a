package admin

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// live is a setting whose effect one request shows. Limits of connections and retention
// have tests of their own; that idle producers are forgotten takes minutes, and is tested
// in storage/partition.
type live struct {
	name, value string
	// beside are settings that hold all the time.
	beside map[string]string
	// see sends a request and tells what came of it.
	see func(h *house, topic string) string
	// without and with are how begins what see tells; empty is anything, as long as they
	// differ.
	without, with string
}

var liveSettings = []live{
	{name: "message.max.bytes", value: "2000", see: sending(5000), without: "NONE", with: "MESSAGE_TOO_LARGE"},
	{name: "log.segment.bytes", value: "1048576", beside: map[string]string{"message.max.bytes": "4000000"},
		see: sending(2_000_000), without: "NONE", with: "RECORD_LIST_TOO_LARGE"},
	{name: "log.cleanup.policy", value: "compact", see: sending(10), without: "NONE", with: "INVALID_RECORD"},
	{name: "log.message.timestamp.after.max.ms", value: "1000", see: sendingAt(time.Minute), without: "NONE", with: "INVALID_TIMESTAMP"},
	{name: "log.message.timestamp.before.max.ms", value: "1000", see: sendingAt(-time.Minute), without: "NONE", with: "INVALID_TIMESTAMP"},
	{name: "log.message.timestamp.type", value: "LogAppendTime", see: timeOf, without: "the client's time", with: "the broker's time"},
	{name: "max.decompressed.message.bytes", value: "1000", see: sendingZipped(5000), without: "NONE"},
	{name: "transaction.partition.verification.enable", value: "false", see: sendingUnadded, without: "INVALID_TXN_STATE", with: "NONE"},
	{name: "compression.type", value: "zstd", see: stored, without: "codec 0"},
	{name: "compression.gzip.level", value: "1", beside: map[string]string{"compression.type": "gzip"}, see: stored, without: "codec 1, "},
	{name: "compression.lz4.level", value: "1", beside: map[string]string{"compression.type": "lz4"}, see: stored, without: "codec 3, "},
	{name: "compression.zstd.level", value: "19", beside: map[string]string{"compression.type": "zstd"}, see: stored, without: "codec 4, "},
}

// Each setting acts on the next request, for one broker as for all, is there after a
// restart, and gone when it is removed.
func TestEachSettingActsAndStays(t *testing.T) {
	for _, l := range liveSettings {
		t.Run(l.name, func(t *testing.T) {
			h := start(t)
			h.create("t")
			for name, value := range l.beside {
				h.set("", map[string]*string{name: text(value)})
			}
			without := h.until(l, l.without)
			h.set("", map[string]*string{l.name: text(l.value)})
			with := h.until(l, l.with)
			if l.with == "" {
				with = h.untilNot(l, without)
			}
			t.Logf("%s=%s: %s, without it %s", l.name, l.value, with, without)
			h.set("", map[string]*string{l.name: nil})
			h.until(l, without)
			h.set("1", map[string]*string{l.name: text(l.value)})
			h.until(l, with)
			h.restart()
			h.until(l, with)
			h.set("1", map[string]*string{l.name: nil})
			h.until(l, without)
			if name := ofTopics(l.name); name != "" {
				h.alterTopic("t", name, l.value)
				h.until(l, with)
			}
		})
	}
}

// ofTopics is the setting of topics that follows one of the broker; empty if none does.
func ofTopics(name string) string {
	for _, d := range config.Topics().All() {
		if len(d.Synonyms) > 0 && d.Synonyms[0].Name == name {
			return d.Name
		}
	}
	return ""
}

// until asks again, of Kafka, until the answer is the one that is wanted.
func (h *house) until(l live, want string) string {
	h.t.Helper()
	return h.seen(l, func(got string) bool { return strings.HasPrefix(got, want) }, want)
}

func (h *house) untilNot(l live, other string) string {
	h.t.Helper()
	return h.seen(l, func(got string) bool { return got != other }, "anything but "+other)
}

func (h *house) seen(l live, good func(string) bool, want string) (got string) {
	h.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got = l.see(h, "t"); good(got) {
			return got
		}
		if *kind == string(peers.StreamHouse) {
			break // here a change acts before it is answered
		}
	}
	h.t.Fatalf("%s: %s, want %s", l.name, got, want)
	return got
}

func sending(n int) func(*house, string) string {
	return func(h *house, topic string) string {
		return h.send(topic, wire.Batch(time.Now().UnixMilli(), make([]byte, n))).code()
	}
}

func sendingAt(ahead time.Duration) func(*house, string) string {
	return func(h *house, topic string) string {
		return h.send(topic, wire.Batch(time.Now().Add(ahead).UnixMilli(), []byte("a"))).code()
	}
}

func timeOf(h *house, topic string) string {
	if got := h.send(topic, wire.Batch(time.Now().UnixMilli(), []byte("a"))); got.LogAppendTime == -1 {
		return "the client's time"
	}
	return "the broker's time"
}

func sendingZipped(n int) func(*house, string) string {
	return func(h *house, topic string) string {
		b := wire.Batch(time.Now().UnixMilli(), make([]byte, n))
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		_, err := z.Write(b[61:])
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			h.t.Fatal(err)
		}
		b = append(b[:61:61], zipped.Bytes()...)
		b[22] |= 1 // gzip
		binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
		binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
		return h.send(topic, b).code()
	}
}

// stored sends what can be compressed and tells how the broker keeps it.
func stored(h *house, topic string) string {
	words := rand.New(rand.NewPCG(1, 2))
	var text []byte
	for len(text) < 100_000 {
		text = fmt.Appendf(text, "%d ", words.IntN(1000)*words.IntN(1000))
	}
	sent := h.send(topic, wire.Batch(time.Now().UnixMilli()/1e6*1e6, text))
	if sent.ErrorCode != 0 {
		return sent.code()
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MaxBytes, req.SessionEpoch = 1000, 1<<20, -1
	t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	p.FetchOffset, p.PartitionMaxBytes = sent.BaseOffset, 1<<20
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	b := h.call(11, req).(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches
	if len(b) < 61 {
		h.t.Fatalf("%d bytes at offset %d", len(b), sent.BaseOffset)
	}
	if codec := b[22] & 7; codec != 0 {
		return fmt.Sprintf("codec %d, %d bytes", codec, binary.BigEndian.Uint32(b[8:]))
	}
	return "codec 0"
}

// sendingUnadded sends a batch of a transaction whose partition was not added to it.
func sendingUnadded(h *house, topic string) string {
	coordinator(transactionsTopic)(h)
	init := kmsg.NewPtrInitProducerIDRequest()
	init.TransactionalID, init.TransactionTimeoutMillis, init.ProducerID, init.ProducerEpoch = text("x"), 60_000, -1, -1
	var got *kmsg.InitProducerIDResponse
	code := h.retried(func() int16 { got = h.call(4, init).(*kmsg.InitProducerIDResponse); return got.ErrorCode })
	if code != protocol.None {
		return code.String()
	}
	b := wire.IdempotentBatch(time.Now().UnixMilli(), got.ProducerID, got.ProducerEpoch, 0, []byte("a"))
	b[22] |= 0x10 // transactional
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	req := wire.ProduceRequest(topic, 10000, map[int32][]byte{0: b})
	req.TransactionID = text("x")
	return sent(h.call(9, req).(*kmsg.ProduceResponse).Topics[0].Partitions[0]).code()
}

type sent kmsg.ProduceResponseTopicPartition

func (s sent) code() string { return protocol.Code(s.ErrorCode).String() }

// send produces a batch to partition 0.
func (h *house) send(topic string, batch []byte) sent {
	h.t.Helper()
	req := wire.ProduceRequest(topic, 10000, map[int32][]byte{0: batch})
	return sent(h.call(9, req).(*kmsg.ProduceResponse).Topics[0].Partitions[0])
}

// Retention acts at its next pass: old records of topics that say nothing themselves go,
// and stay when the setting is gone.
func TestRetentionActs(t *testing.T) {
	for name, value := range map[string]string{"log.retention.ms": "1", "log.retention.bytes": "1"} {
		t.Run(name, func(t *testing.T) {
			h := start(t, quickUpkeep())
			for _, topic := range []string{"t", "clock"} {
				h.create(topic)
				h.alterTopic(topic, "segment.bytes", "1048576")
			}
			h.alterTopic("clock", "retention.ms", "1")
			h.set("1", map[string]*string{name: text(value)})
			h.moves("t")
			h.restart()
			h.moves("t")
			h.set("1", map[string]*string{name: nil})
			h.moves("clock") // and with it goes what is under way for the other one
			before := h.offset("t", -2)
			h.sendOld("t")
			h.moves("clock")
			h.moves("clock")
			if after := h.offset("t", -2); after != before {
				t.Errorf("without the setting the log starts at %d and then at %d", before, after)
			}
		})
	}
}

// quickUpkeep makes both brokers look for what is old all the time.
func quickUpkeep() map[string]string {
	if *kind == string(peers.Kafka) {
		return map[string]string{"log.retention.check.interval.ms": "100", "log.initial.task.delay.ms": "100", "log.segment.delete.delay.ms": "100"}
	}
	return map[string]string{"log.retention.check.interval.ms": "100", "seal.max.age.ms": "1000"}
}

// sendOld sends a record that was made a day ago.
func (h *house) sendOld(topic string) {
	h.t.Helper()
	if got := h.send(topic, wire.Batch(time.Now().Add(-24*time.Hour).UnixMilli(), make([]byte, 600_000))); got.ErrorCode != 0 {
		h.t.Fatal(got.code())
	}
}

// moves sends old records until the log of a topic begins later than before.
func (h *house) moves(topic string) {
	h.t.Helper()
	before := h.offset(topic, -2)
	for end := time.Now().Add(time.Minute); h.offset(topic, -2) == before; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("records of %s stay: %d to %d", topic, before, h.offset(topic, -1))
		}
		h.sendOld(topic)
	}
}

func (h *house) offset(topic string, timestamp int64) int64 {
	h.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t, p := kmsg.NewListOffsetsRequestTopic(), kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp, p.CurrentLeaderEpoch = timestamp, -1
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	got := h.call(7, req).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
	if got.ErrorCode != 0 {
		h.t.Fatal(protocol.Code(got.ErrorCode))
	}
	return got.Offset
}

func (h *house) alterTopic(topic, name, value string) {
	h.t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = name, &value
	r.Configs = append(r.Configs, c)
	req.Resources = append(req.Resources, r)
	if got := h.call(1, req).(*kmsg.IncrementalAlterConfigsResponse).Resources[0]; got.ErrorCode != 0 {
		h.t.Fatal(protocol.Code(got.ErrorCode))
	}
}
