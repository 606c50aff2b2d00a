// Command franz is franz-go driven over standard input and output; the package above
// says how.
package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/clients/program"
)

func main() {
	program.Main(program.Modes{Admin: admin, Produce: produce, Consume: consume, Demand: demands})
}

// admin makes the topic, and reads it back.
func admin(broker, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
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

// produce carries out one command, with a client of its own.
func produce(broker, topic string, c program.Command) error {
	codec := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}[c.Codec]
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic),
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
			program.Emit(program.Event{Event: "acked", N: n, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value})
		})
		time.Sleep(c.Pace())
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
	key, value := program.Content(n)
	return &kgo.Record{Key: key, Value: value, Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(strconv.Itoa(n))}}}
}

// consume reads as a member of a group until ctx ends, then commits and leaves.
func consume(ctx context.Context, broker, topic, group string, committed bool) error {
	level := kgo.ReadUncommitted()
	if committed {
		level = kgo.ReadCommitted()
	}
	var owned []int32
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.FetchIsolationLevel(level),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.HeartbeatInterval(300*time.Millisecond), kgo.AutoCommitInterval(500*time.Millisecond),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) {
			owned = append(owned, got[topic]...)
			slices.Sort(owned)
			program.Emit(program.Event{Event: "assigned", Partitions: slices.Clone(owned)})
		}),
		// Lost: without a word to the group, as after a session that ended.
		kgo.OnPartitionsLost(func(context.Context, *kgo.Client, map[string][]int32) {
			owned = nil
			program.Emit(program.Event{Event: "assigned"})
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, c *kgo.Client, lost map[string][]int32) {
			_ = c.CommitUncommittedOffsets(ctx) // while it fails the group reads again, which is allowed
			owned = slices.DeleteFunc(owned, func(p int32) bool { return slices.Contains(lost[topic], p) })
			program.Emit(program.Event{Event: "assigned", Partitions: slices.Clone(owned)})
		}))
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			program.Emit(program.Event{Event: "record", N: program.Number(r.Headers[0].Value), Partition: r.Partition, Offset: r.Offset,
				Key: r.Key, Value: r.Value})
		})
		client.AllowRebalance()
	}
	if err := client.CommitUncommittedOffsets(context.Background()); err != nil {
		return err
	}
	return client.LeaveGroupContext(context.Background())
}
