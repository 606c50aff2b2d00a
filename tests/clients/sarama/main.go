// Command sarama is IBM's sarama driven over standard input and output; the package
// above says how.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"
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
	mode, brokers, topic := os.Args[1], os.Args[2:3], os.Args[3]
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

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Metadata.Retry.Max = 300 // a minute, as the other clients: Apache Kafka takes long to start on a busy machine
	c.Metadata.Retry.Backoff = 200 * time.Millisecond
	return c
}

// admin makes the topic, and reads it back.
func admin(brokers []string, topic string) error {
	client, err := sarama.NewClusterAdmin(brokers, config())
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
	entries, err := client.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name == "max.message.bytes" && e.Value == limit {
			return nil
		}
	}
	return fmt.Errorf("max.message.bytes is not %s: %v", limit, entries)
}

// produce carries out the commands of standard input, each with a client of its own.
func produce(brokers []string, topic string) error {
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

func produceBatch(brokers []string, topic string, c command) error {
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
	producer, err := sarama.NewAsyncProducer(brokers, conf)
	if err != nil {
		return err
	}
	go func() { // ends when all were given to the producer
		for n := c.First; n < c.First+c.Count; n++ {
			producer.Input() <- record(topic, n)
			time.Sleep(time.Duration(c.PaceMs) * time.Millisecond)
		}
	}()
	var failed error
	for range c.Count {
		select {
		case m := <-producer.Successes():
			emit(event{Event: "acked", N: m.Metadata.(int), Partition: m.Partition, Offset: m.Offset,
				Key: encoded(m.Key), Value: encoded(m.Value)})
		case e := <-producer.Errors():
			failed = e.Err
		}
	}
	return errors.Join(failed, producer.Close())
}

// record is what every client of this test sends as its n-th record.
func record(topic string, n int) *sarama.ProducerMessage {
	m := &sarama.ProducerMessage{Topic: topic, Metadata: n,
		Headers: []sarama.RecordHeader{{Key: []byte("n"), Value: []byte(strconv.Itoa(n))}}}
	if n%5 != 0 {
		m.Key = sarama.StringEncoder(fmt.Sprintf("key-%d", n%17))
	}
	if n%13 != 0 {
		m.Value = sarama.StringEncoder(fmt.Sprintf("välue-%d", n))
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
	emit(event{Event: "assigned", Partitions: owned})
	return nil
}

func (member) Cleanup(sarama.ConsumerGroupSession) error {
	emit(event{Event: "assigned"})
	return nil
}

func (m member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case r, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			n, err := strconv.Atoi(string(r.Headers[0].Value))
			if err != nil {
				n = -1
			}
			emit(event{Event: "record", N: n, Partition: r.Partition, Offset: r.Offset, Key: text(r.Key), Value: text(r.Value)})
			s.MarkMessage(r, "")
		case <-s.Context().Done():
			return nil
		case <-m.stop.Done():
			return nil
		}
	}
}

// consume reads as a member of a group until standard input ends, then commits and
// leaves.
func consume(brokers []string, topic, group string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte() // its end is the sign
		cancel()
	}()
	conf := config()
	conf.Consumer.Offsets.Initial = sarama.OffsetOldest
	conf.Consumer.Offsets.AutoCommit.Interval = 500 * time.Millisecond
	conf.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	conf.Consumer.Group.Rebalance.Retry.Max = 100
	conf.Consumer.Group.Rebalance.Retry.Backoff = 200 * time.Millisecond
	members, err := sarama.NewConsumerGroup(brokers, group, conf)
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

func encoded(e sarama.Encoder) *string {
	if e == nil {
		return nil
	}
	b, err := e.Encode()
	if err != nil {
		return nil
	}
	return text(b)
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}
