package config

const (
	maxInt32 = "2147483647"
	maxInt64 = "9223372036854775807"
	hourMs   = 3600 * 1000
	minuteMs = 60 * 1000
	// MaxDecompressed is the largest array of a Java VM, and so the default of
	// max.decompressed.message.bytes.
	MaxDecompressed = 2147483639
)

var codecs = []string{"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"}

var topicTable = NewTable(topicDefs())

// Topics returns the definitions of topic settings.
func Topics() *Table { return topicTable }

// topicDefs lists the settings of a topic in Kafka 4.4.
func topicDefs() []Def {
	defs := append(topicRetention(), topicCompaction()...)
	defs = append(defs, topicRecords()...)
	defs = append(defs, topicSegments()...)
	defs = append(defs, topicReplication()...)
	defs = append(defs, topicTiering()...)
	for i := range defs {
		defs[i].ReadOnly = false
	}
	return defs
}

func topicRetention() []Def {
	return []Def{
		def("cleanup.policy", List, "delete", listOf(mayBeEmpty|mayRepeat, "compact", "delete"),
			"How old records go: delete drops whole sealed segments by age and size, compact keeps the latest record of each key."+
				" Both may be given; an empty list keeps everything.").
			from(as("log.cleanup.policy")).acts(),
		def("retention.ms", Long, "604800000", atLeast(-1),
			"Age in milliseconds of a segment's youngest record at which the delete policy may drop the segment; -1 keeps records whatever their age.").
			from(as("log.retention.ms"), Synonym{"log.retention.minutes", minuteMs}, Synonym{"log.retention.hours", hourMs}).acts(),
		def("retention.bytes", Long, "-1", anything,
			"Size in bytes that a partition may reach before the delete policy drops its oldest segments; -1 sets no limit. It counts per partition, not per topic.").
			from(as("log.retention.bytes")).acts(),
		def("file.delete.delay.ms", Long, "60000", atLeast(0),
			"Time in milliseconds between dropping a segment from the log and deleting its file in Kafka. Objects are deleted by upkeep after a grace of its own.").
			from(as("log.segment.delete.delay.ms")),
	}
}

func topicCompaction() []Def {
	return []Def{
		def("delete.retention.ms", Long, "86400000", atLeast(0),
			"How long in milliseconds a compacted topic keeps the marker of a deleted key, so that a reader who started from the beginning still sees the deletion.").
			from(as("log.cleaner.delete.retention.ms")).acts(),
		def("max.compaction.lag.ms", Long, maxInt64, atLeast(1),
			"Longest time in milliseconds that a record may stay out of compaction.").
			from(as("log.cleaner.max.compaction.lag.ms")).acts(),
		def("min.compaction.lag.ms", Long, "0", atLeast(0),
			"Shortest time in milliseconds that a record stays as written before compaction may touch it.").
			from(as("log.cleaner.min.compaction.lag.ms")).acts(),
		def("min.cleanable.dirty.ratio", Double, "0.5", between(0, 1),
			"Share of a compacted partition that must be new since the last compaction before the next one begins, unless max.compaction.lag.ms asks for it earlier.").
			from(as("log.cleaner.min.cleanable.ratio")).acts(),
	}
}

func topicRecords() []Def {
	return []Def{
		def("compression.type", String, "producer", oneOf(codecs...),
			"Codec in which batches are stored. producer keeps each batch as it came; any other value makes the broker recompress batches that came in a different codec.").
			from(as("compression.type")).acts(),
		def("compression.gzip.level", Int, "-1", gzipLevel(),
			"Level used when compression.type is gzip, from 1 (fastest) to 9 (smallest); -1 is the codec's own default.").
			from(as("compression.gzip.level")).acts(),
		def("compression.lz4.level", Int, "9", between(1, 17),
			"Level used when compression.type is lz4, from 1 (fastest) to 17 (smallest).").
			from(as("compression.lz4.level")).acts(),
		def("compression.zstd.level", Int, "3", between(-131072, 22),
			"Level used when compression.type is zstd; higher is smaller and slower, negative ones trade size for speed.").
			from(as("compression.zstd.level")).acts(),
		def("max.message.bytes", Int, "1048588", atLeast(0),
			"Largest record batch, after compression, that a producer may send to the topic, in bytes. A larger one is refused with MESSAGE_TOO_LARGE.").
			from(as("message.max.bytes")).acts(),
		def("max.decompressed.message.bytes", Int, "2147483639", between(1, MaxDecompressed),
			"Largest single record, in bytes after decompression, that is accepted within a compressed batch.").
			from(as("max.decompressed.message.bytes")).acts(),
		def("message.timestamp.type", String, "CreateTime", oneOf("CreateTime", "LogAppendTime"),
			"Whose clock a record carries: the producer's (CreateTime) or the broker's at the time of the append (LogAppendTime).").
			from(as("log.message.timestamp.type")).acts(),
		def("message.timestamp.before.max.ms", Long, maxInt64, atLeast(0),
			"How far, in milliseconds, a record's CreateTime may lie behind the broker's clock. An older record is refused with INVALID_TIMESTAMP. LogAppendTime ignores it.").
			from(as("log.message.timestamp.before.max.ms")).acts(),
		def("message.timestamp.after.max.ms", Long, "3600000", atLeast(0),
			"How far, in milliseconds, a record's CreateTime may lie ahead of the broker's clock. A later record is refused with INVALID_TIMESTAMP. LogAppendTime ignores it.").
			from(as("log.message.timestamp.after.max.ms")).acts(),
		def("errors.deadletterqueue.group.enable", Boolean, "false", anything,
			"Whether share groups may use this topic as the place for records that could not be processed (KIP-1191).").later(),
	}
}

func topicSegments() []Def {
	return []Def{
		def("segment.bytes", Int, "1073741824", atLeast(1048576),
			"Size in bytes at which Kafka starts a new segment file. Here segments are shared between partitions and sealed by the journal's volume size and age; as in Kafka, a batch that is larger than this is refused.").
			from(as("log.segment.bytes")).acts(),
		def("segment.ms", Long, "604800000", atLeast(1),
			"Age in milliseconds at which Kafka starts a new segment even if it is small. Here the journal's volumes decide; the pieces of a partition that are merged into one are no further apart than this.").
			from(as("log.roll.ms"), Synonym{"log.roll.hours", hourMs}).acts(),
		def("segment.jitter.ms", Long, "0", atLeast(0),
			"Random time in milliseconds that Kafka takes off segment.ms, so that partitions do not roll all at once.").
			from(as("log.roll.jitter.ms"), Synonym{"log.roll.jitter.hours", hourMs}),
		def("segment.index.bytes", Int, "10485760", atLeast(4),
			"Size in bytes that Kafka reserves for a segment's index. Indexes here are part of the segment and as large as they need to be.").
			from(as("log.index.size.max.bytes")),
		def("index.interval.bytes", Int, "4096", atLeast(0),
			"Bytes of log between two entries of Kafka's offset index. Here every batch has an entry.").
			from(as("log.index.interval.bytes")),
		def("flush.messages", Long, maxInt64, atLeast(1),
			"Number of records after which Kafka syncs the log to disk. Here every acknowledged record is already durable.").
			from(as("log.flush.interval.messages")),
		def("flush.ms", Long, maxInt64, atLeast(0),
			"Time in milliseconds after which Kafka syncs the log to disk. Here every acknowledged record is already durable.").
			from(as("log.flush.interval.ms"), as("log.flush.scheduler.interval.ms")),
		def("preallocate", Boolean, "false", anything,
			"Whether Kafka reserves disk space for a new segment. The journal always reserves its space.").
			from(as("log.preallocate")),
	}
}

func topicReplication() []Def {
	return []Def{
		def("min.insync.replicas", Int, "1", atLeast(1),
			"Number of in-sync copies that Kafka asks for before it acknowledges acks=all. Durability here comes from the journal and the bucket, not from copies.").
			from(as("min.insync.replicas")),
		def("unclean.leader.election.enable", Boolean, "false", anything,
			"Whether Kafka may make a replica that lags behind the leader. No replica lags here: a leader holds nothing that another broker cannot read.").
			from(as("unclean.leader.election.enable")),
		def("leader.replication.throttled.replicas", List, "", throttledReplicas(),
			"Replicas whose leader side Kafka throttles while data moves, as partition:broker pairs or *. No data moves between brokers here."),
		def("follower.replication.throttled.replicas", List, "", throttledReplicas(),
			"Replicas whose follower side Kafka throttles while data moves, as partition:broker pairs or *. No data moves between brokers here."),
	}
}

func topicTiering() []Def {
	return []Def{
		def("local.retention.bytes", Long, "-2", atLeast(-2),
			"Bytes of a tiered partition that Kafka keeps on local disk; -2 follows retention.bytes. The bucket is the only store here, so nothing is tiered.").
			from(as("log.local.retention.bytes")),
		def("local.retention.ms", Long, "-2", atLeast(-2),
			"Milliseconds for which Kafka keeps a tiered segment on local disk; -2 follows retention.ms. The bucket is the only store here, so nothing is tiered.").
			from(as("log.local.retention.ms")),
		def("remote.storage.enable", Boolean, "false", anything,
			"Whether Kafka's tiered storage is on for the topic. All data goes to the bucket here in any case; true is refused, as by a Kafka without tiered storage."),
		def("remote.copy.lag.bytes", Long, "-1", atLeast(-1),
			"Bytes by which Kafka's tiered copy may lag behind the local log.").
			from(as("log.remote.copy.lag.bytes")),
		def("remote.copy.lag.ms", Long, "0", atLeast(-1),
			"Milliseconds by which Kafka's tiered copy may lag behind the local log.").
			from(as("log.remote.copy.lag.ms")),
		def("remote.log.copy.disable", Boolean, "false", anything,
			"Whether Kafka stops copying a tiered topic to remote storage and only reads from there."),
		def("remote.log.delete.on.disable", Boolean, "false", anything,
			"Whether Kafka deletes the remote copy when tiered storage is switched off for the topic."),
	}
}
