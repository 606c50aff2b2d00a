// Command kafkago is segmentio/kafka-go as a guest of a load; README.md in the folder above
// says what it is told. It writes without transactions: its calls for them are there, and
// no batch of it carries a producer id.
package main

import (
	"context"
	"errors"
	"log"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/streamhouse/streamhouse/tests/history/guests/told"
)

type guest struct {
	told.Config
	writer *kafka.Writer
	reader *reader
}

func main() {
	told.Main(func(c told.Config) told.Calls {
		g := &guest{Config: c}
		return told.Calls{Open: g.open, Send: g.send, Read: g.read, Poll: g.poll, Drop: g.drop}
	})
}

// open makes a writer that puts each message where it is told.
func (g *guest) open() error {
	g.writer = &kafka.Writer{
		Addr:         kafka.TCP(g.Brokers),
		Balancer:     kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return m.WriterData.(*place).partition }),
		RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond,
		MaxAttempts:  20, WriteBackoffMin: 20 * time.Millisecond, WriteBackoffMax: 500 * time.Millisecond,
		ReadTimeout: g.RequestTimeout(), WriteTimeout: g.RequestTimeout(),
		Completion: completed,
	}
	return nil
}

// place is where one message is to lie, and what became of it.
type place struct {
	partition int
	mu        sync.Mutex
	sent      told.Sent
}

// completed notes what the answers to a batch said.
func completed(messages []kafka.Message, err error) {
	for _, m := range messages {
		p := m.WriterData.(*place)
		p.mu.Lock()
		if err != nil {
			p.sent = told.Sent{Error: err.Error()}
		} else {
			p.sent = told.Sent{Offset: &m.Offset}
		}
		p.mu.Unlock()
	}
}

func (g *guest) send(records []told.Record) ([]told.Sent, error) {
	ctx, cancel := context.WithTimeout(context.Background(), g.Patience())
	defer cancel()
	var all []kafka.Message
	var places []*place
	for _, r := range records {
		p := &place{partition: int(r.Partition), sent: told.Sent{Error: "no word of it"}}
		places = append(places, p)
		all = append(all, kafka.Message{Topic: r.Topic, Value: r.Value, WriterData: p})
	}
	if err := g.writer.WriteMessages(ctx, all...); err != nil {
		log.Print("write: ", err) // each message has its own answer
	}
	list := make([]told.Sent, len(places))
	for i, p := range places {
		p.mu.Lock()
		list[i] = p.sent
		p.mu.Unlock()
	}
	return list, nil
}

// reader is one kafka.Reader for each partition, whose messages wait to be asked for.
type reader struct {
	messages chan kafka.Message
	stop     context.CancelFunc
	all      []*kafka.Reader
	running  sync.WaitGroup

	mu     sync.Mutex
	failed error
}

func (g *guest) read(from []told.Offset, isolation string) error {
	level := kafka.ReadCommitted
	if isolation == "read_uncommitted" {
		level = kafka.ReadUncommitted
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &reader{messages: make(chan kafka.Message), stop: stop}
	for _, o := range from {
		one := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{g.Brokers}, Topic: o.Topic, Partition: int(o.Partition), IsolationLevel: level,
			MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 50 * time.Millisecond, ReadBackoffMin: 20 * time.Millisecond, ReadBackoffMax: 500 * time.Millisecond,
			ReadBatchTimeout: g.RequestTimeout()})
		if err := one.SetOffset(o.Offset); err != nil {
			r.failed = err
		}
		r.all = append(r.all, one)
		r.running.Go(func() {
			for {
				m, err := one.ReadMessage(ctx)
				if err != nil {
					r.fail(err)
					return
				}
				// Markers are given out like messages. No client of a load has keys.
				if m.Key != nil {
					continue
				}
				select {
				case r.messages <- m:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	g.reader = r
	return nil
}

func (r *reader) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err
}

func (g *guest) poll() (all told.Parts, err error) {
	r := g.reader
	for _, m := range told.Gather(r.messages, told.PollMax) {
		all.Add(m.Topic, int32(m.Partition), 0, m.Offset, m.Value)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return all, r.failed
}

func (g *guest) drop(what string) {
	var err error
	switch what {
	case "producer":
		err, g.writer = g.writer.Close(), nil
	case "reader":
		r := g.reader
		if g.reader = nil; r == nil {
			return
		}
		r.stop()
		for _, one := range r.all {
			err = errors.Join(err, one.Close())
		}
		r.running.Wait()
	}
	if err != nil {
		log.Print("close: ", err) // it is not used again
	}
}
