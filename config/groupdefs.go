package config

var groupTable = NewTable(groupDefs())

// Groups returns the definitions of group settings (KIP-848, KIP-932, KIP-1071).
// They are stored for the group protocols that follow; classic groups have none.
func Groups() *Table { return groupTable }

func groupDefs() []Def {
	defs := append(consumerGroupDefs(), shareGroupDefs()...)
	defs = append(defs, streamsGroupDefs()...)
	for i := range defs {
		defs[i].ReadOnly = false
		defs[i].Effect = Later
	}
	return defs
}

func consumerGroupDefs() []Def {
	return []Def{
		def("consumer.assignment.interval.ms", Int, "1000", atLeast(0),
			"Shortest time in milliseconds between two new assignments of a consumer group.").
			from(as("group.consumer.assignment.interval.ms")),
		def("consumer.heartbeat.interval.ms", Int, "5000", atLeast(1),
			"How often, in milliseconds, members of a consumer group are told to send a heartbeat.").
			from(as("group.consumer.heartbeat.interval.ms")),
		def("consumer.session.timeout.ms", Int, "45000", atLeast(1),
			"Silence in milliseconds after which a member of a consumer group counts as gone.").
			from(as("group.consumer.session.timeout.ms")),
		def("errors.deadletterqueue.copy.record.enable", Boolean, "false", anything,
			"Whether a record that goes to the dead letter queue is copied whole or only named."),
		def("errors.deadletterqueue.topic.name", String, "", anything,
			"Topic that receives the records which a share group gave up on; empty for none."),
	}
}

func shareGroupDefs() []Def {
	return []Def{
		def("share.assignment.interval.ms", Int, "1000", atLeast(0),
			"Shortest time in milliseconds between two new assignments of a share group.").
			from(as("group.share.assignment.interval.ms")),
		def("share.auto.offset.reset", String, "latest", offsetReset(),
			"Where a share group begins on a partition that it has not read: latest, earliest, or a duration back from now."),
		def("share.delivery.count.limit", Int, "5", atLeast(2),
			"How often a record is handed out before a share group gives up on it.").
			from(as("group.share.delivery.count.limit")),
		def("share.heartbeat.interval.ms", Int, "5000", atLeast(1),
			"How often, in milliseconds, members of a share group are told to send a heartbeat.").
			from(as("group.share.heartbeat.interval.ms")),
		def("share.isolation.level", String, "read_uncommitted", oneOf("read_committed", "read_uncommitted"),
			"Whether a share group sees records of open and aborted transactions."),
		def("share.partition.max.record.locks", Int, "2000", atLeast(100),
			"How many records of one partition may be handed out and not yet acknowledged.").
			from(as("group.share.partition.max.record.locks")),
		def("share.record.lock.duration.ms", Int, "30000", atLeast(1000),
			"How long in milliseconds a record stays with the member that fetched it before another one may have it.").
			from(as("group.share.record.lock.duration.ms")),
		def("share.renew.acknowledge.enable", Boolean, "true", anything,
			"Whether a member may extend the time for which it holds a record."),
		def("share.session.timeout.ms", Int, "45000", atLeast(1),
			"Silence in milliseconds after which a member of a share group counts as gone.").
			from(as("group.share.session.timeout.ms")),
	}
}

func streamsGroupDefs() []Def {
	return []Def{
		def("streams.assignment.interval.ms", Int, "1000", atLeast(0),
			"Shortest time in milliseconds between two new assignments of a streams group.").
			from(as("group.streams.assignment.interval.ms")),
		unset("streams.assignor.name", String, anything,
			"Which of the broker's task assignors the streams group uses; the first of them by default.").
			from(as("group.streams.assignors")),
		def("streams.heartbeat.interval.ms", Int, "5000", atLeast(1),
			"How often, in milliseconds, members of a streams group are told to send a heartbeat.").
			from(as("group.streams.heartbeat.interval.ms")),
		def("streams.initial.rebalance.delay.ms", Int, "3000", atLeast(0),
			"How long in milliseconds a new streams group waits for more members before the first assignment.").
			from(as("group.streams.initial.rebalance.delay.ms")),
		def("streams.num.standby.replicas", Int, "0", atLeast(0),
			"How many standby copies of each task's state a streams group keeps.").
			from(as("group.streams.num.standby.replicas")),
		def("streams.rack.aware.assignment.tags", List, "", listOf(mayBeEmpty),
			"Client tags over which a streams group spreads its standby tasks.").
			from(as("group.streams.rack.aware.assignment.tags")),
		def("streams.session.timeout.ms", Int, "45000", atLeast(1),
			"Silence in milliseconds after which a member of a streams group counts as gone.").
			from(as("group.streams.session.timeout.ms")),
	}
}
