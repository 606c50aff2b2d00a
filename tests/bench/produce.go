package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/tests/wire"
)

const (
	topicName   = "bench"
	inFlight    = 5 // requests, as producers have
	connections = 3

	// replyBound is how long a broker may take for one request: long, since one that
	// writes a thousand files at a time may stall for tens of seconds.
	replyBound = 2 * time.Minute
)

// produce measures bulk produce.
func (m *measured) produce(ctx context.Context, s shape) error {
	if err := m.createTopic(ctx, topicName, s.partitions); err != nil {
		return err
	}
	return m.window(ctx, func(ctx context.Context, done *atomic.Int64) error {
		return saturate(ctx, m.Addr(), topicName, s, connections, done)
	})
}

// window runs a load, lets it warm up and measures it for a while. The load counts the
// record bytes that were acknowledged, and ends with its context.
func (m *measured) window(ctx context.Context, load func(ctx context.Context, done *atomic.Int64) error) error {
	var done atomic.Int64
	loading, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- load(loading, &done) }()
	if err := warm(m.warmup, &done, ended); err != nil {
		return err
	}
	before, err := readUsage(m.PID())
	if err != nil {
		return err
	}
	first, began := done.Load(), time.Now()
	for more(time.Since(began), done.Load()-first, m.settings) {
		if err := wait(20*time.Millisecond, ended); err != nil {
			return err
		}
	}
	after, err := readUsage(m.PID())
	if err != nil {
		return err
	}
	bytes, took := done.Load()-first, time.Since(began)
	stop()
	if err := <-ended; err != nil {
		return err
	}
	m.record(before, after, bytes, took)
	return nil
}

// warm waits for the warm-up, and until the load moves: with many partitions a broker
// may take its time for the first requests.
func warm(d time.Duration, done *atomic.Int64, ended chan error) error {
	for began := time.Now(); time.Since(began) < d || done.Load() == 0; {
		if err := wait(20*time.Millisecond, ended); err != nil {
			return err
		}
	}
	return nil
}

// more says whether a window goes on: over its time, or longer if hardly anything has
// been acknowledged, or shorter if the disk would fill.
func more(took time.Duration, bytes int64, s settings) bool {
	const enough = 128 << 20
	if took < s.window {
		return bytes < s.maxBytes
	}
	return bytes < enough && took < replyBound
}

// record turns a window into figures.
func (m *measured) record(before, after usage, bytes int64, took time.Duration) {
	gib := float64(bytes) / (1 << 30)
	m.result[throughput] = gib * 1024 / took.Seconds()
	m.result[userCPU] = (after.user - before.user) / gib
	m.result[systemCPU] = (after.system - before.system) / gib
	m.result[peakMemory] = float64(after.peak) / (1 << 20)
	m.result[writeFactor] = float64(after.written-before.written) / float64(bytes)
}

// wait pauses, unless a load ends: then something is wrong.
func wait(d time.Duration, ended chan error) error {
	select {
	case err := <-ended:
		ended <- nil
		return errors.Join(errors.New("the load ended by itself"), err)
	case <-time.After(d):
		return nil
	}
}

// createTopic makes a topic and waits until every partition takes records: metadata may
// name a leader that has not heard of it yet.
func (m *measured) createTopic(ctx context.Context, name string, partitions int) error {
	c, err := wire.Dial(m.Addr(), "bench", 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	create := kmsg.NewPtrCreateTopicsRequest()
	create.Version, create.TimeoutMillis = 5, 60_000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, int32(partitions), 1
	create.Topics = append(create.Topics, t)
	resp, err := c.Call(create, time.Minute)
	if err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode); err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	for ctx.Err() == nil {
		n, err := leaders(c, name)
		if err != nil {
			return err
		}
		if n == partitions && accepts(c, name, partitions) == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return ctx.Err()
}

// accepts sends a record to every partition.
func accepts(c *wire.Conn, topic string, partitions int) error {
	batches := map[int32][]byte{}
	for number := range partitions {
		batches[int32(number)] = wire.Batch(time.Now().UnixMilli(), []byte("is ready"))
	}
	req := wire.ProduceRequest(topic, 30_000, batches)
	id, err := c.Send(req)
	if err != nil {
		return err
	}
	return acknowledged(c, id, req)
}

// leaders counts the partitions of a topic that have a leader.
func leaders(c *wire.Conn, topic string) (int, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 9
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &topic
	req.Topics = append(req.Topics, t)
	resp, err := c.Call(req, time.Minute)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, p := range resp.(*kmsg.MetadataResponse).Topics[0].Partitions {
		if p.ErrorCode == 0 && p.Leader >= 0 {
			n++
		}
	}
	return n, nil
}

// saturate sends the same request over and over on each connection, with as many in
// flight as producers have, until ctx ends.
func saturate(ctx context.Context, addr, topic string, s shape, connections int, done *atomic.Int64) error {
	req, payload := s.request(topic)
	group, ctx := errgroup.WithContext(ctx)
	for range connections {
		group.Go(func() error {
			c, err := wire.Dial(addr, "bench", 5*time.Second)
			if err != nil {
				return err
			}
			defer c.Close()
			return pump(ctx, c, req, payload, done)
		})
	}
	return group.Wait()
}

// request builds the request that a shape's producers send, and says how many bytes of
// record values it has.
func (s shape) request(topic string) (*kmsg.ProduceRequest, int64) {
	random := rand.NewChaCha8([32]byte{})
	batches := map[int32][]byte{}
	payload := int64(0)
	for number := range s.partitions {
		values := make([][]byte, max(1, s.batchBytes/s.recordBytes))
		for i := range values {
			values[i] = make([]byte, s.recordBytes)
			_, _ = random.Read(values[i]) // cannot fail
			payload += int64(s.recordBytes)
		}
		batches[int32(number)] = wire.Batch(time.Now().UnixMilli(), values...)
	}
	return wire.ProduceRequest(topic, int32(replyBound.Milliseconds()), batches), payload
}

// pump keeps the window of one connection full. One goroutine sends, this one receives.
func pump(ctx context.Context, c *wire.Conn, req *kmsg.ProduceRequest, payload int64, done *atomic.Int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	frame := c.Encode(nil, req, 1)
	pending := make(chan struct{}, inFlight-1) // a token per request that waits; one more is being received
	var sendErr error                          // valid when pending is closed
	go func() {
		defer close(pending)
		for {
			select {
			case <-ctx.Done():
				return
			case pending <- struct{}{}:
			}
			if _, sendErr = c.Write(frame); sendErr != nil {
				return
			}
		}
	}()
	var err error
	for range pending {
		if err = c.SetReadDeadline(time.Now().Add(replyBound)); err == nil {
			err = acknowledged(c, 1, req)
		}
		if err != nil {
			break
		}
		done.Add(payload)
	}
	cancel()
	c.Close() // or the sender may wait for ever
	for range pending {
	}
	return errors.Join(err, sendErr)
}

// acknowledged reads the reply to req, sent as id, and wants every partition to have taken its batch.
func acknowledged(c *wire.Conn, id int32, req *kmsg.ProduceRequest) error {
	resp, err := c.Receive(id, req)
	if err != nil {
		return err
	}
	n := 0
	for _, t := range resp.(*kmsg.ProduceResponse).Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("%s-%d: %w", t.Topic, p.Partition, err)
			}
			n++
		}
	}
	if n != len(req.Topics[0].Partitions) {
		return fmt.Errorf("reply for %d of %d partitions", n, len(req.Topics[0].Partitions))
	}
	return nil
}

// produceSnappy measures franz-go's producer as it is without any option.
func (m *measured) produceSnappy(ctx context.Context) error {
	const partitions, recordBytes = 16, 1024
	if err := m.createTopic(ctx, topicName, partitions); err != nil {
		return err
	}
	values := make([][]byte, 4096) // more than a batch holds
	for i := range values {
		values[i] = compressible(uint64(i), recordBytes)
	}
	return m.window(ctx, func(ctx context.Context, done *atomic.Int64) error {
		client, err := kgo.NewClient(kgo.SeedBrokers(m.Addr()), kgo.DefaultProduceTopic(topicName))
		if err != nil {
			return err
		}
		defer client.Close()
		var failed atomic.Pointer[error]
		for i := 0; ctx.Err() == nil && failed.Load() == nil; i++ {
			client.Produce(context.Background(), kgo.SliceRecord(values[i%len(values)]), func(_ *kgo.Record, err error) {
				if err != nil {
					failed.Store(&err)
					return
				}
				done.Add(recordBytes)
			})
		}
		if err := client.Flush(context.Background()); err != nil {
			return err
		}
		if err := failed.Load(); err != nil {
			return *err
		}
		return nil
	})
}

// compressible is text such as logs have: it shrinks to about a third.
func compressible(seed uint64, size int) []byte {
	random := rand.New(rand.NewPCG(seed, 2))
	var text []byte
	for len(text) < size {
		text = fmt.Appendf(text, `{"time":%d,"level":"info","user":"u%06d","path":"/orders/%d","ms":%d},`,
			1_700_000_000_000+random.IntN(1e9), random.IntN(1e6), random.IntN(1e5), random.IntN(500))
	}
	return text[:size]
}
