package config

// brokerTopics lists: topics.
func brokerTopics() []Def {
	return []Def{
		def("auto.create.topics.enable", Boolean, "true", anything,
			"Whether a client's request for the metadata of an unknown topic creates it, if the request allows it too.").acts(),
		def("default.replication.factor", Int, "1", anything,
			"Replication factor of topics created without one. It is remembered; durability does not come from copies here.").acts(),
		def("delete.topic.enable", Boolean, "true", anything,
			"Whether topics may be deleted.").acts(),
		def("num.partitions", Int, "1", atLeast(1),
			"Number of partitions of topics created without one.").acts(),
		def("min.insync.replicas", Int, "1", atLeast(1),
			"Number of in-sync copies that Kafka asks for before it acknowledges acks=all; shown for topics that set none.").dynamic(),
		unset("create.topic.policy.class.name", Class, anything,
			"Java class that decides whether Kafka may create a topic.").refused(),
		unset("alter.config.policy.class.name", Class, anything,
			"Java class that decides whether Kafka may change a setting.").refused(),
		def("max.request.partition.size.limit", Int, "2000", atLeast(1),
			"Most partitions in one answer to DescribeTopicPartitions.").acts(),
	}
}
