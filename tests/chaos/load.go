package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// load is what the clients of a run share.
type load struct {
	addr       string
	topics     []string
	partitions int // per topic
	history    *History
	acked      func(n int) // told of acknowledged records
}

// options are those of every kgo client here: quick to notice that the broker is back.
func (l *load) options(more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(l.addr),
		kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		kgo.MetadataMinAge(20 * time.Millisecond),
		kgo.DialTimeout(time.Second),
		kgo.RetryTimeout(2 * time.Minute),
	}, more...)
}

// place picks a random partition.
func (l *load) place(random *rand.Rand) (topic string, number int32) {
	return l.topics[random.IntN(len(l.topics))], int32(random.IntN(l.partitions))
}

// valueSize picks a size such that most records are small and some span many sectors.
func valueSize(random *rand.Rand) int {
	switch random.IntN(100) {
	case 0:
		return 50_000 + random.IntN(100_000)
	case 1, 2, 3, 4, 5:
		return 4_000 + random.IntN(12_000)
	default:
		return 10 + random.IntN(500)
	}
}

// idempotent produces bursts with franz-go's idempotent producer until ctx ends, then
// waits for what is under way.
func (l *load) idempotent(ctx context.Context, name string, seed uint64, codec kgo.CompressionCodec) error {
	w, err := l.history.Writer(name)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(l.options(kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(time.Millisecond),
		kgo.MaxBufferedRecords(2000), kgo.RecordDeliveryTimeout(2*time.Minute))...)
	if err != nil {
		return err
	}
	defer client.Close()
	random := rand.New(rand.NewPCG(seed, 1))
	sequence := int64(0)
	for ctx.Err() == nil {
		for range 1 + random.IntN(40) {
			topic, number := l.place(random)
			e := Event{Op: OpProduce, Start: l.history.Now(), Topic: topic, Partition: number, Producer: name, Sequence: sequence}
			r := &kgo.Record{Topic: topic, Partition: number, Value: value(name, sequence, valueSize(random))}
			sequence++
			client.Produce(context.Background(), r, func(r *kgo.Record, err error) {
				e.End, e.Outcome, e.Offset = l.history.Now(), OK, r.Offset
				if err != nil {
					e.Outcome, e.Error = Unknown, err.Error()
				} else {
					l.acked(1)
				}
				w.Add(e)
			})
		}
		pause(ctx, time.Duration(random.IntN(100))*time.Millisecond)
	}
	flush, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return client.Flush(flush)
}

// plain produces batches one at a time without retries, as a client without
// idempotence: each is acknowledged or unknown.
func (l *load) plain(ctx context.Context, name string, seed uint64) error {
	w, err := l.history.Writer(name)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(seed, 2))
	sequence := int64(0)
	conn := &redial{addr: l.addr, name: name}
	defer conn.drop()
	for ctx.Err() == nil {
		topic, number := l.place(random)
		events := make([]Event, 1+random.IntN(10))
		values := make([][]byte, len(events))
		for i := range events {
			events[i] = Event{Op: OpProduce, Outcome: Unknown, Start: l.history.Now(), Topic: topic, Partition: number, Producer: name, Sequence: sequence}
			values[i] = value(name, sequence, valueSize(random))
			sequence++
		}
		base, err := conn.produce(ctx, topic, number, wire.Batch(time.Now().UnixMilli(), values...))
		for i := range events {
			events[i].End = l.history.Now()
			if err != nil {
				events[i].Error = err.Error()
			} else {
				events[i].Outcome, events[i].Offset = OK, base+int64(i)
			}
			w.Add(events[i])
		}
		if err == nil {
			l.acked(len(events))
		}
		pause(ctx, time.Duration(random.IntN(20))*time.Millisecond)
	}
	return nil
}

// pause waits, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// redial is a connection that is made anew when it broke. A request is sent once.
type redial struct {
	addr, name string
	conn       *wire.Conn
}

func (r *redial) drop() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

// call sends a request once, over a new connection if the last one broke, waiting for
// the broker to be there.
func (r *redial) call(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	for r.conn == nil {
		var err error
		if r.conn, err = wire.Dial(r.addr, r.name, time.Second); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			pause(ctx, 3*time.Millisecond)
		}
	}
	resp, err := r.conn.Call(req, 30*time.Second)
	if err != nil {
		r.drop()
	}
	return resp, err
}

// produce sends one batch and returns the offset of its first record.
func (r *redial) produce(ctx context.Context, topic string, number int32, batch []byte) (int64, error) {
	resp, err := r.call(ctx, wire.ProduceRequest(topic, 20_000, map[int32][]byte{number: batch}))
	if err != nil {
		return 0, err
	}
	answer := resp.(*kmsg.ProduceResponse)
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("answer for %d topics", len(answer.Topics))
	}
	p := answer.Topics[0].Partitions[0]
	return p.BaseOffset, kerr.ErrorForCode(p.ErrorCode)
}
