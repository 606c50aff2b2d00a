package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Bounds of what waits to be acknowledged. Above them reading waits.
const (
	bufferedBytes   = 64 << 20
	bufferedRecords = 10_000
	// messageMax is what a topic takes if its max.message.bytes cannot be read.
	messageMax = 1_000_012
)

// Header is one header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Record is a record to be written, or one that was read. A nil key or value is null.
type Record struct {
	Topic      string
	Partition  int32 // for one to be written: -1 lets the key choose
	Offset     int64
	Timestamp  time.Time // zero for one to be written: now
	Key, Value []byte
	Headers    []Header
	// TimestampType says whose clock the timestamp is of. It is of no use in a record to be
	// written.
	TimestampType TimestampType
}

// TimestampType is a record's timestamp type, as Kafka names it.
type TimestampType int8

// The types. Records of the first formats have no timestamp.
const (
	CreateTime TimestampType = iota
	LogAppendTime
	NoTimestampType
)

func (t TimestampType) String() string {
	switch t {
	case CreateTime:
		return "CreateTime"
	case LogAppendTime:
		return "LogAppendTime"
	}
	return "NoTimestampType"
}

// Producer writes records to one topic, each once and in order.
type Producer struct {
	topic      string
	partitions int32
	most       int
	kafka      *kgo.Client

	mu      sync.Mutex
	waiting int64 // records without an outcome
	written int64
	failed  int64 // the first record that failed, counted from 1; 0: none
	err     error // why
	gaveUp  bool  // nothing was acknowledged for actMax
}

// codecs are the names of compression types.
var codecs = map[string]kgo.CompressionCodec{
	"": kgo.SnappyCompression(), "none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// Producer returns a producer for a topic that exists. compression is none, gzip, snappy (also
// if it is empty), lz4 or zstd. Close ends the producer.
func (c *Client) Producer(ctx context.Context, topic, compression string) (*Producer, error) {
	codec, ok := codecs[compression]
	if !ok {
		return nil, &Fault{Kind: Invalid, What: fmt.Sprintf("there is no compression %q", compression), Next: "give none, gzip, snappy, lz4 or zstd"}
	}
	ctx, cancel := context.WithTimeout(ctx, actMax)
	defer cancel()
	details, err := c.needTopics(ctx, topic)
	if err != nil {
		return nil, err
	}
	p := &Producer{topic: topic, partitions: int32(len(details[topic].Partitions)), most: messageMax}
	// Who may write may not be allowed to read settings: then the default has to do.
	if settings, err := c.settings(ctx, topic); err == nil {
		for _, s := range settings {
			if n, err := strconv.Atoi(s.MaybeValue()); err == nil && s.Key == "max.message.bytes" {
				p.most = min(n, bufferedBytes)
			}
		}
	}
	p.kafka, err = c.connect(
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerBatchMaxBytes(int32(p.most)),
		kgo.MaxBufferedBytes(bufferedBytes),
		kgo.MaxBufferedRecords(bufferedRecords),
		kgo.RecordPartitioner(chosen{kgo.StickyKeyPartitioner(nil)}),
	)
	return p, err
}

// Close ends the connections.
func (p *Producer) Close() { p.kafka.Close() }

// Most is the largest record that the topic takes, in bytes.
func (p *Producer) Most() int { return p.most }

// Write writes what next returns until that is io.EOF or the context ends, and waits for what
// it took. It returns how many records are in. After the first that fails it takes no more,
// and the fault names it by its number, from 1. An error of next is returned as it is, once
// what came before it has its outcome.
//
// next is called by a goroutine that outlives Write if it does not return.
func (p *Producer) Write(ctx context.Context, next func() (Record, error)) (int64, error) {
	sending, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	stall := time.AfterFunc(actMax, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.gaveUp = p.waiting > 0
		if p.gaveUp {
			giveUp()
		}
	})
	defer stall.Stop()
	stopped := make(chan struct{})
	defer close(stopped)
	records, ended := read(next, stopped)
	failure := make(chan struct{})
	var once sync.Once
	var end error
	for n := int64(1); end == nil; n++ {
		select {
		case r := <-records:
			if r.Partition >= p.partitions {
				end = &Fault{Kind: NotFound, What: fmt.Sprintf("topic %q has no partition %d", p.topic, r.Partition), Next: fmt.Sprintf("it has 0 to %d", p.partitions-1)}
				continue
			}
			p.begin(stall)
			p.kafka.Produce(sending, wire(r), func(_ *kgo.Record, err error) {
				stall.Reset(actMax)
				if !p.outcome(n, err) {
					once.Do(func() { close(failure) })
				}
			})
		case end = <-ended:
		case <-failure:
			end = io.EOF
		case <-ctx.Done():
			end = ctx.Err()
		}
	}
	if p.kafka.Flush(sending) != nil {
		p.kafka.Close() // gives all that waits its outcome
	}
	return p.sum(end)
}

// read calls next until it fails or stopped is closed.
func read(next func() (Record, error), stopped <-chan struct{}) (<-chan Record, <-chan error) {
	records, ended := make(chan Record), make(chan error, 1)
	go func() {
		for {
			r, err := next()
			if err != nil {
				ended <- err
				return
			}
			select {
			case records <- r:
			case <-stopped:
				return
			}
		}
	}()
	return records, ended
}

// begin counts a record that is on its way. The first after a pause begins the wait anew.
func (p *Producer) begin(stall *time.Timer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == 0 {
		stall.Reset(actMax)
	}
	p.waiting++
}

// outcome counts what became of record n, and tells whether it is in.
func (p *Producer) outcome(n int64, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
	if err == nil {
		p.written++
		return true
	}
	if p.failed == 0 || n < p.failed {
		p.failed, p.err = n, err
	}
	return false
}

// sum says what became of the whole.
func (p *Producer) sum(end error) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == 0 {
		if errors.Is(end, io.EOF) {
			end = nil
		}
		return p.written, end
	}
	what := fmt.Sprintf("record %d was not written to %q", p.failed, p.topic)
	err := p.err
	if p.gaveUp {
		what, err = fmt.Sprintf("record %d is not known to be written to %q", p.failed, p.topic), context.DeadlineExceeded
	}
	f, _ := errors.AsType[*Fault](fault(what, err, ""))
	if p.written > 0 {
		f.Kind, f.Next = Partly, fmt.Sprintf("all before it are in, %d in all", p.written)
	}
	return p.written, f
}

// chosen lets a record name its partition, and its key choose where it does not.
type chosen struct{ kgo.Partitioner }

// ForTopic returns the partitioner of one topic.
func (c chosen) ForTopic(topic string) kgo.TopicPartitioner {
	return chosenTopic{c.Partitioner.ForTopic(topic)}
}

type chosenTopic struct{ kgo.TopicPartitioner }

// RequiresConsistency holds for a record that names its partition too.
func (c chosenTopic) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || c.TopicPartitioner.RequiresConsistency(r)
}

// Partition returns the one that the record names.
func (c chosenTopic) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 {
		return int(r.Partition)
	}
	return c.TopicPartitioner.Partition(r, n)
}

func wire(r Record) *kgo.Record {
	k := &kgo.Record{Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return k
}
