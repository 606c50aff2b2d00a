// Command confluentgo is confluent-kafka-go (librdkafka) as a guest of a load; README.md in
// the folder above says what it is told.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	goodbye = 2 * time.Second // that a client has when it is dropped
	moment  = 100             // ms
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
	Abort   bool    `json:"abort,omitempty"`
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
	producer       *kafka.Producer
	reader, member *kafka.Consumer
	assignment     int
	taken          *kafka.ConsumerGroupMetadata // the member's, with the records that it gave last
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
			var said kafka.Error
			a = answer{Error: err.Error(), Abort: errors.As(err, &said) && said.TxnRequiresAbort()}
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
		return a, g.producer.BeginTransaction()
	case "send":
		a.Records = g.send(c)
		return a, nil
	case "offsets":
		return a, g.retried(func(ctx context.Context) error { return g.producer.SendOffsetsToTransaction(ctx, offsets(c), g.taken) })
	case "commit":
		return a, g.retried(g.producer.CommitTransaction)
	case "abort":
		return a, g.retried(g.producer.AbortTransaction)
	case "read":
		return a, g.read(c)
	case "poll":
		a.Parts, err = g.poll(g.reader, readMax)
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
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(g.PatienceMs)*time.Millisecond)
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

func (g *guest) send(c command) []sent {
	all := make([]sent, len(c.Records))
	reports := make(chan kafka.Event, len(all))
	waiting := 0
	for i, r := range c.Records {
		all[i].Error = "no report of its delivery"
		err := g.producer.Produce(&kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &r.Topic, Partition: r.Partition}, Value: r.Value, Opaque: i}, reports)
		if err != nil {
			all[i].Error = err.Error()
			continue
		}
		waiting++
	}
	for late := time.After(time.Duration(g.PatienceMs) * time.Millisecond); waiting > 0; waiting-- {
		select {
		case e := <-reports:
			m := e.(*kafka.Message)
			if err := m.TopicPartition.Error; err != nil {
				all[m.Opaque.(int)].Error = err.Error()
				continue
			}
			offset := int64(m.TopicPartition.Offset)
			all[m.Opaque.(int)] = sent{Offset: &offset}
		case <-late:
			return all
		}
	}
	return all
}

func offsets(c command) []kafka.TopicPartition {
	var all []kafka.TopicPartition
	for _, o := range c.Offsets {
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

func (g *guest) read(c command) error {
	g.drop("reader")
	made, err := g.consumer(c.Isolation, g.Group+"-readers")
	if err != nil {
		return err
	}
	g.reader = made
	return made.Assign(offsets(c))
}

// take polls the member, which is made if there is none.
func (g *guest) take() ([]*part, error) {
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
func (g *guest) poll(c *kafka.Consumer, max int) ([]*part, error) {
	var all []*part
	event := c.Poll(moment)
	for n := 0; event != nil; n++ {
		switch e := event.(type) {
		case *kafka.Message:
			if err := e.TopicPartition.Error; err != nil {
				return nil, err
			}
			all = g.put(all, e)
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

func (g *guest) put(all []*part, m *kafka.Message) []*part {
	at := m.TopicPartition
	i := slices.IndexFunc(all, func(p *part) bool {
		return p.Topic == *at.Topic && p.Partition == at.Partition && p.Assignment == g.assignment
	})
	if i < 0 {
		i = len(all)
		all = append(all, &part{Topic: *at.Topic, Partition: at.Partition, Assignment: g.assignment})
	}
	all[i].Records = append(all[i].Records, record{int64(at.Offset), m.Value})
	return all
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
