// Command confluentgo is confluent-kafka-go (librdkafka) driven over standard input and
// output; the package above says how.
package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/streamhouse/streamhouse/tests/clients/program"
)

func main() {
	program.Main(program.Modes{Admin: admin, Produce: produce, Consume: consume, Demand: demands})
}

// admin makes the topic, and reads it back.
func admin(broker, topic string) error {
	client, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": broker})
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	made, err := client.CreateTopics(ctx, []kafka.TopicSpecification{{Topic: topic, NumPartitions: 6, ReplicationFactor: 1,
		Config: map[string]string{"max.message.bytes": "2000000"}}})
	if err != nil {
		return err
	}
	if e := made[0].Error; e.Code() != kafka.ErrNoError {
		return e
	}
	metadata, err := client.GetMetadata(&topic, false, 30_000)
	if err != nil {
		return err
	}
	if n := len(metadata.Topics[topic].Partitions); n != 6 {
		return fmt.Errorf("%d partitions, made 6", n)
	}
	described, err := client.DescribeConfigs(ctx, []kafka.ConfigResource{{Type: kafka.ResourceTopic, Name: topic}})
	if err != nil {
		return err
	}
	if v := described[0].Config["max.message.bytes"].Value; v != "2000000" {
		return fmt.Errorf("max.message.bytes is %q", v)
	}
	return nil
}

// record is what every client of this test sends as its n-th record.
func record(topic string, n int) *kafka.Message {
	key, value := program.Content(n)
	return &kafka.Message{
		TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
		Headers:        []kafka.Header{{Key: "n", Value: []byte(strconv.Itoa(n))}},
		Opaque:         n,
		Key:            key,
		Value:          value,
	}
}

// produce carries out one command, with a client of its own.
func produce(broker, topic string, c program.Command) error {
	producer, err := kafka.NewProducer(&kafka.ConfigMap{
		"bootstrap.servers": broker, "compression.type": c.Codec, "enable.idempotence": true,
		"delivery.timeout.ms": 60000, "reconnect.backoff.max.ms": 500, "log_level": 2,
	})
	if err != nil {
		return err
	}
	defer producer.Close()
	delivered := make(chan error, 1)
	go func() { // ends when every record has been delivered
		delivered <- deliveries(producer, c.Count)
	}()
	for n := c.First; n < c.First+c.Count; n++ {
		if err := producer.Produce(record(topic, n), nil); err != nil {
			return err
		}
		time.Sleep(c.Pace())
	}
	select {
	case err := <-delivered:
		return err
	case <-time.After(90 * time.Second):
		return fmt.Errorf("%d events left after 90 s", producer.Len())
	}
}

func deliveries(producer *kafka.Producer, count int) error {
	for done := 0; done < count; {
		m, ok := (<-producer.Events()).(*kafka.Message)
		if !ok {
			continue // the broker is away: librdkafka goes on
		}
		if err := m.TopicPartition.Error; err != nil {
			return err
		}
		program.Emit(program.Event{Event: "acked", N: m.Opaque.(int), Partition: m.TopicPartition.Partition, Offset: int64(m.TopicPartition.Offset),
			Key: m.Key, Value: m.Value})
		done++
	}
	return nil
}

// consume reads as a member of a group until ctx ends, then commits and leaves.
func consume(ctx context.Context, broker, topic, group string, committed bool) error {
	level := "read_uncommitted"
	if committed {
		level = "read_committed"
	}
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": broker, "group.id": group, "isolation.level": level, "auto.offset.reset": "earliest", "heartbeat.interval.ms": 300,
		"auto.commit.interval.ms": 500, "reconnect.backoff.max.ms": 500, "log_level": 2, "topic.metadata.refresh.interval.ms": 2000,
	})
	if err != nil {
		return err
	}
	if err := consumer.SubscribeTopics([]string{topic}, rebalanced); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return consumer.Close() // commits what was read
		default:
		}
		switch e := consumer.Poll(200).(type) {
		case *kafka.Message:
			program.Emit(program.Event{Event: "record", N: program.Number(e.Headers[0].Value),
				Partition: e.TopicPartition.Partition, Offset: int64(e.TopicPartition.Offset), Key: e.Key, Value: e.Value})
		case kafka.Error:
			// The broker is away, or the topic not known yet: librdkafka goes on.
			gone := []kafka.ErrorCode{kafka.ErrTransport, kafka.ErrAllBrokersDown, kafka.ErrUnknownTopicOrPart}
			if e.IsFatal() || !e.IsRetriable() && !slices.Contains(gone, e.Code()) {
				return e
			}
		}
	}
}

func rebalanced(_ *kafka.Consumer, e kafka.Event) error {
	var partitions []int32
	if assigned, ok := e.(kafka.AssignedPartitions); ok {
		for _, p := range assigned.Partitions {
			partitions = append(partitions, p.Partition)
		}
	}
	slices.Sort(partitions)
	program.Emit(program.Event{Event: "assigned", Partitions: partitions})
	return nil
}
