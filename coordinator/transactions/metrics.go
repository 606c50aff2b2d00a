package transactions

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/coordinator/txn"
)

// metrics counts what the coordinator does, and how many ids are in which state, as they
// change: a scrape waits for no shard.
type metrics struct {
	coordinator *Coordinator
	commits     prometheus.Counter
	aborts      prometheus.Counter
	timeouts    prometheus.Counter
	expired     prometheus.Counter
	loaded      prometheus.Counter
	ids         *prometheus.Desc
	stored      [len(txn.Statuses)]atomic.Int64
}

// move counts an id whose stored state becomes another; nil: it has none.
func (m *metrics) move(from, to *txn.State) {
	if from != nil {
		m.stored[from.Status].Add(-1)
	}
	if to != nil {
		m.stored[to.Status].Add(1)
	}
}

func newMetrics(c *Coordinator, reg prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "streamhouse_transaction" + name, Help: help})
	}
	m := &metrics{
		coordinator: c,
		commits:     counter("_commits_total", "Transactions that were committed."),
		aborts:      counter("_aborts_total", "Transactions that were aborted."),
		timeouts:    counter("_timeouts_total", "Transactions that were aborted since they lasted too long."),
		expired:     counter("al_id_expirations_total", "Transactional ids that were forgotten since nobody used them."),
		loaded:      counter("_coordinator_load_bytes_total", "Bytes of "+TopicName+" that were read to load transactions."),
		ids:         prometheus.NewDesc("streamhouse_transactional_ids", "Transactional ids by state.", []string{"state"}, nil),
	}
	if reg != nil {
		reg.MustRegister(m)
	}
	return m
}

func (m *metrics) counters() []prometheus.Counter {
	return []prometheus.Counter{m.commits, m.aborts, m.timeouts, m.expired, m.loaded}
}

// count counts a change that has become durable.
func (m *metrics) count(w *write) {
	if w.state == nil {
		return
	}
	switch w.state.Status {
	case txn.CompleteCommit:
		m.commits.Inc()
	case txn.CompleteAbort:
		m.aborts.Inc()
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.counters() {
		c.Describe(ch)
	}
	ch <- m.ids
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.counters() {
		c.Collect(ch)
	}
	for _, st := range txn.Statuses {
		ch <- prometheus.MustNewConstMetric(m.ids, prometheus.GaugeValue, float64(m.stored[st].Load()), st.String())
	}
}
