// Command confluentgo is confluent-kafka-go (librdkafka) driven over standard input and
// output; the package above says how.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
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
	mode, broker, topic := os.Args[1], os.Args[2], os.Args[3]
	var err error
	switch mode {
	case "admin":
		err = admin(broker, topic)
	case "produce":
		err = produce(broker, topic)
	case "consume":
		err = consume(broker, topic, os.Args[4])
	case "demand":
		err = runDemand(broker, topic, os.Args[4])
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
	m := &kafka.Message{
		TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
		Headers:        []kafka.Header{{Key: "n", Value: []byte(strconv.Itoa(n))}},
		Opaque:         n,
	}
	if n%5 != 0 {
		m.Key = fmt.Appendf(nil, "key-%d", n%17)
	}
	if n%13 != 0 {
		m.Value = fmt.Appendf(nil, "välue-%d", n)
	}
	return m
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

// produce carries out the commands of standard input, each with a client of its own.
func produce(broker, topic string) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return err
		}
		if err := produceBatch(broker, topic, c); err != nil {
			return err
		}
		emit(event{Event: "produced"})
	}
	return lines.Err()
}

func produceBatch(broker, topic string, c command) error {
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
		time.Sleep(time.Duration(c.PaceMs) * time.Millisecond)
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
		emit(event{Event: "acked", N: m.Opaque.(int), Partition: m.TopicPartition.Partition, Offset: int64(m.TopicPartition.Offset),
			Key: text(m.Key), Value: text(m.Value)})
		done++
	}
	return nil
}

// consume reads as a member of a group until standard input ends, then commits and leaves.
func consume(broker, topic, group string) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": broker, "group.id": group, "auto.offset.reset": "earliest", "heartbeat.interval.ms": 300,
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
		case <-ended:
			return consumer.Close() // commits what was read
		default:
		}
		switch e := consumer.Poll(200).(type) {
		case *kafka.Message:
			n, err := strconv.Atoi(string(e.Headers[0].Value))
			if err != nil {
				return err
			}
			emit(event{Event: "record", N: n, Partition: e.TopicPartition.Partition, Offset: int64(e.TopicPartition.Offset),
				Key: text(e.Key), Value: text(e.Value)})
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
	emit(event{Event: "assigned", Partitions: partitions})
	return nil
}
