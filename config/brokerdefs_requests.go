package config

// brokerRequests lists: produce, fetch and their bookkeeping.
func brokerRequests() []Def {
	return []Def{
		def("fetch.max.bytes", Int, "57671680", atLeast(1024),
			"Largest answer to a fetch in bytes, whatever the client asks for; the first batch is always returned.").acts(),
		def("max.incremental.fetch.session.cache.slots", Int, "1000", atLeast(0),
			"Number of fetch sessions (KIP-227) that the broker keeps.").acts(),
		def("producer.id.expiration.ms", Int, "86400000", atLeast(1),
			"Milliseconds after its last record at which an idempotent producer is forgotten.").acts().dynamic(),
		def("delete.records.purgatory.purge.interval.requests", Int, "1", anything,
			"How often Kafka tidies its waiting DeleteRecords requests."),
		def("fetch.purgatory.purge.interval.requests", Int, "1000", anything,
			"How often Kafka tidies its waiting fetches."),
		def("producer.purgatory.purge.interval.requests", Int, "1000", anything,
			"How often Kafka tidies its waiting produces."),
		def("share.fetch.purgatory.purge.interval.requests", Int, "1000", anything,
			"How often Kafka tidies its waiting share fetches."),
	}
}
