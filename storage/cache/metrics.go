package cache

import "github.com/prometheus/client_golang/prometheus"

// metrics count what the cache does. The names are stable.
type metrics struct {
	hits, misses, ahead, evictions, fetched prometheus.Counter
	bytes, openFiles                        prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "streamhouse", Subsystem: "cache", Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "streamhouse", Subsystem: "cache", Name: name, Help: help})
	}
	m := &metrics{
		hits:      counter("hits_total", "Blocks of sealed objects that were in memory, or on their way there, when a reader wanted them."),
		misses:    counter("misses_total", "Blocks of sealed objects that had to be fetched for a reader."),
		ahead:     counter("read_ahead_total", "Blocks of sealed objects that were fetched ahead of a sequential reader."),
		evictions: counter("evictions_total", "Blocks that made room for others."),
		fetched:   counter("fetched_bytes_total", "Bytes of sealed objects that were fetched from the bucket."),
		bytes:     gauge("memory_bytes", "Bytes of blocks in memory."),
		openFiles: gauge("open_files", "Open files of sealed objects."),
	}
	if reg != nil {
		reg.MustRegister(m.hits, m.misses, m.ahead, m.evictions, m.fetched, m.bytes, m.openFiles)
	}
	return m
}
