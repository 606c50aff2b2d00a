package series

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamhouse/streamhouse/server/lag"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("streamhouse_"+name, help, labels, nil)
}

// The series of /metrics/detail.
var (
	topicPartitions = desc("topic_partitions", "Partitions of a topic.", "topic")
	topicBytes      = desc("topic_bytes", "Bytes of a topic's batches as they are stored.", "topic")
	topicOffsets    = desc("topic_offsets_total", "Offsets that a topic's partitions have given out: records, and the markers of transactions.", "topic")
	topicReceived   = desc("topic_received_bytes_total", "Bytes of a topic's batches that became durable since the broker loaded their partitions.", "topic")

	partitionStart = desc("partition_log_start_offset", "First offset of a partition.", "topic", "partition")
	partitionEnd   = desc("partition_high_watermark", "End of a partition: the offset that its next durable record gets.", "topic", "partition")
	partitionBytes = desc("partition_bytes", "Bytes of a partition's batches as they are stored.", "topic", "partition")

	groupRecords = desc("group_lag_records", "Records of a topic that a group has not committed.", "group", "topic")
	groupSeconds = desc("group_lag_seconds", "Time since the oldest record of a topic was written that a group has not committed.", "group", "topic")
	groupMembers = desc("group_members_by_group", "Members of a group.", "group")

	offsetCommitted = desc("group_partition_committed_offset", "Offset that a group has committed.", "group", "topic", "partition")
	offsetRecords   = desc("group_partition_lag_records", "Records of a partition that a group has not committed.", "group", "topic", "partition")
	offsetSeconds   = desc("group_partition_lag_seconds", "Time since the oldest record of a partition was written that a group has not committed.", "group", "topic", "partition")
)

// topics adds what topics and their partitions hold.
func (s *scrape) topics(byTopic, byPartition bool) error {
	var name string
	var partitions, offsets, bytes, received float64
	flush := func() {
		if !byTopic || partitions == 0 {
			return
		}
		s.gauge(topicPartitions, partitions, name)
		s.gauge(topicBytes, bytes, name)
		s.add(topicOffsets, prometheus.CounterValue, offsets, name)
		s.add(topicReceived, prometheus.CounterValue, received, name)
	}
	err := s.source.Partitions(s.ctx, func(p lag.Partition) bool {
		if p.Topic != name {
			flush()
			name, partitions, offsets, bytes, received = p.Topic, 0, 0, 0, 0
		}
		partitions++
		offsets += float64(p.HighWatermark)
		bytes += float64(p.Bytes)
		received += float64(p.Received)
		if byPartition {
			s.gauge(partitionStart, float64(p.LogStart), p.Topic, number(p.Partition))
			s.gauge(partitionEnd, float64(p.HighWatermark), p.Topic, number(p.Partition))
			s.gauge(partitionBytes, float64(p.Bytes), p.Topic, number(p.Partition))
		}
		return true
	})
	flush()
	return err
}

// groups adds how far groups are behind: per topic the sum of records and the longest time.
func (s *scrape) groups(byGroup, byPartition bool) error {
	type at struct{ group, topic string }
	var now at
	var records, seconds float64
	flush := func() {
		if byGroup && now.group != "" {
			s.gauge(groupRecords, records, now.group, now.topic)
			s.gauge(groupSeconds, seconds, now.group, now.topic)
		}
	}
	err := s.source.Offsets(s.ctx, func(o lag.Offset) bool {
		if (at{o.Group, o.Topic}) != now {
			flush()
			now, records, seconds = at{o.Group, o.Topic}, 0, 0
		}
		records += float64(o.Records)
		seconds = max(seconds, o.Behind.Seconds())
		if byPartition {
			s.gauge(offsetCommitted, float64(o.Committed), o.Group, o.Topic, number(o.Partition))
			s.gauge(offsetRecords, float64(o.Records), o.Group, o.Topic, number(o.Partition))
			s.gauge(offsetSeconds, o.Behind.Seconds(), o.Group, o.Topic, number(o.Partition))
		}
		return true
	})
	flush()
	if byGroup && err == nil {
		return s.members(groupMembers)
	}
	return err
}

func (s *scrape) members(d *prometheus.Desc) error {
	groups, err := s.source.Groups()
	for i := range groups {
		s.gauge(d, float64(groups[i].Members), groups[i].ID)
	}
	return err
}
