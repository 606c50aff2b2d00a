package registry

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/registry/state"
)

type metrics struct {
	skipped prometheus.Counter
}

func newMetrics(r *Registry, reg prometheus.Registerer) *metrics {
	m := &metrics{skipped: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "streamhouse_registry_skipped_records_total",
		Help: "Records of the registry's topic that are none of its entries.",
	})}
	gauge := func(name, help string, of func(*state.State) int) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "streamhouse_registry_" + name, Help: help}, func() float64 {
			r.mu.RLock()
			defer r.mu.RUnlock()
			return float64(of(r.durable))
		}))
	}
	reg.MustRegister(m.skipped)
	gauge("subjects", "Subjects of the schema registry, those with nothing but deleted versions too.",
		func(s *state.State) int { n, _ := s.Counts(); return n })
	gauge("ids", "Schema ids that name a schema.", func(s *state.State) int { _, n := s.Counts(); return n })
	gauge("versions", "Versions of all subjects, softly deleted ones too.", func(s *state.State) int { return s.Versions })
	return m
}
