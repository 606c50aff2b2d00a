package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"

	"github.com/streamhouse/streamhouse/tests/wire"
)

// fetch produces, and then measures reading all of it twice.
func (m *measured) fetch(ctx context.Context, s shape) error {
	const dataBytes, readers, passes = 2 << 30, 2, 2
	if err := m.createTopic(ctx, topicName, s.partitions); err != nil {
		return err
	}
	written, err := m.fill(ctx, s, dataBytes)
	if err != nil {
		return err
	}
	// Both brokers' writes settle before the reads count.
	time.Sleep(m.warmup / 2)
	before, err := readUsage(m.PID())
	if err != nil {
		return err
	}
	began := time.Now()
	var total atomic.Int64
	for range passes {
		group, ctx := errgroup.WithContext(ctx)
		for reader := range readers {
			group.Go(func() error { return m.drain(ctx, s, reader, readers, &total) })
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	took := time.Since(began)
	after, err := readUsage(m.PID())
	if err != nil {
		return err
	}
	if total.Load() < passes*written {
		return fmt.Errorf("read %d bytes of %d", total.Load(), passes*written)
	}
	m.record(before, after, total.Load(), took)
	delete(m.result, writeFactor)
	return nil
}

// fill produces at least so many bytes and says how many were acknowledged.
func (m *measured) fill(ctx context.Context, s shape, bytes int64) (int64, error) {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var done atomic.Int64
	ended := make(chan error, 1)
	go func() { ended <- saturate(loading, m.Addr(), topicName, s, connections, &done) }()
	for done.Load() < bytes {
		if err := wait(5*time.Millisecond, ended); err != nil {
			return 0, err
		}
	}
	stop()
	return done.Load(), <-ended
}

// drain reads every readers-th partition from its start to its end, as a consumer with
// the Java client's limits would.
func (m *measured) drain(ctx context.Context, s shape, reader, readers int, total *atomic.Int64) error {
	c, err := wire.Dial(m.Addr(), "bench", 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	var order []int32
	next := map[int32]int64{}
	for number := reader; number < s.partitions; number += readers {
		order = append(order, int32(number))
	}
	for len(order) > 0 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		resp, err := c.Call(fetchRequest(order, next), 30*time.Second)
		if err != nil {
			return err
		}
		served, err := advance(resp.(*kmsg.FetchResponse), next, total)
		if err != nil {
			return err
		}
		order = rotate(order, served)
	}
	return nil
}

func fetchRequest(order []int32, next map[int32]int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 12, 500, 1, 50<<20
	req.SessionEpoch = -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topicName
	for _, number := range order {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = number, next[number], 1<<20
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	return req
}

// state of a partition after a reply.
type state int

const (
	empty    state = iota // nothing came, more is there
	some                  // something came, more is there
	finished              // read to its end
)

// advance moves the offsets behind what came.
func advance(resp *kmsg.FetchResponse, next map[int32]int64, total *atomic.Int64) (map[int32]state, error) {
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	served := map[int32]state{}
	for _, t := range resp.Topics {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, fmt.Errorf("partition %d: %w", p.Partition, err)
			}
			total.Add(int64(len(p.RecordBatches)))
			if end := endOf(p.RecordBatches); end > 0 {
				next[p.Partition] = end
				served[p.Partition] = some
			}
			if next[p.Partition] >= p.HighWatermark {
				served[p.Partition] = finished
			}
		}
	}
	return served, nil
}

// endOf is the offset behind the last whole batch, 0 if there is none.
func endOf(batches []byte) (end int64) {
	for len(batches) >= 61 {
		size := 12 + int(binary.BigEndian.Uint32(batches[8:]))
		if size > len(batches) {
			break
		}
		end = int64(binary.BigEndian.Uint64(batches)) + int64(binary.BigEndian.Uint32(batches[23:])) + 1
		batches = batches[size:]
	}
	return end
}

// rotate puts served partitions behind the others, as clients do, and drops finished
// ones.
func rotate(order []int32, served map[int32]state) []int32 {
	var front, back []int32
	for _, number := range order {
		switch served[number] {
		case finished:
		case some:
			back = append(back, number)
		default:
			front = append(front, number)
		}
	}
	return append(front, back...)
}

// start measures starting with nothing, and after a kill with 1 GiB just written.
func (m *measured) start(ctx context.Context) error {
	m.result[startEmpty] = float64(m.started.Milliseconds())
	s := shapes()["1k-16p"]
	if err := m.createTopic(ctx, topicName, s.partitions); err != nil {
		return err
	}
	if _, err := m.fill(ctx, s, 1<<30); err != nil {
		return err
	}
	if err := m.Kill(); err != nil {
		return err
	}
	began := time.Now()
	if err := m.Start(ctx); err != nil {
		return err
	}
	m.result[startKilled] = float64(time.Since(began).Milliseconds())
	return nil
}
