// Command franz is franz-go driven over standard input and output; the package above
// says how.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type command struct {
	Codec  string
	First  int
	Count  int
	PaceMs int `json:"pace_ms"`
}

type event struct {
	Event      string  `json:"event"`
	N          int     `json:"n"`
	Partition  int32   `json:"partition"`
	Offset     int64   `json:"offset"`
	Key        *string `json:"key"`
	Value      *string `json:"value"`
	Partitions []int32 `json:"partitions,omitempty"`
	Error      string  `json:"error,omitempty"`
	Case       string  `json:"case,omitempty"`
}

var output = struct {
	sync.Mutex
	*json.Encoder
}{Encoder: json.NewEncoder(os.Stdout)}

func emit(e event) {
	output.Lock()
	defer output.Unlock()
	if err := output.Encode(e); err != nil {
		os.Exit(2) // whoever started us is gone
	}
}

func main() {
	mode, brokers, topic := os.Args[1], os.Args[2], os.Args[3]
	var err error
	switch mode {
	case "admin":
		err = admin(brokers, topic)
	case "produce":
		err = produce(brokers, topic)
	case "consume":
		err = consume(brokers, topic, os.Args[4])
	case "demand":
		err = runDemand(brokers, topic, os.Args[4])
	default:
		err = fmt.Errorf("mode %q", mode)
	}
	if err != nil {
		emit(event{Event: "error", Error: err.Error()})
		os.Exit(1)
	}
	emit(event{Event: "done"})
}

// admin makes the topic, and reads it back.
func admin(brokers, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, adm := context.Background(), kadm.NewClient(client)
	limit := "2000000"
	if _, err := adm.CreateTopic(ctx, 6, 1, map[string]*string{"max.message.bytes": &limit}, topic); err != nil {
		return err
	}
	topics, err := adm.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	if n := len(topics[topic].Partitions); n != 6 {
		return fmt.Errorf("%d partitions, made 6", n)
	}
	configs, err := adm.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return err
	}
	for _, c := range configs[0].Configs {
		if c.Key == "max.message.bytes" && c.MaybeValue() == limit {
			return nil
		}
	}
	return fmt.Errorf("max.message.bytes is not %s: %v", limit, configs)
}

// produce carries out the commands of standard input, each with a client of its own.
func produce(brokers, topic string) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return err
		}
		if err := produceBatch(brokers, topic, c); err != nil {
			return err
		}
		emit(event{Event: "produced"})
	}
	return lines.Err()
}

func produceBatch(brokers, topic string, c command) error {
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[c.Codec]
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(codec), kgo.RecordDeliveryTimeout(60*time.Second))
	if err != nil {
		return err
	}
	defer client.Close()
	var failed error
	var mu sync.Mutex
	for n := c.First; n < c.First+c.Count; n++ {
		client.Produce(context.Background(), record(n), func(r *kgo.Record, err error) {
			if err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
				return
			}
			emit(event{Event: "acked", N: n, Partition: r.Partition, Offset: r.Offset, Key: text(r.Key), Value: text(r.Value)})
		})
		time.Sleep(time.Duration(c.PaceMs) * time.Millisecond)
	}
	if err := client.Flush(context.Background()); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	return failed
}

// record is what every client of this test sends as its n-th record.
func record(n int) *kgo.Record {
	r := &kgo.Record{Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(strconv.Itoa(n))}}}
	if n%5 != 0 {
		r.Key = fmt.Appendf(nil, "key-%d", n%17)
	}
	if n%13 != 0 {
		r.Value = fmt.Appendf(nil, "välue-%d", n)
	}
	return r
}

// consume reads as a member of a group until standard input ends, then commits and
// leaves.
func consume(brokers, topic, group string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte() // its end is the sign
		cancel()
	}()
	var owned []int32
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.HeartbeatInterval(300*time.Millisecond), kgo.AutoCommitInterval(500*time.Millisecond),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) {
			owned = append(owned, got[topic]...)
			slices.Sort(owned)
			emit(event{Event: "assigned", Partitions: slices.Clone(owned)})
		}),
		// Lost: without a word to the group, as after a session that ended.
		kgo.OnPartitionsLost(func(context.Context, *kgo.Client, map[string][]int32) {
			owned = nil
			emit(event{Event: "assigned"})
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, c *kgo.Client, lost map[string][]int32) {
			_ = c.CommitUncommittedOffsets(ctx) // while it fails the group reads again, which is allowed
			owned = slices.DeleteFunc(owned, func(p int32) bool { return slices.Contains(lost[topic], p) })
			emit(event{Event: "assigned", Partitions: slices.Clone(owned)})
		}))
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			n, err := strconv.Atoi(string(r.Headers[0].Value))
			if err != nil {
				n = -1
			}
			emit(event{Event: "record", N: n, Partition: r.Partition, Offset: r.Offset, Key: text(r.Key), Value: text(r.Value)})
		})
		client.AllowRebalance()
	}
	if err := client.CommitUncommittedOffsets(context.Background()); err != nil {
		return err
	}
	return client.LeaveGroupContext(context.Background())
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}
