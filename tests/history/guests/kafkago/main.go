// Command kafkago is segmentio/kafka-go as a guest of a load; README.md in the folder above
// says what it is told. It writes without transactions: its calls for them are there, and
// no batch of it carries a producer id.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	moment  = 100 * time.Millisecond
	readMax = 200
)

type config struct {
	Brokers          string
	RequestTimeoutMs int `json:"request_timeout_ms"`
	PatienceMs       int `json:"patience_ms"`
}

type command struct {
	Do, What, Isolation string
	Records             []struct {
		Topic     string
		Partition int
		Value     []byte
	}
	Offsets []struct {
		Topic     string
		Partition int
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
	Topic     string   `json:"topic"`
	Partition int      `json:"partition"`
	Records   []record `json:"records"`
}

type record struct {
	Offset int64  `json:"offset"`
	Value  []byte `json:"value"`
}

type guest struct {
	config
	writer *kafka.Writer
	reader *reader
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
		g.writer = g.newWriter()
		return a, nil
	case "send":
		a.Records = g.send(c)
		return a, nil
	case "read":
		g.reader = g.read(c)
		return a, nil
	case "poll":
		a.Parts, err = g.reader.take()
		return a, err
	case "drop":
		return a, g.drop(c.What)
	}
	return a, errors.New("told to " + c.Do)
}

// newWriter makes a writer that puts each message where it is told.
func (g *guest) newWriter() *kafka.Writer {
	return &kafka.Writer{
		Addr:         kafka.TCP(g.Brokers),
		Balancer:     kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return m.WriterData.(*place).partition }),
		RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond,
		MaxAttempts:  20, WriteBackoffMin: 20 * time.Millisecond, WriteBackoffMax: 500 * time.Millisecond,
		ReadTimeout: g.timeout(), WriteTimeout: g.timeout(),
		Completion: completed,
	}
}

func (g *guest) timeout() time.Duration { return time.Duration(g.RequestTimeoutMs) * time.Millisecond }

// place is where one message is to lie, and what became of it.
type place struct {
	partition int
	mu        sync.Mutex
	sent      sent
}

// completed notes what the answers to a batch said.
func completed(messages []kafka.Message, err error) {
	for _, m := range messages {
		p := m.WriterData.(*place)
		p.mu.Lock()
		if err != nil {
			p.sent = sent{Error: err.Error()}
		} else {
			p.sent = sent{Offset: &m.Offset}
		}
		p.mu.Unlock()
	}
}

func (g *guest) send(c command) []sent {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(g.PatienceMs)*time.Millisecond)
	defer cancel()
	var all []kafka.Message
	var places []*place
	for _, r := range c.Records {
		p := &place{partition: r.Partition, sent: sent{Error: "no word of it"}}
		places = append(places, p)
		all = append(all, kafka.Message{Topic: r.Topic, Value: r.Value, WriterData: p})
	}
	if err := g.writer.WriteMessages(ctx, all...); err != nil {
		log.Print("write: ", err) // each message has its own answer
	}
	list := make([]sent, len(places))
	for i, p := range places {
		p.mu.Lock()
		list[i] = p.sent
		p.mu.Unlock()
	}
	return list
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

func (g *guest) read(c command) *reader {
	isolation := kafka.ReadCommitted
	if c.Isolation == "read_uncommitted" {
		isolation = kafka.ReadUncommitted
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &reader{messages: make(chan kafka.Message), stop: stop}
	for _, o := range c.Offsets {
		one := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{g.Brokers}, Topic: o.Topic, Partition: o.Partition, IsolationLevel: isolation,
			MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 50 * time.Millisecond, ReadBackoffMin: 20 * time.Millisecond, ReadBackoffMax: 500 * time.Millisecond,
			ReadBatchTimeout: g.timeout()})
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
	return r
}

func (r *reader) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err
}

// take returns what comes within a moment.
func (r *reader) take() ([]*part, error) {
	var all []*part
	timeout := time.After(moment)
	for n := 0; n < readMax; n++ {
		var m kafka.Message
		select {
		case m = <-r.messages:
		case <-timeout:
			n = readMax
			continue
		}
		var at *part
		for _, p := range all {
			if p.Topic == m.Topic && p.Partition == m.Partition {
				at = p
			}
		}
		if at == nil {
			at = &part{Topic: m.Topic, Partition: m.Partition}
			all = append(all, at)
		}
		at.Records = append(at.Records, record{m.Offset, m.Value})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return all, r.failed
}

func (g *guest) drop(what string) error {
	var err error
	switch what {
	case "producer":
		err, g.writer = g.writer.Close(), nil
	case "reader":
		r := g.reader
		if g.reader = nil; r == nil {
			return nil
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
	return nil
}
