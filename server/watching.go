package server

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/config"
	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/protocol"
	"github.com/streamhouse/streamhouse/server/httpd"
	"github.com/streamhouse/streamhouse/server/lag"
	"github.com/streamhouse/streamhouse/server/series"
	"github.com/streamhouse/streamhouse/storage/log"
	"github.com/streamhouse/streamhouse/storage/pack"
)

// seriesMounts serve what is counted per topic, group and partition. Like /metrics they ask
// for no login.
func (n *node) seriesMounts(b *config.Broker) []httpd.Mount {
	table := lag.New(func() lag.Topics { return n.catalog.Snapshot() }, lagGroups{n}, lagLog{n}, n.now)
	c := series.Config{
		Source: func() series.Source {
			if n.started() != nil {
				return nil
			}
			return table
		},
		Max: int(b.Int("metrics.series.max")), Node: b.NodeID, Logger: n.logger.Named("http"),
	}
	return []httpd.Mount{
		{Prefix: "/metrics/detail", Handler: series.Detail(c)},
		{Prefix: "/metrics/compat", Handler: series.Compat(c)},
	}
}

// lagGroups are the groups, which are there once the broker has started.
type lagGroups struct{ *node }

func (l lagGroups) ListGroups(f *coordinator.Filter) ([]coordinator.Listing, protocol.Code) {
	return l.groups.ListGroups(f)
}

func (l lagGroups) FetchOffsets(id string, topics []coordinator.FetchTopic, all bool) ([]coordinator.FetchedTopic, protocol.Code) {
	return l.groups.FetchOffsets(id, topics, all)
}

// lagLog asks the log. Only to tell a time it loads a partition, of which somebody has read
// a part.
type lagLog struct{ *node }

func (l lagLog) Usage(ctx context.Context, id pack.PartitionID) (log.Usage, error) {
	return l.log.Usage(ctx, id)
}

func (l lagLog) TimeAt(ctx context.Context, id pack.PartitionID, offset int64) (ms int64, ok bool, err error) {
	epoch, ok := l.epochs().LeaderEpoch(id)
	if !ok {
		return 0, false, protocol.UnknownTopicOrPartition
	}
	p, err := l.log.Partition(ctx, id, epoch)
	if err != nil {
		return 0, false, err
	}
	return l.log.TimeAt(ctx, p, offset)
}

// readiness shows the conditions of /health/ready to whoever scrapes.
type readiness struct{ *node }

var readyDesc = prometheus.NewDesc("streamhouse_ready", "1 if a condition of readiness holds, else 0; /health says why.", []string{"check"}, nil)

// Describe implements prometheus.Collector.
func (r readiness) Describe(ch chan<- *prometheus.Desc) { ch <- readyDesc }

// Collect implements prometheus.Collector.
func (r readiness) Collect(ch chan<- prometheus.Metric) {
	for _, c := range r.checks() {
		value := 1.0
		if c.Ready() != nil {
			value = 0
		}
		ch <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, value, c.Name)
	}
}

// checks are the conditions of readiness.
func (n *node) checks() []httpd.Check {
	return append([]httpd.Check{{Name: "broker", Ready: n.started}}, n.parts.checks()...)
}
