package broker

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/wire"
	"github.com/streamhouse/streamhouse/protocol"
)

// metrics are the network's. Handles of labels are looked up once per key and code,
// so that a request costs two additions.
type metrics struct {
	requests    *prometheus.CounterVec
	byKey       [128]*meter
	received    prometheus.Counter
	sent        prometheus.Counter
	connections *prometheus.GaugeVec
	refused     *prometheus.CounterVec
	closed      *prometheus.CounterVec
	panics      prometheus.Counter
	logins      *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, routes *api.Routes, budget *wire.Budget, answers *wire.Answers) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamhouse_requests_total",
			Help: "Requests answered, by API and by the first error in the answer.",
		}, []string{"api", "code"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamhouse_network_received_bytes_total", Help: "Bytes read from clients.",
		}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamhouse_network_sent_bytes_total", Help: "Bytes written to clients.",
		}),
		connections: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "streamhouse_connections", Help: "Open connections, by listener.",
		}, []string{"listener"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamhouse_connections_refused_total", Help: "Connections closed at once because of a limit.",
		}, []string{"limit"}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamhouse_connections_closed_total", Help: "Connections ended, by reason.",
		}, []string{"reason"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamhouse_request_panics_total", Help: "Handlers that panicked; each closed one connection.",
		}),
	}
	m.logins = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "streamhouse_logins_total", Help: "Logins of clients, by SASL mechanism and outcome.",
	}, []string{"mechanism", "outcome"})
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "streamhouse_request_seconds",
		Help:    "Time from a request's first byte to its outcome, by API.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 14),
	}, []string{"api"})
	memory := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "streamhouse_request_memory_bytes", Help: "Memory taken by requests on their way in.",
	}, func() float64 { return float64(budget.Used()) })
	owed := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "streamhouse_answer_memory_bytes", Help: "Memory taken by large answers until clients have them, without record data.",
	}, func() float64 { return float64(answers.Used()) })
	reg.MustRegister(m.requests, took, m.received, m.sent, m.connections, m.refused, m.closed, m.panics, m.logins, memory, owed)
	for _, spec := range routes.Specs() {
		m.byKey[spec.Key] = &meter{
			counters: m.requests.MustCurryWith(prometheus.Labels{"api": spec.Name}),
			took:     took.WithLabelValues(spec.Name),
		}
	}
	return m
}

// meter counts the requests of one API.
type meter struct {
	counters *prometheus.CounterVec
	took     prometheus.Observer
	byCode   [160]atomic.Pointer[prometheus.Counter]
}

// Observe counts one request with the first error of its answer.
func (m *meter) Observe(code protocol.Code, took time.Duration) {
	m.took.Observe(took.Seconds())
	at := int(code) + 1
	if at < 0 || at >= len(m.byCode) {
		m.counters.WithLabelValues(code.String()).Inc()
		return
	}
	c := m.byCode[at].Load()
	if c == nil {
		made := m.counters.WithLabelValues(code.String())
		c = &made
		m.byCode[at].Store(c)
	}
	(*c).Inc()
}
