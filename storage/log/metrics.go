package log

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	packs          prometheus.Counter
	packBytes      prometheus.Counter
	batches        prometheus.Counter
	syncTime       prometheus.Histogram
	rolls          prometheus.Counter
	rollFailures   prometheus.Counter
	admissionWaits prometheus.Counter
	readFailures   prometheus.Counter
	unsealed       prometheus.Gauge
	refolds        prometheus.Counter
	damaged        prometheus.Gauge
	extents        prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "streamhouse", Name: name, Help: help})
		r.MustRegister(c)
		return c
	}
	m := &metrics{
		packs:          counter("journal_packs_total", "Packs made durable."),
		packBytes:      counter("journal_bytes_total", "Bytes made durable in the journal, headers and indexes included."),
		batches:        counter("journal_batches_total", "Record batches made durable."),
		rolls:          counter("journal_rolls_total", "Journal volumes closed."),
		rollFailures:   counter("journal_roll_failures_total", "Attempts to close a journal volume that failed."),
		admissionWaits: counter("log_admission_waits_total", "Appends that waited for room in a pack."),
		readFailures:   counter("log_read_failures_total", "Reads of stored batches that failed."),
		syncTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "streamhouse", Name: "journal_sync_seconds",
			Help:    "Time from closing a pack to its being durable.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
	}
	m.refolds = counter("partition_refolds_total", "States of partitions that were folded anew because their block did not check.")
	m.damaged = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "streamhouse", Name: "partitions_damaged",
		Help: "Partitions that are not served because what is stored of them does not check.",
	})
	m.extents = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "streamhouse", Name: "journal_index_bytes", Help: "Memory for where batches lie in the journal, as last measured.",
	})
	m.unsealed = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "streamhouse", Name: "journal_unsealed_bytes",
		Help: "Bytes in the journal that are not sealed into segments yet.",
	})
	r.MustRegister(m.syncTime, m.unsealed, m.damaged, m.extents)
	return m
}

func (m *metrics) packDurable(batches int, bytes int64, took time.Duration) {
	m.packs.Inc()
	m.packBytes.Add(float64(bytes))
	m.batches.Add(float64(batches))
	m.syncTime.Observe(took.Seconds())
}
