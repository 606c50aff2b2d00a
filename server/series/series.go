// Package series serves what is counted per topic, group and partition: too much for every
// scrape of a broker, so that it lies on addresses of its own and has a bound.
package series

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/streamhouse/streamhouse/coordinator"
	"github.com/streamhouse/streamhouse/server/lag"
)

const (
	// scrapeMax is how long a scrape may take; what came by then is not shown by halves.
	scrapeMax = 10 * time.Second
	// scrapesAtOnce is how many are answered at a time.
	scrapesAtOnce = 2
)

// Source is where the values come from.
type Source interface {
	Partitions(ctx context.Context, fn func(lag.Partition) bool) error
	Offsets(ctx context.Context, fn func(lag.Offset) bool) error
	Groups() ([]coordinator.Listing, error)
}

// Config is what handlers are made of.
type Config struct {
	// Source returns nil while the broker starts.
	Source func() Source
	Max    int // metrics.series.max: series of one scrape
	Node   int32
	Logger *zap.Logger
}

// Detail serves /metrics/detail?by=topic,group,partition (topic and group unless told
// otherwise).
func Detail(c Config) http.Handler {
	return c.handler(func(r *http.Request) (func(*scrape) error, string) {
		by := strings.Split(r.URL.Query().Get("by"), ",")
		if by[0] == "" {
			by = []string{"topic", "group"}
		}
		for _, b := range by {
			if !slices.Contains([]string{"topic", "group", "partition"}, b) {
				return nil, "by is topic, group or partition, or some of them with commas"
			}
		}
		partition := slices.Contains(by, "partition")
		return func(s *scrape) error {
			if partition || slices.Contains(by, "topic") {
				if err := s.topics(slices.Contains(by, "topic"), partition); err != nil {
					return err
				}
			}
			if slices.Contains(by, "group") || partition {
				return s.groups(slices.Contains(by, "group"), partition)
			}
			return nil
		}, ""
	})
}

// handler answers with the series that a scrape collects.
func (c Config) handler(choose func(*http.Request) (func(*scrape) error, string)) http.Handler {
	turns := make(chan struct{}, scrapesAtOnce)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		collect, fault := choose(r)
		if collect == nil {
			http.Error(w, fault, http.StatusBadRequest)
			return
		}
		source := c.Source()
		if source == nil {
			http.Error(w, "the broker starts", http.StatusServiceUnavailable)
			return
		}
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
		default:
			http.Error(w, "as many scrapes as may be at a time are being answered", http.StatusServiceUnavailable)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), scrapeMax)
		defer cancel()
		s := &scrape{ctx: ctx, source: source, left: c.Max, node: c.Node}
		if err := collect(s); err != nil {
			c.Logger.Warn("series were not collected", zap.String("path", r.URL.Path), zap.Error(err))
			http.Error(w, "not collected: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		reg := prometheus.NewRegistry()
		if err := reg.Register(s); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}

// scrape gathers series up to a bound.
type scrape struct {
	ctx    context.Context
	source Source
	node   int32

	left    int
	dropped int
	metrics []prometheus.Metric
}

var dropped = prometheus.NewDesc("streamhouse_detail_dropped_series",
	"Series that this scrape left out, since they would be more than metrics.series.max.", nil, nil)

// Described are all series that there may be, for the docs.
func Described() []*prometheus.Desc {
	return []*prometheus.Desc{
		topicPartitions, topicBytes, topicOffsets, topicReceived, partitionStart, partitionEnd, partitionBytes,
		groupRecords, groupSeconds, groupMembers, offsetCommitted, offsetRecords, offsetSeconds, dropped,
		kafkaBrokers, kafkaPartitions, kafkaCurrent, kafkaOldest, kafkaLeader, kafkaPreferred, kafkaReplicas, kafkaInSync,
		kafkaUnder, kafkaCommitted, kafkaLag, kafkaSum, kafkaLagSum, kafkaMembers,
	}
}

// Describe implements prometheus.Collector: which series come is not known before.
func (s *scrape) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *scrape) Collect(ch chan<- prometheus.Metric) {
	for _, m := range s.metrics {
		ch <- m
	}
	ch <- prometheus.MustNewConstMetric(dropped, prometheus.GaugeValue, float64(s.dropped))
}

func (s *scrape) add(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
	if s.left == 0 {
		s.dropped++
		return
	}
	s.left--
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD") // a group id may be any bytes
	}
	s.metrics = append(s.metrics, prometheus.MustNewConstMetric(d, kind, value, labels...))
}

func (s *scrape) gauge(d *prometheus.Desc, value float64, labels ...string) {
	s.add(d, prometheus.GaugeValue, value, labels...)
}

func number(partition int32) string { return strconv.Itoa(int(partition)) }
