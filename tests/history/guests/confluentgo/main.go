// Command confluentgo is confluent-kafka-go (librdkafka) as a guest of a load; README.md in
// the folder above says what it is told.
package main

import (
	"context"
	"errors"
	"log"
	"maps"
	"slices"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/streamhouse/streamhouse/tests/history/guests/told"
)

type guest struct {
	told.Config
	producer       *kafka.Producer
	reader, member *kafka.Consumer
	assignment     int
	taken          *kafka.ConsumerGroupMetadata // the member's, with the records that it gave last
}

func main() {
	told.Main(func(c told.Config) told.Calls {
		g := &guest{Config: c}
		return told.Calls{
			Open:      g.open,
			Begin:     func() error { return g.producer.BeginTransaction() },
			Send:      g.send,
			Offsets:   g.offsets,
			Commit:    func() error { return g.retried(g.producer.CommitTransaction) },
			Abort:     func() error { return g.retried(g.producer.AbortTransaction) },
			Read:      g.read,
			Poll:      func() (told.Parts, error) { return g.poll(g.reader, told.PollMax) },
			Take:      g.take,
			Drop:      g.drop,
			MustAbort: mustAbort,
		}
	})
}

func mustAbort(err error) bool {
	var said kafka.Error
	return errors.As(err, &said) && said.TxnRequiresAbort()
}

func (g *guest) settings(more kafka.ConfigMap) *kafka.ConfigMap {
	all := kafka.ConfigMap{
		"bootstrap.servers":        g.Brokers,
		"socket.timeout.ms":        g.RequestTimeoutMs,
		"reconnect.backoff.ms":     20,
		"reconnect.backoff.max.ms": 200,
		// Its other strategy, which is the default, forgets the coordinator when the only
		// broker is away for a moment and does not find it again, whoever's broker that is.
		"metadata.recovery.strategy": "none",
		"log_level":                  0,
	}
	maps.Copy(all, more)
	return &all
}

// retried calls again for as long as librdkafka says that this is the thing to do.
func (g *guest) retried(call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), g.Patience())
	defer cancel()
	for {
		err := call(ctx)
		var said kafka.Error
		if !errors.As(err, &said) || !said.IsRetriable() || ctx.Err() != nil {
			return err
		}
	}
}

func (g *guest) open() error {
	g.drop("producer")
	made, err := kafka.NewProducer(g.settings(kafka.ConfigMap{
		"transactional.id": g.TransactionalID, "transaction.timeout.ms": g.TxnTimeoutMs, "linger.ms": 0,
	}))
	if err != nil {
		return err
	}
	g.producer = made
	go func() { // ends with the producer
		for e := range made.Events() {
			log.Print(e) // of no record: librdkafka goes on
		}
	}()
	return g.retried(made.InitTransactions)
}

func (g *guest) send(records []told.Record) ([]told.Sent, error) {
	all := make([]told.Sent, len(records))
	reports := make(chan kafka.Event, len(all))
	waiting := 0
	for i, r := range records {
		all[i].Error = "no report of its delivery"
		err := g.producer.Produce(&kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &r.Topic, Partition: r.Partition}, Value: r.Value, Opaque: i}, reports)
		if err != nil {
			all[i].Error = err.Error()
			continue
		}
		waiting++
	}
	for late := time.After(g.Patience()); waiting > 0; waiting-- {
		select {
		case e := <-reports:
			m := e.(*kafka.Message)
			if err := m.TopicPartition.Error; err != nil {
				all[m.Opaque.(int)].Error = err.Error()
				continue
			}
			offset := int64(m.TopicPartition.Offset)
			all[m.Opaque.(int)] = told.Sent{Offset: &offset}
		case <-late:
			return all, nil
		}
	}
	return all, nil
}

func (g *guest) offsets(all []told.Offset) error {
	return g.retried(func(ctx context.Context) error {
		return g.producer.SendOffsetsToTransaction(ctx, partitions(all), g.taken)
	})
}

func partitions(offsets []told.Offset) []kafka.TopicPartition {
	var all []kafka.TopicPartition
	for _, o := range offsets {
		all = append(all, kafka.TopicPartition{Topic: &o.Topic, Partition: o.Partition, Offset: kafka.Offset(o.Offset)})
	}
	return all
}

func (g *guest) consumer(isolation, group string) (*kafka.Consumer, error) {
	return kafka.NewConsumer(g.settings(kafka.ConfigMap{
		"group.id": group, "enable.auto.commit": false, "auto.offset.reset": "earliest", "isolation.level": isolation,
		"session.timeout.ms": g.SessionTimeoutMs, "heartbeat.interval.ms": 300, "fetch.wait.max.ms": 50,
	}))
}

func (g *guest) read(from []told.Offset, isolation string) error {
	g.drop("reader")
	made, err := g.consumer(isolation, g.Group+"-readers")
	if err != nil {
		return err
	}
	g.reader = made
	return made.Assign(partitions(from))
}

// take polls the member, which is made if there is none.
func (g *guest) take() (told.Parts, error) {
	if g.member == nil {
		made, err := g.consumer("read_committed", g.Group)
		if err != nil {
			return nil, err
		}
		g.member = made
		if err := made.SubscribeTopics([]string{g.In}, g.rebalanced); err != nil {
			return nil, err
		}
	}
	all, err := g.poll(g.member, g.TakeMax)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	g.taken, err = g.member.GetConsumerGroupMetadata()
	return all, err
}

func (g *guest) rebalanced(_ *kafka.Consumer, e kafka.Event) error {
	if _, assigned := e.(kafka.AssignedPartitions); assigned {
		g.assignment++
	}
	return nil
}

// poll returns at most max records, one by one: each belongs to the assignment at its time.
func (g *guest) poll(c *kafka.Consumer, max int) (told.Parts, error) {
	var all told.Parts
	event := c.Poll(int(told.Moment.Milliseconds()))
	for n := 0; event != nil; n++ {
		switch e := event.(type) {
		case *kafka.Message:
			if err := e.TopicPartition.Error; err != nil {
				return nil, err
			}
			at := e.TopicPartition
			all.Add(*at.Topic, at.Partition, g.assignment, int64(at.Offset), e.Value)
		case kafka.Error:
			if !passing(e) {
				return nil, e
			}
		}
		if n+1 >= max {
			break
		}
		event = c.Poll(0)
	}
	return all, nil
}

// passing says whether librdkafka tells of something that it does something about itself.
func passing(e kafka.Error) bool {
	away := []kafka.ErrorCode{kafka.ErrTransport, kafka.ErrAllBrokersDown, kafka.ErrTimedOut}
	return !e.IsFatal() && (e.IsRetriable() || slices.Contains(away, e.Code()))
}

// drop forgets a client, and gives it a moment to end.
func (g *guest) drop(what string) {
	var end func() error
	switch what {
	case "producer":
		if p := g.producer; p != nil {
			end = func() error { p.Close(); return nil }
		}
		g.producer = nil
	case "reader":
		if g.reader != nil {
			end = g.reader.Close
		}
		g.reader = nil
	case "member":
		if g.member != nil {
			end = g.member.Close
		}
		g.member = nil
	}
	told.End(end)
}
