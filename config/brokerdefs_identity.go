package config

// brokerIdentity lists: the broker and its cluster.
func brokerIdentity() []Def {
	return []Def{
		def("broker.id", Int, "-1", anything,
			"Older name of node.id. If both are given they must agree.").acts(),
		unset("broker.rack", String, anything,
			"Where the broker is, as clients see it in Metadata: a rack or an availability zone.").acts(),
		unset("node.id", Int, atLeast(0),
			"Number of this broker in its cluster, from 0.").acts(),
		unset("process.roles", List, listOf(0, "broker", "controller"),
			"Roles of a Kafka process. StreamHouse is both broker and controller and says so."),
		def("broker.heartbeat.interval.ms", Int, "2000", anything,
			"Milliseconds between a Kafka broker's heartbeats to the controller."),
		def("broker.session.timeout.ms", Int, "9000", anything,
			"Silence in milliseconds after which Kafka's controller fences a broker."),
		def("initial.broker.registration.timeout.ms", Int, "60000", anything,
			"Milliseconds that a starting Kafka broker tries to register."),
		def("controlled.shutdown.enable", Boolean, "true", anything,
			"Whether Kafka hands over its partitions before it stops. Here a stop always drains."),
		def("auto.leader.rebalance.enable", Boolean, "true", anything,
			"Whether Kafka moves leaders back to their preferred brokers by itself."),
		def("leader.imbalance.check.interval.seconds", Long, "300", atLeast(1),
			"Seconds between Kafka's checks for leaders that are not on their preferred broker."),
		def("unclean.leader.election.enable", Boolean, "false", anything,
			"Whether Kafka may make a replica that lags behind the leader. No replica lags here.").dynamic(),
		def("telemetry.max.bytes", Int, "1048576", atLeast(1),
			"Largest metrics push of a client in bytes (KIP-714).").later(),
	}
}
