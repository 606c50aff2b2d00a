// Command sarama is IBM's sarama driven over standard input and output; the package
// above says how.
package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"github.com/streamhouse/streamhouse/tests/clients/program"
)

func main() {
	program.Main(program.Modes{Admin: admin, Produce: produce, Consume: consume, Demand: demands})
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Metadata.Retry.Max = 300 // a minute, as the other clients: Apache Kafka takes long to start on a busy machine
	c.Metadata.Retry.Backoff = 200 * time.Millisecond
	return c
}

// admin makes the topic, and reads it back.
func admin(broker, topic string) error {
	client, err := sarama.NewClusterAdmin([]string{broker}, config())
	if err != nil {
		return err
	}
	defer client.Close()
	limit := "2000000"
	if err := client.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 6, ReplicationFactor: 1,
		ConfigEntries: map[string]*string{"max.message.bytes": &limit}}, false); err != nil {
		return err
	}
	// Apache Kafka's broker hears of a topic a little after its controller has said yes.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		described, err := client.DescribeTopics([]string{topic})
		if err != nil {
			return err
		}
		n := len(described[0].Partitions)
		if n == 6 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d partitions, made 6", n)
		}
	}
	described, err := client.DescribeConfigs([]*sarama.ConfigResource{{Type: sarama.TopicResource, Name: topic}}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return err
	}
	for _, e := range described[0].Configs {
		if e.Name == "max.message.bytes" && e.Value == limit {
			return nil
		}
	}
	return fmt.Errorf("max.message.bytes is not %s: %v", limit, described[0])
}

// produce carries out one command, with a client of its own.
func produce(broker, topic string, c program.Command) error {
	conf := config()
	conf.Producer.Idempotent = true
	conf.Producer.RequiredAcks = sarama.WaitForAll
	conf.Net.MaxOpenRequests = 1 // idempotence asks for it
	conf.Producer.Retry.Max = 200
	conf.Producer.Retry.Backoff = 200 * time.Millisecond
	conf.Producer.Return.Successes = true
	conf.Producer.Compression = map[string]sarama.CompressionCodec{
		"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}[c.Codec]
	producer, err := sarama.NewAsyncProducer([]string{broker}, conf)
	if err != nil {
		return err
	}
	go func() { // ends when all were given to the producer
		for n := c.First; n < c.First+c.Count; n++ {
			producer.Input() <- record(topic, n)
			time.Sleep(c.Pace())
		}
	}()
	var failed error
	for range c.Count {
		select {
		case m := <-producer.Successes():
			program.Emit(program.Event{Event: "acked", N: m.Metadata.(int), Partition: m.Partition, Offset: m.Offset,
				Key: encoded(m.Key), Value: encoded(m.Value)})
		case e := <-producer.Errors():
			failed = e.Err
		}
	}
	return errors.Join(failed, producer.Close())
}

// record is what every client of this test sends as its n-th record.
func record(topic string, n int) *sarama.ProducerMessage {
	key, value := program.Content(n)
	m := &sarama.ProducerMessage{Topic: topic, Metadata: n,
		Headers: []sarama.RecordHeader{{Key: []byte("n"), Value: []byte(strconv.Itoa(n))}}}
	if key != nil {
		m.Key = sarama.ByteEncoder(key)
	}
	if value != nil {
		m.Value = sarama.ByteEncoder(value)
	}
	return m
}

// member handles what a group's member is told.
type member struct {
	stop context.Context
}

func (member) Setup(s sarama.ConsumerGroupSession) error {
	var owned []int32
	for _, partitions := range s.Claims() {
		owned = append(owned, partitions...)
	}
	slices.Sort(owned)
	program.Emit(program.Event{Event: "assigned", Partitions: owned})
	return nil
}

func (member) Cleanup(sarama.ConsumerGroupSession) error {
	program.Emit(program.Event{Event: "assigned"})
	return nil
}

func (m member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case r, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			program.Emit(program.Event{Event: "record", N: program.Number(r.Headers[0].Value), Partition: r.Partition, Offset: r.Offset,
				Key: r.Key, Value: r.Value})
			s.MarkMessage(r, "")
		case <-s.Context().Done():
			return nil
		case <-m.stop.Done():
			return nil
		}
	}
}

// consume reads as a member of a group until ctx ends, then commits and leaves.
func consume(ctx context.Context, broker, topic, group string, committed bool) error {
	conf := config()
	conf.Consumer.Offsets.Initial = sarama.OffsetOldest
	if committed {
		conf.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	conf.Consumer.Offsets.AutoCommit.Interval = 500 * time.Millisecond
	conf.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	conf.Consumer.Group.Rebalance.Retry.Max = 100
	conf.Consumer.Group.Rebalance.Retry.Backoff = 200 * time.Millisecond
	members, err := sarama.NewConsumerGroup([]string{broker}, group, conf)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		err := members.Consume(ctx, []string{topic}, member{ctx})
		if errors.Is(err, sarama.ErrClosedConsumerGroup) {
			return err
		}
		if err != nil { // the broker is away
			time.Sleep(200 * time.Millisecond)
		}
	}
	return members.Close()
}

func encoded(e sarama.Encoder) program.Text {
	if e == nil {
		return nil
	}
	b, err := e.Encode()
	if err != nil {
		return nil
	}
	return b
}
