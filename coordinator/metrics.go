package coordinator

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/coordinator/group"
)

// metrics counts what the coordinator does, and at each scrape how many groups are
// in which state.
type metrics struct {
	coordinator *Coordinator
	commits     prometheus.Counter
	expired     prometheus.Counter
	loaded      prometheus.Counter
	skipped     prometheus.Counter
	groups      *prometheus.Desc
	members     *prometheus.Desc
	offsets     *prometheus.Desc
}

func newMetrics(c *Coordinator, reg prometheus.Registerer) *metrics {
	m := &metrics{
		coordinator: c,
		commits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamhouse_group_offset_commits_total", Help: "Offsets that were committed.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamhouse_group_offset_expirations_total", Help: "Offsets whose retention ended.",
		}),
		loaded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamhouse_coordinator_load_bytes_total", Help: "Bytes of " + TopicName + " that were read to load groups.",
		}),
		skipped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamhouse_coordinator_records_skipped_total", Help: "Records of " + TopicName + " that could not be understood when groups were loaded.",
		}),
		groups:  prometheus.NewDesc("streamhouse_groups", "Consumer groups by state.", []string{"state"}, nil),
		members: prometheus.NewDesc("streamhouse_group_members", "Members of all groups.", nil, nil),
		offsets: prometheus.NewDesc("streamhouse_group_offsets", "Committed offsets of all groups.", nil, nil),
	}
	if reg != nil {
		reg.MustRegister(m)
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	m.commits.Describe(ch)
	m.expired.Describe(ch)
	m.loaded.Describe(ch)
	m.skipped.Describe(ch)
	ch <- m.groups
	ch <- m.members
	ch <- m.offsets
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.commits.Collect(ch)
	m.expired.Collect(ch)
	m.loaded.Collect(ch)
	m.skipped.Collect(ch)
	var states [len(group.States)]int
	members, offsets := 0, 0
	for _, s := range m.coordinator.all() {
		s.mu.Lock()
		for _, e := range s.groups {
			states[e.group.State()]++
			members += e.group.Size()
			offsets += e.offsets.Len()
		}
		s.mu.Unlock()
	}
	for _, state := range group.States {
		ch <- prometheus.MustNewConstMetric(m.groups, prometheus.GaugeValue, float64(states[state]), state.String())
	}
	ch <- prometheus.MustNewConstMetric(m.members, prometheus.GaugeValue, float64(members))
	ch <- prometheus.MustNewConstMetric(m.offsets, prometheus.GaugeValue, float64(offsets))
}
