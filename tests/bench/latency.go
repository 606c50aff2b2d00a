package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// samples are latencies of one window.
type samples struct {
	mu    sync.Mutex
	times []time.Duration
	on    atomic.Bool // within the window
	seen  atomic.Int64
}

// add says whether it fell into the window.
func (s *samples) add(d time.Duration) bool {
	s.seen.Add(1)
	if !s.on.Load() {
		return false
	}
	s.keep(d)
	return true
}

func (s *samples) keep(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, d)
}

// sort returns the times in order.
func (s *samples) sort() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.times)
	return s.times
}

// quantile is one of times in order, in ms.
func quantile(times []time.Duration, q float64) float64 {
	return float64(times[int(q*float64(len(times)-1))].Microseconds()) / 1000
}

// report puts the quantiles into a result; too few samples are an error.
func (s *samples) report(r result, window time.Duration, perSecond int) error {
	times := s.sort()
	if floor := int(window.Seconds()*float64(perSecond)) * 8 / 10; len(times) < floor {
		return fmt.Errorf("%d answers in %v, at least %d expected: the broker did not keep up", len(times), window, floor)
	}
	r[p50], r[p99] = quantile(times, 0.5), quantile(times, 0.99)
	r[rate] = float64(len(times)) / window.Seconds()
	return nil
}

// latency measures single-record batches at a fixed rate, alone or beside a saturating
// producer. Time counts from when a batch was due, so that a stall shows in every batch
// that it held up.
func (m *measured) latency(ctx context.Context, busy bool) error {
	const perSecond, senders, partitions = 2000, 4, 16
	if err := m.createTopic(ctx, topicName, partitions); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	group, loading := errgroup.WithContext(loading)
	var bulk atomic.Int64
	if busy {
		if err := m.createTopic(ctx, "bulk", partitions); err != nil {
			return err
		}
		group.Go(func() error { return saturate(loading, m.Addr(), "bulk", shapes()["1k-16p"], 1, &bulk) })
	}
	var s samples
	for sender := range senders {
		group.Go(func() error {
			return m.steady(loading, int32(sender), partitions, senders*time.Second/perSecond, &s)
		})
	}
	if err := s.window(loading, m.settings); err != nil {
		return fmt.Errorf("%w (%w)", err, group.Wait())
	}
	usage, err := readUsage(m.PID())
	if err != nil {
		return err
	}
	stop()
	if err := group.Wait(); err != nil {
		return err
	}
	m.result[peakMemory] = float64(usage.peak) / (1 << 20)
	if busy {
		m.result[throughput] = float64(bulk.Load()) / (1 << 20) / (m.warmup + m.settings.window).Seconds()
	}
	return s.report(m.result, m.settings.window, perSecond)
}

// window lets the load warm up and then takes samples.
func (s *samples) window(ctx context.Context, settings settings) error {
	for _, d := range []time.Duration{settings.warmup, settings.window} {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the load ended by itself: %w", ctx.Err())
		case <-time.After(d):
			s.on.Store(!s.on.Load())
		}
	}
	return nil
}

// steady sends a batch of one record every interval over one connection, whether or not
// earlier ones are answered.
func (m *measured) steady(ctx context.Context, sender int32, partitions int, interval time.Duration, s *samples) error {
	c, err := wire.Dial(m.Addr(), "bench", 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	value := make([]byte, 1024)
	req := wire.ProduceRequest(topicName, 30_000, map[int32][]byte{sender % int32(partitions): wire.Batch(time.Now().UnixMilli(), value)})
	frame := c.Encode(nil, req, 1)
	due := make(chan time.Time, 100_000) // more than a window has
	group := errgroup.Group{}
	group.Go(func() error {
		defer close(due)
		for next := time.Now(); ctx.Err() == nil; next = next.Add(interval) {
			time.Sleep(time.Until(next))
			due <- next
			if _, err := c.Write(frame); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		for sent := range due {
			if err := acknowledged(c, 1, req); err != nil {
				c.Close()
				return err
			}
			s.add(time.Since(sent))
		}
		return nil
	})
	return group.Wait()
}

// endToEnd measures from sending a record to having read it, with franz-go on both
// sides.
func (m *measured) endToEnd(ctx context.Context) error {
	const perSecond, partitions = 1000, 4
	if err := m.createTopic(ctx, topicName, partitions); err != nil {
		return err
	}
	loading, stop := context.WithCancel(ctx)
	defer stop()
	group, loading := errgroup.WithContext(loading)
	var s samples
	group.Go(func() error { return m.readTimes(loading, &s) })
	group.Go(func() error { return m.sendTimes(loading, time.Second/perSecond) })
	if err := s.window(loading, m.settings); err != nil {
		return fmt.Errorf("%w (%w)", err, group.Wait())
	}
	stop()
	if err := group.Wait(); err != nil {
		return err
	}
	return s.report(m.result, m.settings.window, perSecond)
}

// sendTimes produces records that hold the time when they were due.
func (m *measured) sendTimes(ctx context.Context, interval time.Duration) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(m.Addr()), kgo.DefaultProduceTopic(topicName), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		return err
	}
	defer client.Close()
	var failed atomic.Pointer[error]
	for next := time.Now(); ctx.Err() == nil; next = next.Add(interval) {
		time.Sleep(time.Until(next))
		value := make([]byte, 1024)
		binary.BigEndian.PutUint64(value, uint64(next.UnixNano()))
		client.Produce(context.Background(), kgo.SliceRecord(value), func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
		if err := failed.Load(); err != nil {
			return *err
		}
	}
	return client.Flush(context.Background())
}

func (m *measured) readTimes(ctx context.Context, s *samples) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(m.Addr()), kgo.ConsumeTopics(topicName))
	if err != nil {
		return err
	}
	defer client.Close()
	for ctx.Err() == nil {
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			s.add(time.Since(time.Unix(0, int64(binary.BigEndian.Uint64(r.Value)))))
		})
	}
	return nil
}
