package chaos

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/peers"
	"github.com/streamhouse/streamhouse/tests/wire"
)

const callBound = 30 * time.Second

// probe asks one broker things over one connection, and fails its test when an answer
// does not come.
type probe struct {
	*redial
	t *testing.T
}

func newProbe(t *testing.T, b *peers.Broker) *probe {
	t.Helper()
	p := &probe{&redial{addr: b.Addr(), name: "probe"}, t}
	t.Cleanup(p.drop)
	return p
}

func (p *probe) ask(req kmsg.Request) kmsg.Response {
	p.t.Helper()
	resp, err := p.call(peers.Context(p.t, callBound), req)
	if err != nil {
		p.t.Fatalf("%s: %v", kmsg.NameForKey(req.Key()), err)
	}
	return resp
}

func (p *probe) createTopic(name string, partitions int) {
	p.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 5, 30_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, int32(partitions), 1
	req.Topics = append(req.Topics, t)
	if err := kerr.ErrorForCode(p.ask(req).(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode); err != nil {
		p.t.Fatal(err)
	}
}

// send produces one batch to partition 0 and returns its offset, or the error that the
// broker answered.
func (p *probe) send(topic string, values ...[]byte) (int64, error) {
	p.t.Helper()
	return p.produce(peers.Context(p.t, callBound), topic, 0, wire.Batch(time.Now().UnixMilli(), values...))
}

func (p *probe) mustSend(topic string, values ...[]byte) int64 {
	p.t.Helper()
	offset, err := p.send(topic, values...)
	if err != nil {
		p.t.Fatal(err)
	}
	return offset
}

// fetch reads partition 0 from an offset: the bytes of its batches and its end.
func (p *probe) fetch(topic string, offset int64, maxBytes int32) (batches []byte, end int64, err error) {
	p.t.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 12, 100, 1, maxBytes, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	part := kmsg.NewFetchRequestTopicPartition()
	part.FetchOffset, part.PartitionMaxBytes = offset, maxBytes
	t.Partitions = append(t.Partitions, part)
	req.Topics = append(req.Topics, t)
	resp := p.ask(req).(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, 0, err
	}
	got := resp.Topics[0].Partitions[0]
	return slices.Clone(got.RecordBatches), got.HighWatermark, kerr.ErrorForCode(got.ErrorCode)
}

// metric reads a counter or gauge of our broker, summed over its labels.
func metric(t *testing.T, b *peers.Broker, name string) float64 {
	t.Helper()
	resp, err := http.Get(b.HTTP() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	sum, found := 0.0, false
	for line := range strings.Lines(string(text)) {
		full, number, ok := strings.Cut(strings.TrimSpace(line), " ")
		if base, _, _ := strings.Cut(full, "{"); !ok || base != name {
			continue
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum, found = sum+v, true
	}
	if !found {
		t.Fatalf("no metric %s", name)
	}
	return sum
}

// readBytes is what the broker's process has read from files and sockets so far.
func readBytes(t *testing.T, b *peers.Broker) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", b.PID()))
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	if _, err := fmt.Sscanf(string(text), "rchar: %d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// lastVolume is the journal file that is being written.
func lastVolume(t *testing.T, b *peers.Broker) string {
	t.Helper()
	volumes, err := filepath.Glob(filepath.Join(b.Data(), "journal", "*.volume"))
	if err != nil || len(volumes) == 0 {
		t.Fatal("no journal file: ", err)
	}
	return slices.Max(volumes)
}
