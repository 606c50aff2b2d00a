package series

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/server/lag"
)

// Compat serves /metrics/compat?style=kafka_exporter: the names that dashboards and alerts
// made for danielqsj/kafka_exporter ask for. There is one broker, and what is durable is
// so without copies: each partition has one replica, which is in sync.
func Compat(c Config) http.Handler {
	return c.handler(func(r *http.Request) (func(*scrape) error, string) {
		if style := r.URL.Query().Get("style"); style != "kafka_exporter" {
			return nil, "style is kafka_exporter"
		}
		return (*scrape).kafkaExporter, ""
	})
}

func kafka(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("kafka_"+name, help, labels, nil)
}

// The names and labels of kafka_exporter.
var (
	kafkaBrokers    = kafka("brokers", "Brokers of the cluster.")
	kafkaPartitions = kafka("topic_partitions", "Partitions of a topic.", "topic")
	kafkaCurrent    = kafka("topic_partition_current_offset", "End of a partition.", "topic", "partition")
	kafkaOldest     = kafka("topic_partition_oldest_offset", "First offset of a partition.", "topic", "partition")
	kafkaLeader     = kafka("topic_partition_leader", "Broker that leads a partition.", "topic", "partition")
	kafkaPreferred  = kafka("topic_partition_leader_is_preferred", "1 if the leader is the preferred one.", "topic", "partition")
	kafkaReplicas   = kafka("topic_partition_replicas", "Replicas of a partition.", "topic", "partition")
	kafkaInSync     = kafka("topic_partition_in_sync_replica", "Replicas of a partition that are in sync.", "topic", "partition")
	kafkaUnder      = kafka("topic_partition_under_replicated_partition", "1 if replicas are missing.", "topic", "partition")
	kafkaCommitted  = kafka("consumergroup_current_offset", "Offset that a group has committed.", "consumergroup", "topic", "partition")
	kafkaLag        = kafka("consumergroup_lag", "Records of a partition that a group has not committed.", "consumergroup", "topic", "partition")
	kafkaSum        = kafka("consumergroup_current_offset_sum", "Sum of the offsets that a group has committed.", "consumergroup", "topic")
	kafkaLagSum     = kafka("consumergroup_lag_sum", "Records of a topic that a group has not committed.", "consumergroup", "topic")
	kafkaMembers    = kafka("consumergroup_members", "Members of a group.", "consumergroup")
)

func (s *scrape) kafkaExporter() error {
	s.gauge(kafkaBrokers, 1)
	count := map[string]int{}
	err := s.source.Partitions(s.ctx, func(p lag.Partition) bool {
		count[p.Topic]++
		n := number(p.Partition)
		s.gauge(kafkaCurrent, float64(p.HighWatermark), p.Topic, n)
		s.gauge(kafkaOldest, float64(p.LogStart), p.Topic, n)
		s.gauge(kafkaLeader, float64(s.node), p.Topic, n)
		s.gauge(kafkaPreferred, 1, p.Topic, n)
		s.gauge(kafkaReplicas, 1, p.Topic, n)
		s.gauge(kafkaInSync, 1, p.Topic, n)
		s.gauge(kafkaUnder, 0, p.Topic, n)
		return true
	})
	if err != nil {
		return err
	}
	for topic, n := range count {
		s.gauge(kafkaPartitions, float64(n), topic)
	}
	type at struct{ group, topic string }
	committed, behind := map[at]float64{}, map[at]float64{}
	err = s.source.Offsets(s.ctx, func(o lag.Offset) bool {
		s.gauge(kafkaCommitted, float64(o.Committed), o.Group, o.Topic, number(o.Partition))
		s.gauge(kafkaLag, float64(o.Records), o.Group, o.Topic, number(o.Partition))
		committed[at{o.Group, o.Topic}] += float64(o.Committed)
		behind[at{o.Group, o.Topic}] += float64(o.Records)
		return true
	})
	if err != nil {
		return err
	}
	for k, n := range committed {
		s.gauge(kafkaSum, n, k.group, k.topic)
		s.gauge(kafkaLagSum, behind[k], k.group, k.topic)
	}
	return s.members(kafkaMembers)
}
