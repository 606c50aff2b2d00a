// Command kafkago is segmentio/kafka-go driven over standard input and output; the
// package above says how.
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/streamhouse/streamhouse/tests/clients/program"
)

func main() {
	program.Main(program.Modes{Admin: admin, Produce: produce, Consume: consume, Demand: demands})
}

// admin makes the topic, and reads it back.
func admin(broker, topic string) error {
	ctx, client := context.Background(), &kafka.Client{Addr: kafka.TCP(broker), Timeout: 30 * time.Second}
	made, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
		Topic: topic, NumPartitions: 6, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "max.message.bytes", ConfigValue: "2000000"}}}}})
	if err != nil {
		return err
	}
	if err := made.Errors[topic]; err != nil {
		return err
	}
	meta, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	if n := len(meta.Topics[0].Partitions); n != 6 {
		return fmt.Errorf("%d partitions, made 6", n)
	}
	described, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"max.message.bytes"}}}})
	if err != nil {
		return err
	}
	if entries := described.Resources[0].ConfigEntries; len(entries) != 1 || entries[0].ConfigValue != "2000000" {
		return fmt.Errorf("max.message.bytes: %v", entries)
	}
	return nil
}

// produce writes with the client's low level call, which says where each batch came
// to lie. kafka-go has no idempotence: a write whose answer was lost would be doubled by
// sending it again, so it first asks whether the log has grown by it.
func produce(broker, topic string, c program.Command) error {
	client := &kafka.Client{Addr: kafka.TCP(broker), Timeout: 10 * time.Second}
	codec := map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}[c.Codec]
	size := 40
	if c.Pace() > 0 {
		size = 10
	}
	for first := c.First; first < c.First+c.Count; first += size {
		partition := first / size % 6
		var numbers []int
		for n := first; n < min(first+size, c.First+c.Count); n++ {
			numbers = append(numbers, n)
		}
		base, err := write(client, topic, partition, codec, numbers)
		if err != nil {
			return err
		}
		for i, n := range numbers {
			key, value := program.Content(n)
			program.Emit(program.Event{Event: "acked", N: n, Partition: int32(partition), Offset: base + int64(i), Key: key, Value: value})
		}
		time.Sleep(c.Pace() * time.Duration(size))
	}
	return nil
}

// write sends one batch until it is there once, and returns its base offset.
func write(client *kafka.Client, topic string, partition int, codec kafka.Compression, numbers []int) (int64, error) {
	deadline := time.Now().Add(60 * time.Second)
	expected := int64(-1)
	for {
		end, err := endOffset(client, topic, partition)
		switch {
		case err == nil && expected >= 0 && end == expected+int64(len(numbers)):
			return expected, nil // the lost answer was a success
		case err == nil:
			expected = end
			var base int64
			if base, err = produceOnce(client, topic, partition, codec, numbers); err == nil {
				return base, nil
			}
		}
		if time.Now().After(deadline) {
			return 0, err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func produceOnce(client *kafka.Client, topic string, partition int, codec kafka.Compression, numbers []int) (int64, error) {
	var records []kafka.Record
	for _, n := range numbers {
		key, value := program.Content(n)
		out := kafka.Record{Headers: []kafka.Header{{Key: "n", Value: []byte(strconv.Itoa(n))}}}
		if key != nil {
			out.Key = kafka.NewBytes(key)
		}
		if value != nil {
			out.Value = kafka.NewBytes(value)
		}
		records = append(records, out)
	}
	answer, err := client.Produce(context.Background(), &kafka.ProduceRequest{Topic: topic, Partition: partition,
		RequiredAcks: kafka.RequireAll, Compression: codec, Records: kafka.NewRecordReader(records...)})
	if err != nil {
		return 0, err
	}
	return answer.BaseOffset, answer.Error
}

func endOffset(client *kafka.Client, topic string, partition int) (int64, error) {
	answer, err := client.ListOffsets(context.Background(), &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: {kafka.LastOffsetOf(partition)}}})
	if err != nil {
		return 0, err
	}
	found := answer.Topics[topic]
	if len(found) != 1 {
		return 0, fmt.Errorf("ListOffsets: %v", answer.Topics)
	}
	return found[0].LastOffset, found[0].Error
}

// consume reads as a member of a group until ctx ends, then commits and leaves.
func consume(ctx context.Context, broker, topic, group string, committed bool) error {
	level := kafka.ReadUncommitted
	if committed {
		level = kafka.ReadCommitted
	}
	members, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{ID: group, Brokers: []string{broker}, Topics: []string{topic},
		HeartbeatInterval: 300 * time.Millisecond, RebalanceTimeout: 10 * time.Second, SessionTimeout: 10 * time.Second,
		JoinGroupBackoff: 300 * time.Millisecond, StartOffset: kafka.FirstOffset, Timeout: 15 * time.Second})
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		generation, err := members.Next(ctx)
		if errors.Is(err, kafka.ErrGroupClosed) {
			return err
		}
		if err != nil { // the broker is away
			continue
		}
		var owned []int32
		for _, a := range generation.Assignments[topic] {
			owned = append(owned, int32(a.ID))
		}
		slices.Sort(owned)
		program.Emit(program.Event{Event: "assigned", Partitions: owned})
		var running sync.WaitGroup
		for _, a := range generation.Assignments[topic] {
			running.Add(1)
			generation.Start(func(g context.Context) {
				defer running.Done()
				read(ctx, g, generation, broker, topic, a, level)
			})
		}
		if len(owned) == 0 {
			running.Add(1)
			generation.Start(func(g context.Context) {
				defer running.Done()
				select {
				case <-g.Done():
				case <-ctx.Done():
				}
			})
		}
		running.Wait()
	}
	return members.Close()
}

// read reads one partition while its generation lasts, and commits twice a second and at
// the end.
func read(stop, generation context.Context, g *kafka.Generation, broker, topic string, a kafka.PartitionAssignment, level kafka.IsolationLevel) {
	ctx, cancel := context.WithCancel(generation)
	defer cancel()
	defer context.AfterFunc(stop, cancel)()
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: topic, Partition: a.ID,
		MaxWait: 500 * time.Millisecond, MinBytes: 1, MaxBytes: 10 << 20, IsolationLevel: level})
	defer reader.Close()
	if err := reader.SetOffset(a.Offset); err != nil {
		program.Emit(program.Event{Event: "error", Error: err.Error()})
		return
	}
	next, committed, last := a.Offset, a.Offset, time.Now()
	commit := func() {
		if next > committed && g.CommitOffsets(map[string]map[int]int64{topic: {a.ID: next}}) == nil {
			committed = next
		}
	}
	for {
		wait, done := context.WithTimeout(ctx, 500*time.Millisecond)
		m, err := reader.ReadMessage(wait)
		done()
		if ctx.Err() != nil {
			break
		}
		if err == nil {
			next = m.Offset + 1
		}
		if err == nil && len(m.Headers) > 0 { // else it is an end marker: kafka-go shows them
			program.Emit(program.Event{Event: "record", N: program.Number(m.Headers[0].Value), Partition: int32(a.ID), Offset: m.Offset,
				Key: m.Key, Value: m.Value})
		}
		if time.Since(last) > 500*time.Millisecond {
			commit()
			last = time.Now()
		}
	}
	commit()
}
