package workload

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamhouse/streamhouse/tests/history"
	"github.com/streamhouse/streamhouse/tests/wire"
)

// producer numbers and records what one producer sends.
type producer struct {
	l        *Load
	name     string
	random   *rand.Rand
	sequence int64
}

func (l *Load) producer(name string, seed, stream uint64) *producer {
	return &producer{l: l, name: name, random: rand.New(rand.NewPCG(seed, stream))}
}

// next makes a record: its event, begun, and its value.
func (p *producer) next(to part, d history.Delivery) (history.Event, []byte) {
	e := to.event(history.Event{Start: p.l.w.Now(), Client: p.name, Op: history.Produce, Offset: -1,
		Producer: p.name, Sequence: p.sequence, Delivery: d})
	p.sequence++
	if to.compacted {
		keyed(&e, p.random)
	}
	return e, history.Value(p.name, e.Sequence, p.l.size(p.random))
}

// done records the end of one.
func (p *producer) done(e history.Event, offset int64, err error) {
	e.End = p.l.w.Now()
	if outcome(&e, err); err == nil {
		e.Offset = offset
	}
	p.l.w.Add(e)
}

// send produces through kgo; the promise records the outcome, and then is called.
func (p *producer) send(client *kgo.Client, e history.Event, value []byte, then func(error)) {
	client.Produce(context.Background(), recordOf(&e, value), func(r *kgo.Record, err error) {
		p.done(e, r.Offset, err)
		then(err)
	})
}

// plain sends batches one at a time without repeating any, as a client without
// idempotence: each is acknowledged or unknown.
func (l *Load) plain(ctx context.Context, name string, seed uint64) error {
	p := l.producer(name, seed, 1)
	conn := l.dial(name)
	defer conn.Close()
	for ctx.Err() == nil {
		l.sendOnce(ctx, p, conn, place(p.random, l.targets()), 1+p.random.IntN(6))
		l.rest(ctx, p.random)
	}
	return nil
}

// sendOnce sends one batch in one request.
func (l *Load) sendOnce(ctx context.Context, p *producer, conn *wire.Redial, to part, count int) {
	events, values := make([]history.Event, count), make([][]byte, count)
	for i := range events {
		events[i], values[i] = p.next(to, history.Once)
	}
	batch := wire.Batch(time.Now().UnixMilli(), values...)
	if to.compacted {
		batch = keyedBatch(events, values)
	}
	base, err := conn.Produce(ctx, to.name, to.number, batch)
	for i := range events {
		p.done(events[i], base+int64(i), err)
	}
}

// idempotent sends bursts through kgo's idempotent producer until ctx ends, and waits
// for what is under way.
func (l *Load) idempotent(ctx context.Context, name string, seed uint64) error {
	p := l.producer(name, seed, 2)
	codecs := []kgo.CompressionCodec{kgo.NoCompression()}
	if l.Compressed {
		codecs = append(codecs, kgo.SnappyCompression(), kgo.ZstdCompression(), kgo.Lz4Compression())
	}
	client, err := kgo.NewClient(l.options(name, kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs[seed%uint64(len(codecs))]), kgo.ProducerLinger(time.Millisecond),
		kgo.RecordDeliveryTimeout(l.Patience))...)
	if err != nil {
		return err
	}
	defer client.Close()
	topics := l.targets()
	if l.copies() {
		topics = append(append([]topic{}, topics...), l.in)
	}
	for ctx.Err() == nil {
		for range 1 + p.random.IntN(10) {
			e, value := p.next(place(p.random, topics), history.Idempotent)
			p.send(client, e, value, func(error) {})
		}
		l.rest(ctx, p.random)
	}
	flush, cancel := context.WithTimeout(context.Background(), 2*l.Patience)
	defer cancel()
	return client.Flush(flush)
}
