// Transactions of sarama; copy_test.go says what each mode does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	mode, args := os.Args[1], os.Args[2:]
	var err error
	switch mode {
	case "copy":
		err = copyAll(ctx, args[0], args[1], args[2], args[3], args[4])
	case "fence":
		err = fence(args[0], args[1], args[2])
	default:
		err = errors.New("no mode " + mode)
	}
	if err != nil {
		log.Fatal(err)
	}
}

var printing sync.Mutex

func emit(event map[string]any) {
	printing.Lock()
	defer printing.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(event)
}

func config(transactionalID string) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Net.MaxOpenRequests = 1
	c.Net.ReadTimeout, c.Net.WriteTimeout, c.Net.DialTimeout = 5*time.Second, 5*time.Second, 5*time.Second
	c.Metadata.Retry.Max, c.Metadata.Retry.Backoff = 50, 100*time.Millisecond
	c.Producer.Idempotent, c.Producer.RequiredAcks = true, sarama.WaitForAll
	c.Producer.Return.Successes, c.Producer.Return.Errors = true, true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Retry.Max, c.Producer.Retry.Backoff = 50, 100*time.Millisecond
	c.Producer.Transaction.ID = transactionalID
	c.Producer.Transaction.Timeout = 20 * time.Second
	c.Producer.Transaction.Retry.Max, c.Producer.Transaction.Retry.Backoff = 100, 50*time.Millisecond
	c.Consumer.Group.Session.Timeout, c.Consumer.Group.Heartbeat.Interval = 2*time.Second, 300*time.Millisecond
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.MaxWaitTime = 200 * time.Millisecond
	return c
}

// copier is the handler of a consumer group: one producer, one transaction at a time.
type copier struct {
	brokers []string
	id      string
	group   string
	target  string

	mu   sync.Mutex
	out  sarama.SyncProducer // nil after an error
	turn int
}

func copyAll(ctx context.Context, broker, id, group, source, target string) error {
	c := &copier{brokers: []string{broker}, id: id, group: group, target: target}
	for ctx.Err() == nil {
		consumer, err := sarama.NewConsumerGroup(c.brokers, group, config(id))
		if err != nil {
			emit(map[string]any{"fault": err.Error()})
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err := consumer.Consume(ctx, []string{source}, c); err != nil {
			emit(map[string]any{"fault": err.Error()})
		}
		if err := consumer.Close(); err != nil {
			emit(map[string]any{"fault": err.Error()})
		}
	}
	return nil
}

// Setup and Cleanup make this a handler.
func (c *copier) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (c *copier) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim copies a partition until the first error: whether the last transaction was
// committed is then for the next producer to settle, and for the group's offsets to say.
func (c *copier) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		batch := []*sarama.ConsumerMessage{m}
	more:
		for len(batch) < 20 {
			select {
			case m, open := <-claim.Messages():
				if !open {
					break more
				}
				batch = append(batch, m)
			case <-s.Context().Done():
				return nil
			default:
				break more
			}
		}
		if err := c.copy(s, batch); err != nil {
			emit(map[string]any{"fault": err.Error()})
			return err
		}
	}
	return nil
}

func (c *copier) copy(s sarama.ConsumerGroupSession, batch []*sarama.ConsumerMessage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for done := false; !done; {
		if s.Context().Err() != nil {
			return s.Context().Err()
		}
		if c.out == nil {
			made, err := sarama.NewSyncProducer(c.brokers, config(c.id))
			if err != nil {
				return err
			}
			c.out = made
			// A transaction of the producer before may have been committed after all: its
			// records must be read anew, not sent again.
			if c.turn > 0 {
				return errors.New("a new producer begins at the committed offsets")
			}
		}
		c.turn++
		var err error
		if done, err = c.transact(batch, c.turn%5 == 0); err != nil {
			_ = c.out.Close()
			c.out = nil
			return err
		}
	}
	return nil
}

// transact is one transaction; false if it was aborted on purpose.
func (c *copier) transact(batch []*sarama.ConsumerMessage, abort bool) (bool, error) {
	if err := c.out.BeginTxn(); err != nil {
		return false, err
	}
	for _, m := range batch {
		_, _, err := c.out.SendMessage(&sarama.ProducerMessage{
			Topic: c.target, Partition: m.Partition, Key: sarama.ByteEncoder(m.Key), Value: sarama.ByteEncoder(m.Value),
		})
		if err != nil {
			return false, errors.Join(err, c.out.AbortTxn())
		}
	}
	if abort {
		if err := c.out.AbortTxn(); err != nil {
			return false, err
		}
		emit(map[string]any{"aborted": len(batch)})
		return false, nil
	}
	last := batch[len(batch)-1]
	offsets := map[string][]*sarama.PartitionOffsetMetadata{last.Topic: {{Partition: last.Partition, Offset: last.Offset + 1}}}
	if err := c.out.AddOffsetsToTxn(offsets, c.group); err != nil {
		return false, errors.Join(err, c.out.AbortTxn())
	}
	if err := c.out.CommitTxn(); err != nil {
		return false, err
	}
	emit(map[string]any{"committed": len(batch)})
	return true, nil
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

func fact(name string, err error) { emit(map[string]any{"fact": name, "result": outcome(err)}) }

func fence(broker, id, topic string) error {
	c := config(id)
	c.Producer.Transaction.Retry.Max, c.Producer.Retry.Max = 3, 3
	write := func(p sarama.SyncProducer, value string) error {
		_, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: topic, Partition: 0, Value: sarama.StringEncoder(value)})
		return err
	}
	first, err := sarama.NewSyncProducer([]string{broker}, c)
	if err != nil {
		return err
	}
	if err := errors.Join(first.BeginTxn(), write(first, "first")); err != nil {
		return err
	}
	second, err := sarama.NewSyncProducer([]string{broker}, c)
	if err != nil {
		return err
	}
	fact("the first one writes", write(first, "late"))
	fact("the first one commits", first.CommitTxn())
	fact("the first one begins", first.BeginTxn())
	if err := errors.Join(second.BeginTxn(), write(second, "second")); err != nil {
		return err
	}
	fact("the second one commits", second.CommitTxn())
	fact("it commits without a transaction", second.CommitTxn())
	fact("it begins", second.BeginTxn())
	fact("it commits an empty one", second.CommitTxn())
	if err := errors.Join(second.BeginTxn(), write(second, "aborted")); err != nil {
		return err
	}
	fact("it aborts", second.AbortTxn())
	return nil
}
