// Command sarama is IBM's sarama as a guest of a load; README.md in the folder above says
// what it is told.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

const (
	goodbye = 2 * time.Second // that a client has when it is dropped
	moment  = 100 * time.Millisecond
	readMax = 200
)

type config struct {
	Brokers          string
	TransactionalID  string `json:"transactional_id"`
	Group, In        string
	TxnTimeoutMs     int `json:"txn_timeout_ms"`
	RequestTimeoutMs int `json:"request_timeout_ms"`
	PatienceMs       int `json:"patience_ms"`
	SessionTimeoutMs int `json:"session_timeout_ms"`
	TakeMax          int `json:"take_max"`
}

type command struct {
	Do, What, Isolation string
	Records             []struct {
		Topic     string
		Partition int32
		Value     []byte
	}
	Offsets []struct {
		Topic     string
		Partition int32
		Offset    int64
	}
}

type answer struct {
	Error   string  `json:"error,omitempty"`
	Records []sent  `json:"records,omitempty"`
	Parts   []*part `json:"parts,omitempty"`
}

type sent struct {
	Offset *int64 `json:"offset,omitempty"`
	Error  string `json:"error,omitempty"`
}

type part struct {
	Topic      string   `json:"topic"`
	Partition  int32    `json:"partition"`
	Assignment int      `json:"assignment"`
	Records    []record `json:"records"`
}

type record struct {
	Offset int64  `json:"offset"`
	Value  []byte `json:"value"`
}

type guest struct {
	config
	producer sarama.SyncProducer
	reader   *feed
	member   *feed
}

func main() {
	var g guest
	if err := json.Unmarshal([]byte(os.Args[1]), &g.config); err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			log.Fatal(err)
		}
		a, err := g.carryOut(c)
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := out.Encode(a); err != nil {
			log.Fatal(err)
		}
	}
}

func (g *guest) carryOut(c command) (a answer, err error) {
	switch c.Do {
	case "open":
		return a, g.open()
	case "begin":
		return a, g.bounded(func(p sarama.SyncProducer) error { return p.BeginTxn() })
	case "send":
		a.Records, err = g.send(c)
		return a, err
	case "offsets":
		return a, g.bounded(func(p sarama.SyncProducer) error { return p.AddOffsetsToTxn(offsets(c), g.Group) })
	case "commit":
		return a, g.bounded(func(p sarama.SyncProducer) error { return p.CommitTxn() })
	case "abort":
		return a, g.bounded(func(p sarama.SyncProducer) error { return p.AbortTxn() })
	case "read":
		return a, g.read(c)
	case "poll":
		a.Parts, err = g.reader.take(readMax)
		return a, err
	case "take":
		a.Parts, err = g.take()
		return a, err
	case "drop":
		g.drop(c.What)
		return a, nil
	}
	return a, errors.New("told to " + c.Do)
}

func (g *guest) settings() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.Net.MaxOpenRequests = 1
	timeout := time.Duration(g.RequestTimeoutMs) * time.Millisecond
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
	case <-time.After(time.Duration(g.PatienceMs) * time.Millisecond):
		g.drop("producer")
		return errLate
	}
}

func (g *guest) send(c command) ([]sent, error) {
	var all []*sarama.ProducerMessage
	for _, r := range c.Records {
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
	list := make([]sent, len(all))
	for i, m := range all {
		if text, no := failed[m]; no {
			list[i].Error = text
			continue
		}
		list[i].Offset = &m.Offset
	}
	return list, nil
}

func offsets(c command) map[string][]*sarama.PartitionOffsetMetadata {
	all := map[string][]*sarama.PartitionOffsetMetadata{}
	for _, o := range c.Offsets {
		all[o.Topic] = append(all[o.Topic], &sarama.PartitionOffsetMetadata{Partition: o.Partition, Offset: o.Offset})
	}
	return all
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
func (f *feed) take(max int) ([]*part, error) {
	var all []*part
	timeout := time.After(moment)
	for n := 0; n < max; n++ {
		var m *sarama.ConsumerMessage
		select {
		case m = <-f.messages:
		case <-timeout:
			n = max
		}
		if m == nil {
			continue
		}
		var at *part
		for _, p := range all {
			if p.Topic == m.Topic && p.Partition == m.Partition {
				at = p
			}
		}
		if at == nil {
			at = &part{Topic: m.Topic, Partition: m.Partition, Assignment: 1}
			all = append(all, at)
		}
		at.Records = append(at.Records, record{m.Offset, m.Value})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.assignments > 1 {
		f.failed = errors.New("assigned a second time")
	}
	return all, f.failed
}

func (g *guest) read(c command) error {
	g.drop("reader")
	settings := g.settings()
	if c.Isolation == "read_uncommitted" {
		settings.Consumer.IsolationLevel = sarama.ReadUncommitted
	}
	consumer, err := sarama.NewConsumer([]string{g.Brokers}, settings)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &feed{messages: make(chan *sarama.ConsumerMessage, readMax), stop: stop, close: consumer.Close}
	g.reader = f
	for _, o := range c.Offsets {
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

func (g *guest) take() ([]*part, error) {
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
					time.Sleep(moment) // it joins again
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
	if end == nil {
		return
	}
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	select {
	case err := <-ended:
		if err != nil {
			log.Print("close: ", err) // it is not used again
		}
	case <-time.After(goodbye):
	}
}

func (f *feed) end() func() error {
	if f == nil {
		return nil
	}
	f.stop()
	return f.close
}
