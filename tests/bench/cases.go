package main

import (
	"context"
	"fmt"
	"time"

	"github.com/streamhouse/streamhouse/tests/peers"
)

// benchCase is one thing to measure.
type benchCase struct {
	name  string
	about string
	run   func(ctx context.Context, m *measured) error
}

// measured is a started broker under measurement.
type measured struct {
	*peers.Broker
	settings
	result
	started time.Duration
}

// shape is how a bulk load looks. A producer's requests hold one batch for each
// partition, as long as they stay within what clients send: with more partitions, the
// batches are smaller.
type shape struct {
	partitions  int
	recordBytes int
	batchBytes  int
}

func shapes() map[string]shape {
	all := map[string]shape{}
	batch := map[int]int{1: 256 << 10, 16: 64 << 10, 100: 16 << 10, 1000: 4 << 10}
	for name, record := range map[string]int{"100b": 100, "1k": 1024} {
		for _, partitions := range []int{1, 16, 100, 1000} {
			all[fmt.Sprintf("%s-%dp", name, partitions)] = shape{partitions, record, batch[partitions]}
		}
	}
	return all
}

func cases() []benchCase {
	all := shapes()
	var list []benchCase
	for _, record := range []string{"1k", "100b"} {
		for _, partitions := range []int{16, 1, 100, 1000} {
			name := fmt.Sprintf("%s-%dp", record, partitions)
			s := all[name]
			list = append(list, benchCase{"produce-" + name,
				fmt.Sprintf("produce, acks=all, batches of %d KiB", s.batchBytes>>10),
				func(ctx context.Context, m *measured) error { return m.produce(ctx, s) }})
		}
	}
	for _, name := range []string{"1k-16p", "100b-16p", "1k-1000p"} {
		s := all[name]
		list = append(list, benchCase{"fetch-" + name, "fetch what was just produced, from the page cache",
			func(ctx context.Context, m *measured) error { return m.fetch(ctx, s) }})
	}
	list = append(list, transactionCases()...)
	return append(list,
		benchCase{"produce-snappy-16p", "franz-go's producer with its defaults, 1 KiB records",
			func(ctx context.Context, m *measured) error { return m.produceSnappy(ctx) }},
		benchCase{"latency-alone", "2,000 single-record batches a second, alone",
			func(ctx context.Context, m *measured) error { return m.latency(ctx, false) }},
		benchCase{"latency-busy", "the same beside a saturating producer",
			func(ctx context.Context, m *measured) error { return m.latency(ctx, true) }},
		benchCase{"end-to-end", "from sending to having read, 1,000 records a second",
			func(ctx context.Context, m *measured) error { return m.endToEnd(ctx) }},
		benchCase{"start", "start with nothing, and after a kill -9 with 1 GiB just written",
			func(ctx context.Context, m *measured) error { return m.start(ctx) }},
	)
}
