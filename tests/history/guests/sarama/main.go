// Command sarama is IBM's sarama as a guest of a load; README.md in the folder above says
// what it is told.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/streamhouse/streamhouse/tests/history/guests/told"
)

type guest struct {
	told.Config
	producer sarama.SyncProducer
	reader   *feed
	member   *feed
}

func main() {
	told.Main(func(c told.Config) told.Calls {
		g := &guest{Config: c}
		return told.Calls{
			Open:    g.open,
			Begin:   func() error { return g.bounded(sarama.SyncProducer.BeginTxn) },
			Send:    g.send,
			Offsets: g.offsets,
			Commit:  func() error { return g.bounded(sarama.SyncProducer.CommitTxn) },
			Abort:   func() error { return g.bounded(sarama.SyncProducer.AbortTxn) },
			Read:    g.read,
			Poll:    func() (told.Parts, error) { return g.reader.take(told.PollMax) },
			Take:    g.take,
			Drop:    g.drop,
		}
	})
}

func (g *guest) settings() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Net.MaxOpenRequests = 1
	timeout := g.RequestTimeout()
	c.Net.ReadTimeout, c.Net.WriteTimeout, c.Net.DialTimeout = timeout, timeout, timeout
	c.Metadata.Retry.Max, c.Metadata.Retry.Backoff = 100, 50*time.Millisecond
	c.Producer.Idempotent, c.Producer.RequiredAcks = true, sarama.WaitForAll
	c.Producer.Return.Successes, c.Producer.Return.Errors = true, true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Retry.Max, c.Producer.Retry.Backoff = 100, 50*time.Millisecond
	c.Producer.Transaction.ID = g.TransactionalID
	c.Producer.Transaction.Timeout = time.Duration(g.TxnTimeoutMs) * time.Millisecond
	c.Producer.Transaction.Retry.Max, c.Producer.Transaction.Retry.Backoff = 100, 50*time.Millisecond
	c.Consumer.Group.Session.Timeout, c.Consumer.Group.Heartbeat.Interval = time.Duration(g.SessionTimeoutMs)*time.Millisecond, 300*time.Millisecond
	c.Consumer.IsolationLevel = sarama.ReadCommitted
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.MaxWaitTime = 50 * time.Millisecond
	c.Consumer.Retry.Backoff = 100 * time.Millisecond
	return c
}

func (g *guest) open() error {
	g.drop("producer")
	made, err := sarama.NewSyncProducer([]string{g.Brokers}, g.settings())
	if err == nil { // a producer that is nil is not nil as an interface
		g.producer = made
	}
	return err
}

// errLate is that the library took too long. What it was about may still be under way in
// the producer, and belong to its next transaction, so that is not used again.
var errLate = errors.New("took too long")

// bounded does something with the producer.
func (g *guest) bounded(do func(sarama.SyncProducer) error) error {
	p := g.producer
	if p == nil {
		return errors.New("no producer")
	}
	done := make(chan error, 1)
	go func() { done <- do(p) }()
	select {
	case err := <-done:
		return err
	case <-time.After(g.Patience()):
		g.drop("producer")
		return errLate
	}
}

func (g *guest) send(records []told.Record) ([]told.Sent, error) {
	var all []*sarama.ProducerMessage
	for _, r := range records {
		all = append(all, &sarama.ProducerMessage{Topic: r.Topic, Partition: r.Partition, Value: sarama.ByteEncoder(r.Value)})
	}
	err := g.bounded(func(p sarama.SyncProducer) error { return p.SendMessages(all) })
	var some sarama.ProducerErrors
	if err != nil && !errors.As(err, &some) {
		return nil, err
	}
	failed := map[*sarama.ProducerMessage]string{}
	for _, e := range some {
		failed[e.Msg] = e.Err.Error()
	}
	list := make([]told.Sent, len(all))
	for i, m := range all {
		if text, no := failed[m]; no {
			list[i].Error = text
			continue
		}
		list[i].Offset = &m.Offset
	}
	return list, nil
}

func (g *guest) offsets(offsets []told.Offset) error {
	all := map[string][]*sarama.PartitionOffsetMetadata{}
	for _, o := range offsets {
		all[o.Topic] = append(all[o.Topic], &sarama.PartitionOffsetMetadata{Partition: o.Partition, Offset: o.Offset})
	}
	return g.bounded(func(p sarama.SyncProducer) error { return p.AddOffsetsToTxn(all, g.Group) })
}

// feed is a consumer whose messages wait to be asked for.
type feed struct {
	messages chan *sarama.ConsumerMessage
	stop     context.CancelFunc
	close    func() error

	mu          sync.Mutex
	assignments int
	failed      error
}

// take returns at most max messages that come within a moment. There are none after a
// second assignment: it may have begun with offsets older than what was committed.
func (f *feed) take(max int) (all told.Parts, err error) {
	for _, m := range told.Gather(f.messages, max) {
		all.Add(m.Topic, m.Partition, 1, m.Offset, m.Value)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.assignments > 1 {
		f.failed = errors.New("assigned a second time")
	}
	return all, f.failed
}

func (g *guest) read(from []told.Offset, isolation string) error {
	g.drop("reader")
	settings := g.settings()
	if isolation == "read_uncommitted" {
		settings.Consumer.IsolationLevel = sarama.ReadUncommitted
	}
	consumer, err := sarama.NewConsumer([]string{g.Brokers}, settings)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &feed{messages: make(chan *sarama.ConsumerMessage, told.PollMax), stop: stop, close: consumer.Close}
	g.reader = f
	for _, o := range from {
		partition, err := consumer.ConsumePartition(o.Topic, o.Partition, o.Offset)
		if err != nil {
			return err
		}
		go func() { // ends with the partition's consumer, or ctx
			defer partition.AsyncClose()
			for {
				select {
				case m, more := <-partition.Messages():
					if !more {
						f.fail(fmt.Errorf("partition %d ended", o.Partition))
						return
					}
					select {
					case f.messages <- m:
					case <-ctx.Done():
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	return nil
}

func (f *feed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = err
}

func (g *guest) take() (told.Parts, error) {
	if g.member == nil {
		consumer, err := sarama.NewConsumerGroup([]string{g.Brokers}, g.Group, g.settings())
		if err != nil {
			return nil, err
		}
		ctx, stop := context.WithCancel(context.Background())
		f := &feed{messages: make(chan *sarama.ConsumerMessage), stop: stop, close: consumer.Close}
		g.member = f
		go func() { // ends with ctx
			for ctx.Err() == nil {
				if err := consumer.Consume(ctx, []string{g.In}, f); err != nil {
					time.Sleep(told.Moment) // it joins again
				}
			}
		}()
	}
	return g.member.take(g.TakeMax)
}

// Setup, ConsumeClaim and Cleanup make a feed the handler of a group's member.
func (f *feed) Setup(sarama.ConsumerGroupSession) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.assignments++
	return nil
}

func (f *feed) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (f *feed) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for m := range claim.Messages() {
		select {
		case f.messages <- m:
		case <-s.Context().Done():
			return nil
		}
	}
	return nil
}

// drop forgets a client, and gives it a moment to end.
func (g *guest) drop(what string) {
	var end func() error
	switch what {
	case "producer":
		if p := g.producer; p != nil {
			end = p.Close
		}
		g.producer = nil
	case "reader":
		end, g.reader = g.reader.end(), nil
	case "member":
		end, g.member = g.member.end(), nil
	}
	told.End(end)
}

func (f *feed) end() func() error {
	if f == nil {
		return nil
	}
	f.stop()
	return f.close
}
