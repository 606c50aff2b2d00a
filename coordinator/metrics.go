package coordinator

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/coordinator/group"
)

// census counts groups, members and offsets as they change, so that a scrape waits for no
// shard.
type census struct {
	states  [len(group.States)]atomic.Int64
	members atomic.Int64
	offsets atomic.Int64
}

// counted is how a group stands in the census.
type counted struct {
	there            bool
	state            group.State
	members, offsets int
}

// count brings the census up to date with what a step has changed of a group; one that is
// not the shard's any more leaves it. The caller holds s.mu.
func (s *shard) count(e *entry) {
	now := counted{}
	if s.groups[e.group.ID()] == e {
		now = counted{true, e.group.State(), e.group.Size(), e.offsets.Len()}
	}
	s.coordinator.census.move(e.counted, now)
	e.counted = now
}

func (c *census) move(from, to counted) {
	if from == to {
		return
	}
	if from.there {
		c.states[from.state].Add(-1)
	}
	if to.there {
		c.states[to.state].Add(1)
	}
	c.members.Add(int64(to.members - from.members))
	c.offsets.Add(int64(to.offsets - from.offsets))
}

// metrics counts what the coordinator does, and shows its census.
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
	c := &m.coordinator.census
	for _, state := range group.States {
		ch <- prometheus.MustNewConstMetric(m.groups, prometheus.GaugeValue, float64(c.states[state].Load()), state.String())
	}
	ch <- prometheus.MustNewConstMetric(m.members, prometheus.GaugeValue, float64(c.members.Load()))
	ch <- prometheus.MustNewConstMetric(m.offsets, prometheus.GaugeValue, float64(c.offsets.Load()))
}
