package config

// brokerQuota lists: quotas and metrics.
func brokerQuota() []Def {
	return []Def{
		def("alter.log.dirs.replication.quota.window.num", Int, "11", atLeast(1),
			"Samples that Kafka keeps for the quota of moves between folders."),
		def("alter.log.dirs.replication.quota.window.size.seconds", Int, "1", atLeast(1),
			"Seconds of one such sample."),
		unset("client.quota.callback.class", Class, anything,
			"Java class that decides Kafka's client quotas.").refused(),
		def("controller.quota.window.num", Int, "11", atLeast(1),
			"Samples kept for the quota of controller mutations.").later(),
		def("controller.quota.window.size.seconds", Int, "1", atLeast(1),
			"Seconds of one such sample.").later(),
		def("quota.window.num", Int, "11", atLeast(1),
			"Samples kept for client quotas.").later(),
		def("quota.window.size.seconds", Int, "1", atLeast(1),
			"Seconds of one such sample.").later(),
		def("replication.quota.window.num", Int, "11", atLeast(1),
			"Samples that Kafka keeps for replication quotas."),
		def("replication.quota.window.size.seconds", Int, "1", atLeast(1),
			"Seconds of one such sample."),
		def("kafka.metrics.polling.interval.secs", Int, "10", atLeast(1),
			"Seconds between two rounds of Kafka's metrics reporters."),
		def("kafka.metrics.reporters", List, "", listOf(mayBeEmpty),
			"Java classes that report Kafka's older metrics."),
		def("metric.reporters", List, "org.apache.kafka.common.metrics.JmxReporter", listOf(mayBeEmpty),
			"Java classes that report Kafka's metrics. StreamHouse serves /metrics.").dynamic(),
		def("metrics.num.samples", Int, "2", atLeast(1),
			"Samples that Kafka keeps per metric."),
		def("metrics.recording.level", String, "INFO", anything,
			"Level of detail of Kafka's metrics."),
		def("metrics.sample.window.ms", Long, "30000", atLeast(1),
			"Milliseconds of one sample of Kafka's metrics."),
		def("config.providers", List, "", listOf(mayBeEmpty),
			"Java classes through which Kafka reads settings from elsewhere.").refused(),
	}
}
