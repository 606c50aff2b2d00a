package tools

import (
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// TestResetAsKafkasTool: "streamhouse group reset" commits what kafka-consumer-groups does for
// the same target, on ours and on Apache Kafka.
func TestResetAsKafkasTool(t *testing.T) {
	b := peers.Start(t, peers.Options{Kind: peers.Kind(*broker)})
	ctx := peers.Context(t, 5*time.Minute)
	binary, err := peers.Build(ctx, false)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	if _, err := admin.CreateTopic(ctx, 2, 1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	// A record each ten minutes up to now, the newest in partition 1; the first two are gone.
	begin := time.Now().Add(-200 * time.Minute).Truncate(time.Second)
	for i := range 20 {
		r := &kgo.Record{Topic: "orders", Partition: int32(i % 2), Value: []byte("v"), Timestamp: begin.Add(time.Duration(i) * 10 * time.Minute)}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	gone := make(kadm.Offsets)
	gone.AddOffset("orders", 0, 2, -1)
	if _, err := admin.DeleteRecords(ctx, gone); err != nil {
		t.Fatal(err)
	}
	at := begin.Add(95 * time.Minute).UTC()
	d := startDriver(t)
	for _, c := range []struct {
		to    string
		kafka []string
	}{
		{"earliest", []string{"--to-earliest"}},
		{"latest", []string{"--to-latest"}},
		{"5", []string{"--to-offset", "5"}},
		{"0", []string{"--to-offset", "0"}},
		{"99", []string{"--to-offset", "99"}},
		{"+2", []string{"--shift-by", "2"}},
		{"-3", []string{"--shift-by", "-3"}},
		{"+100", []string{"--shift-by", "100"}},
		{at.Format(time.RFC3339), []string{"--to-datetime", at.Format("2006-01-02T15:04:05.000Z")}},
		{"2199-01-01T00:00:00Z", []string{"--to-datetime", "2199-01-01T00:00:00.000Z"}},
		{"45m", []string{"--by-duration", "PT45M"}},
	} {
		committed := map[string]map[int32]int64{}
		for _, who := range []string{"kafka", "ours"} {
			group := "by-" + who
			at := make(kadm.Offsets)
			at.AddOffset("orders", 0, 5, -1)
			at.AddOffset("orders", 1, 6, -1)
			if err := admin.CommitAllOffsets(ctx, group, at); err != nil {
				t.Fatal(err)
			}
			if who == "ours" {
				command := peers.Command{Path: binary, Args: []string{"group", "reset", group, "-b", b.Addr(), "--to", c.to, "--yes", "--undo", filepath.Join(t.TempDir(), "undo")}}
				if out, err := command.Run(ctx, ""); err != nil {
					t.Fatalf("%s: %v\n%s", c.to, err, out)
				}
			} else {
				args := append([]string{"--bootstrap-server", b.Addr(), "--group", group, "--reset-offsets", "--topic", "orders", "--execute"}, c.kafka...)
				r, err := d.call(call{Class: classes["kafka-consumer-groups"], Args: args, Timeout: callBound.Milliseconds()})
				if err != nil || r.Exit != 0 {
					t.Fatalf("%v: %v, %+v", c.kafka, err, r)
				}
			}
			found, err := admin.FetchOffsets(ctx, group)
			if err != nil {
				t.Fatal(err)
			}
			committed[who] = map[int32]int64{}
			found.Each(func(o kadm.OffsetResponse) { committed[who][o.Partition] = o.At })
		}
		if len(committed["kafka"]) != 2 || !maps.Equal(committed["kafka"], committed["ours"]) {
			t.Errorf("%s: ours committed %v, kafka-consumer-groups %v", c.to, committed["ours"], committed["kafka"])
		}
	}
}
