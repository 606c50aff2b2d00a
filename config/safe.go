package config

import "strings"

// safe says why nothing is lost when a setting that does not act is accepted: the first
// pattern that fits counts. A pattern is a whole name, or a beginning followed by *.
var safe = []struct{ patterns, why string }{
	{"flush.* log.flush.interval.* log.flush.scheduler.interval.ms log.flush.*checkpoint*",
		"every acknowledged record is durable already"},
	{"min.insync.replicas unclean.leader.election.enable transaction.state.log.min.isr share.coordinator.state.topic.min.isr",
		"one durable copy is what every acknowledgement waits for; a replica that lacks records does not exist"},
	{"*.replication.factor", "durability does not come from copies"},
	{"leader.replication.* follower.replication.* replica.* replication.quota.* num.replica.fetchers alter.log.dirs.* num.replica.alter.log.dirs.threads auto.leader.rebalance.enable leader.imbalance.*",
		"no data moves between brokers or folders"},
	{"controller.quota.* quota.window.*", "quotas are not built: nothing is throttled"},
	{"controller.* broker.heartbeat.* broker.session.* initial.broker.registration.* process.roles metadata.* early.start.listeners",
		"there is no controller beside the broker, and no metadata log: topics and settings are in the metadata store"},
	{"inter.broker.listener.name request.timeout.ms socket.connection.setup.*", "the broker connects to no other broker"},
	{"security.inter.broker.protocol sasl.mechanism.inter.broker.protocol ssl.endpoint.identification.algorithm", "the broker connects to no other broker"},
	{"ssl.protocol", "which versions may be used is said by ssl.enabled.protocols, and the newest that both sides have is taken"},
	{"controlled.shutdown.enable", "every stop drains connections and makes durable what was taken"},
	{"remote.storage.enable remote.* log.remote.* local.retention.* log.local.retention.* follower.fetch.last.tiered.offset.enable",
		"all data goes to the bucket and stays readable; there are no tiers to move between"},
	{"log.dir.failure.timeout.ms cordoned.log.dirs", "there is one data folder, data.dir, and a write that fails there is an error to its client"},
	{"index.interval.bytes segment.index.bytes log.index.*", "each batch has its index entry, in the same object"},
	{"segment.jitter.ms log.roll.jitter.*", "segments are shared by partitions and roll by the journal: nothing rolls at one moment"},
	{"file.delete.delay.ms log.segment.delete.delay.ms", "objects are deleted when nothing refers to them, after a grace of their own"},
	{"preallocate log.preallocate", "the journal reserves its space in any case"},
	{"log.cleaner.backoff.ms log.cleaner.io.buffer.*", "it tunes work in the background; what is compacted, and when, does not depend on it"},
	{"num.io.threads num.network.threads background.threads num.recovery.threads.per.data.dir group.coordinator.threads group.coordinator.background.threads share.coordinator.threads",
		"goroutines are started as they are needed"},
	{"queued.max.requests socket.listen.backlog.size", "memory of requests and open connections are bounded by other settings"},
	{"*.purgatory.purge.interval.requests", "waiting requests leave nothing behind to tidy"},
	{"metric.reporters metrics.* kafka.metrics.*", "metrics are served over HTTP, from the first request on"},
	{"*.load.buffer.size *.cached.buffer.max.bytes *.append.linger.ms *.compression.codec", "it tunes a coordinator's writes and loads, not what they say"},
	{"interval.ms match metrics telemetry.max.bytes", "the telemetry APIs are not served, and clients then push nothing"},
	{"consumer.* group.consumer.* group.coordinator.rebalance.protocols", "clients see that the newer protocol is not served, and use the classic one"},
	{"share.* group.share.* errors.deadletterqueue.*", "share groups are not served, and clients see that"},
	{"streams.* group.streams.*", "streams groups are not served, and clients use the classic protocol"},
	{"transaction.two.phase.commit.enable", "InitProducerId 6, by which producers ask for it, is not served, and clients see that"},
	{"transaction* add.partitions.* ", "what a transaction promises does not depend on it"},
	{"delegation.token.*", "delegation tokens are not built: who asks for one is told so"},
}

// whySafe returns the reason for a setting that is accepted without effect, or "".
func whySafe(name string) string {
	for _, s := range safe {
		for _, pattern := range strings.Fields(s.patterns) {
			if fits(pattern, name) {
				return s.why
			}
		}
	}
	return ""
}

// fits says whether name is like pattern, in which * stands for anything.
func fits(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	for _, middle := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, middle)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}
