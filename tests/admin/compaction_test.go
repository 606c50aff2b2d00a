package admin

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol/record"
	"github.com/streamhouse/streamhouse/tests/peers"
)

// The broker's defaults of compaction act at the next look, for topics that say nothing
// themselves, and are gone when they are removed.
func TestCompactionActs(t *testing.T) {
	if *kind == string(peers.Kafka) {
		t.Skip("Kafka compacts nothing before another record comes; tests/compaction compares")
	}
	h := start(t)
	for _, topic := range []string{"t", "clock"} {
		h.create(topic)
		h.alterTopic(topic, "cleanup.policy", "compact")
	}
	h.set("1", map[string]*string{"log.cleaner.max.compaction.lag.ms": text("1000"), "log.cleaner.min.cleanable.ratio": text("1")})
	h.keys("t", "a=1", "a=2", "b=1", "b")
	h.becomes("t", "a=2", "b")

	// A tombstone that is met while the retention of tombstones is short goes in the run
	// after; the one before has its time.
	h.set("1", map[string]*string{"log.cleaner.delete.retention.ms": text("1")})
	h.keys("t", "c=1", "c")
	h.becomes("t", "a=2", "b", "c")
	h.keys("t", "a=3")
	h.becomes("t", "b", "a=3")

	h.restart()
	h.keys("t", "a=4")
	h.becomes("t", "b", "a=4")

	// Held back by the least lag, t stays as it is while another topic is compacted.
	h.alterTopic("clock", "min.compaction.lag.ms", "0")
	h.alterTopic("clock", "max.compaction.lag.ms", "1000")
	h.set("1", map[string]*string{
		"log.cleaner.max.compaction.lag.ms": nil, "log.cleaner.min.compaction.lag.ms": text("3600000"), "log.cleaner.min.cleanable.ratio": text("0"),
	})
	h.keys("t", "a=5", "a=6")
	h.keys("clock", "x=1", "x=2")
	h.becomes("clock", "x=2")
	h.keys("clock", "x=3")
	h.becomes("clock", "x=3")
	if got, want := h.read("t"), []string{"b", "a=4", "a=5", "a=6"}; !slices.Equal(got, want) {
		t.Errorf("held back: %q, want %q", got, want)
	}
	h.set("1", map[string]*string{"log.cleaner.min.compaction.lag.ms": nil, "log.cleaner.max.compaction.lag.ms": text("1000")})
	h.becomes("t", "b", "a=6")
}

// Both policies at once, and none: the limits take what compaction has left of a topic as
// soon as the broker's default says so, and nothing of a topic whose list is empty.
func TestCompactAndDeleteActs(t *testing.T) {
	if *kind == string(peers.Kafka) {
		t.Skip("Kafka compacts nothing before another record comes; tests/compaction compares")
	}
	h := start(t, quickUpkeep())
	for topic, policy := range map[string]string{"both": "compact,delete", "none": "", "clock": "delete"} {
		h.create(topic)
		h.alterTopic(topic, "cleanup.policy", policy)
	}
	h.alterTopic("clock", "retention.ms", "1")
	h.set("1", map[string]*string{"log.cleaner.max.compaction.lag.ms": text("1000"), "log.cleaner.min.cleanable.ratio": text("1")})
	h.keys("none", "a=1", "a=2")
	h.keys("both", "a=1", "a=2", "b=1")
	h.becomes("both", "a=2", "b=1")
	h.moves("clock")
	h.becomes("both", "a=2", "b=1")

	h.set("1", map[string]*string{"log.retention.ms": text("1")})
	h.becomes("both")
	if first, next := h.offset("both", -2), h.offset("both", -1); first != 3 || next != 3 {
		t.Errorf("all is gone, and the log goes from %d to %d", first, next)
	}
	h.moves("clock")
	h.becomes("none", "a=1", "a=2")

	h.set("1", map[string]*string{"log.retention.ms": nil})
	h.moves("clock") // and with it goes what is under way
	h.keys("both", "a=3", "b=2", "a=4")
	h.becomes("both", "b=2", "a=4")
}

// keys sends one batch per record, "key=value" or "key" for a tombstone.
func (h *house) keys(topic string, records ...string) {
	h.t.Helper()
	for _, r := range records {
		key, value, has := strings.Cut(r, "=")
		b := record.NewBuilder()
		if has {
			b.Append(time.Now().UnixMilli(), []byte(key), []byte(value))
		} else {
			b.Append(time.Now().UnixMilli(), []byte(key), nil)
		}
		if got := h.send(topic, bytes.Clone(b.Batch())); got.ErrorCode != 0 {
			h.t.Fatal(got.code())
		}
	}
}

// becomes waits until a reader from the beginning finds these records.
func (h *house) becomes(topic string, want ...string) {
	h.t.Helper()
	var got []string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if got = h.read(topic); slices.Equal(got, want) {
			return
		}
	}
	h.t.Fatalf("%s has %q, want %q", topic, got, want)
}

// read reads a topic of one partition from its beginning.
func (h *house) read(topic string) (list []string) {
	h.t.Helper()
	for at := h.offset(topic, -2); at < h.offset(topic, -1); {
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.SessionEpoch, req.ReplicaID = 1<<20, -1, -1
		t, p := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
		p.PartitionMaxBytes, p.FetchOffset = 1<<20, at
		t.Topic, t.Partitions = topic, append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		got := h.call(11, req).(*kmsg.FetchResponse).Topics[0].Partitions[0]
		if got.ErrorCode != 0 || len(got.RecordBatches) == 0 {
			h.t.Fatalf("fetch of %s from %d: code %d, %d bytes", topic, at, got.ErrorCode, len(got.RecordBatches))
		}
		for b, err := range record.Batches(got.RecordBatches) {
			if err != nil {
				h.t.Fatal(err)
			}
			at = b.Header.LastOffset() + 1
			for r, err := range record.Records(b.Bytes, 1<<20) {
				if err != nil {
					h.t.Fatal(err)
				}
				if r.Value == nil {
					list = append(list, string(r.Key))
				} else {
					list = append(list, fmt.Sprintf("%s=%s", r.Key, r.Value))
				}
			}
		}
	}
	return list
}
