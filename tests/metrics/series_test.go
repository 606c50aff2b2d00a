// Package metrics reads what the broker shows of itself as a monitoring system does.
package metrics

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

const records = 90 // of the topic

// rig is a broker with a topic of three partitions, and a group that is behind.
func rig(t *testing.T, settings map[string]string) (*peers.Broker, *kadm.Client) {
	t.Helper()
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse, Settings: settings})
	ctx := peers.Context(t, time.Minute)
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	admin := kadm.NewClient(cl)
	if _, err := admin.CreateTopic(ctx, 3, 1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now().Add(-time.Hour)
	for i := range records {
		r := &kgo.Record{Topic: "orders", Partition: int32(i % 3), Value: []byte("a value of an order"), Timestamp: begin.Add(time.Duration(i) * time.Second)}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	offsets := make(kadm.Offsets)
	offsets.AddOffset("orders", 0, 10, -1)
	offsets.AddOffset("orders", 1, 30, -1)
	if err := admin.CommitAllOffsets(ctx, "behind", offsets); err != nil {
		t.Fatal(err)
	}
	return b, admin
}

func get(ctx context.Context, t *testing.T, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// scrape returns the series of an address by their names with labels.
func scrape(t *testing.T, url string) map[string]float64 {
	t.Helper()
	status, text := get(peers.Context(t, time.Minute), t, url)
	if status != http.StatusOK {
		t.Fatalf("%s: %d: %s", url, status, text)
	}
	out := map[string]float64{}
	for line := range strings.Lines(text) {
		var value float64
		if i := strings.LastIndexByte(line, ' '); !strings.HasPrefix(line, "#") && i > 0 {
			if _, err := fmt.Sscan(line[i+1:], &value); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			out[line[:i]] = value
		}
	}
	return out
}

// TestDetail: what is shown per topic, partition and group is what Kafka's protocol says.
func TestDetail(t *testing.T) {
	b, admin := rig(t, nil)
	ctx := peers.Context(t, time.Minute)
	got := scrape(t, b.HTTP()+"/metrics/detail?by=topic,partition,group")
	for name, want := range map[string]float64{
		`streamhouse_topic_partitions{topic="orders"}`:                                              3,
		`streamhouse_topic_offsets_total{topic="orders"}`:                                           records,
		`streamhouse_partition_high_watermark{partition="2",topic="orders"}`:                        30,
		`streamhouse_partition_log_start_offset{partition="2",topic="orders"}`:                      0,
		`streamhouse_group_lag_records{group="behind",topic="orders"}`:                              20,
		`streamhouse_group_partition_lag_records{group="behind",partition="0",topic="orders"}`:      20,
		`streamhouse_group_partition_lag_records{group="behind",partition="1",topic="orders"}`:      0,
		`streamhouse_group_partition_lag_seconds{group="behind",partition="1",topic="orders"}`:      0,
		`streamhouse_group_partition_committed_offset{group="behind",partition="0",topic="orders"}`: 10,
		`streamhouse_group_members_by_group{group="behind"}`:                                        0,
		`streamhouse_detail_dropped_series`:                                                         0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%t), want %v", name, v, ok, want)
		}
	}
	lag, err := admin.Lag(ctx, "behind")
	if err != nil {
		t.Fatal(err)
	}
	// kadm counts what nobody has committed to as well: partition 2.
	if l, ok := lag["behind"].Lag.Lookup("orders", 0); !ok || l.Lag != 20 {
		t.Errorf("the protocol says %+v", l)
	}
	// Record 30 of the topic is the eleventh of partition 0: it was written an hour ago
	// and half a minute later.
	if s := got[`streamhouse_group_lag_seconds{group="behind",topic="orders"}`]; s < 3500 || s > 3900 {
		t.Errorf("%v s behind", s)
	}
	dirs, err := admin.DescribeAllLogDirs(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	dirs.Each(func(d kadm.DescribedLogDir) {
		for _, p := range d.Topics["orders"] {
			size += p.Size
		}
	})
	if n := got[`streamhouse_topic_bytes{topic="orders"}`]; n < 90*60 || n != float64(size) {
		t.Errorf("%v bytes, the protocol says %d", n, size)
	}
	if n := got[`streamhouse_topic_received_bytes_total{topic="orders"}`]; n != got[`streamhouse_topic_bytes{topic="orders"}`] {
		t.Errorf("%v bytes came", n)
	}
	for _, c := range []struct {
		query  string
		status int
	}{{"detail?by=partitions", 400}, {"compat", 400}, {"compat?style=other", 400}} {
		if status, text := get(ctx, t, b.HTTP()+"/metrics/"+c.query); status != c.status || text == "" {
			t.Errorf("%s: %d %q", c.query, status, text)
		}
	}
}

// TestCompat: names and labels are those of kafka_exporter.
func TestCompat(t *testing.T) {
	b, _ := rig(t, nil)
	got := scrape(t, b.HTTP()+"/metrics/compat?style=kafka_exporter")
	for name, want := range map[string]float64{
		`kafka_brokers`:                          1,
		`kafka_topic_partitions{topic="orders"}`: 3,
		`kafka_topic_partition_current_offset{partition="1",topic="orders"}`:                      30,
		`kafka_topic_partition_oldest_offset{partition="1",topic="orders"}`:                       0,
		`kafka_topic_partition_leader_is_preferred{partition="1",topic="orders"}`:                 1,
		`kafka_topic_partition_in_sync_replica{partition="1",topic="orders"}`:                     1,
		`kafka_topic_partition_under_replicated_partition{partition="1",topic="orders"}`:          0,
		`kafka_consumergroup_current_offset{consumergroup="behind",partition="0",topic="orders"}`: 10,
		`kafka_consumergroup_lag{consumergroup="behind",partition="0",topic="orders"}`:            20,
		`kafka_consumergroup_lag_sum{consumergroup="behind",topic="orders"}`:                      20,
		`kafka_consumergroup_current_offset_sum{consumergroup="behind",topic="orders"}`:           40,
		`kafka_consumergroup_members{consumergroup="behind"}`:                                     0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%t), want %v", name, v, ok, want)
		}
	}
}

// TestSeriesAreBounded: what is above metrics.series.max is counted, not shown.
func TestSeriesAreBounded(t *testing.T) {
	b, admin := rig(t, map[string]string{"metrics.series.max": "100"})
	if _, err := admin.CreateTopic(peers.Context(t, time.Minute), 200, 1, nil, "wide"); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, b.HTTP()+"/metrics/detail?by=partition")
	// None of them is loaded for it.
	if n, err := b.Metric(peers.Context(t, time.Minute), "streamhouse_partitions_loaded"); err != nil || n > 60 {
		t.Errorf("%v partitions are loaded, %v", n, err)
	}
	// 203 partitions and 50 of __consumer_offsets, three series each, and those of the group.
	if n := got["streamhouse_detail_dropped_series"]; len(got) != 101 || n < 3*203-100 {
		t.Errorf("%d series shown, %v dropped", len(got), n)
	}
}

// TestHealth: /health says for programs what /health/ready says for people.
func TestHealth(t *testing.T) {
	b := peers.Start(t, peers.Options{Kind: peers.StreamHouse})
	status, text := get(peers.Context(t, time.Minute), t, b.HTTP()+"/health")
	if status != http.StatusOK || !strings.Contains(text, `"ready":true`) || !strings.Contains(text, `{"name":"log","ready":true}`) {
		t.Errorf("%d: %s", status, text)
	}
}
