package config

var serverTable = NewTable(serverStorage(), serverHTTP(), serverRegistry(), serverPolicy(), serverRights(), serverSQL())

// Server returns the definitions of StreamHouse's own settings, which Kafka does not
// have.
func Server() *Table { return serverTable }

func serverStorage() []Def {
	return []Def{
		def("data.dir", String, "./data", notEmpty(),
			"Folder of everything that the broker keeps on its own disk: journal, metadata and, by default, the bucket.").acts(),
		def("bucket.url", String, "", anything,
			"Where sealed data goes: a folder (file:///path) or s3://name/prefix?endpoint=https://host&region=name. Empty: a folder in data.dir.").acts(),
		def("bucket.wait.ms", Long, "300000", atLeast(0),
			"Milliseconds for which a start waits for a bucket that does not answer, where it cannot do without: the first start of a data folder, and every start with an object journal. Others serve what they have meanwhile.").acts(),
		def("journal.kind", String, "file", oneOf("file", "object"),
			"Where a write becomes durable before it is acknowledged: in a local file, or in an object of the bucket.").acts().anyCase(),
		def("journal.loss.accepted", Long, "0", atLeast(0),
			"Number of the newest journal volume that may be missing, as the line of a refused start names it: what was acknowledged in the missing volumes and not sealed is given up, and numbering goes on above. It accepts this one loss and can be left out again after it; 0 accepts none. For a file journal.").acts(),
		def("journal.volume.bytes", Long, "536870912", atLeast(8<<20),
			"Size in bytes at which a journal volume is closed and sealed.").acts(),
		def("journal.pack.bytes", Int, "2097152", between(64<<10, 64<<20),
			"Size in bytes at which a pack is written even if more is waiting. A larger batch makes a larger pack.").acts(),
		def("journal.linger.ms", Int, "50", between(0, 10000),
			"Milliseconds for which the object journal collects writes into one object. The file journal never lingers.").acts(),
		def("journal.unsealed.max.bytes", Long, "17179869184", atLeast(0),
			"Bytes in the journal above which produce is refused until sealing has caught up, as when the bucket is away for long; 0 for no bound.").acts(),
		def("seal.max.age.ms", Long, "300000", atLeast(1000),
			"Age in milliseconds at which a journal volume is closed and sealed even if it is small. With a file journal the bucket lags behind by this much at most.").acts(),
		def("merge.enable", Boolean, "true", anything,
			"Whether small neighbouring pieces of sealed partitions are joined into larger ones, and objects with mostly dead data are emptied. Without it they grow in number, and room is freed only where whole objects expire.").acts(),
		def("merge.wait.ms", Long, "3600000", atLeast(0),
			"Milliseconds for which sixteen small pieces of a partition wait for more before they are joined. The sooner, the more often the same bytes are written again.").acts(),
		def("cache.memory.bytes", Long, "134217728", atLeast(1<<20),
			"Memory in bytes for blocks of sealed data that were read from the bucket. If nothing says it, it is a share of the memory there is, at most this default; see docs/sizing.md.").acts(),
		def("disk.reserve.bytes", Long, "268435456", atLeast(0),
			"Free space in bytes below which produce is answered with KAFKA_STORAGE_ERROR, so that reads and upkeep go on.").acts(),
		unset("s3.access.key", Password, anything,
			"Access key of the object store. Without it the usual AWS variables and files are tried.").acts(),
		unset("s3.secret.key", Password, anything,
			"Secret that belongs to s3.access.key.").acts(),
	}
}

func serverHTTP() []Def {
	return []Def{
		def("http.listen", String, "localhost:8080", anything,
			"Address of /health/live, /health/ready and /metrics; empty (as a flag or in the file) for none. It answers this machine only, unless it is told otherwise.").acts(),
		def("http.anonymous", String, "none", oneOf("none", "read", "all"),
			"What who did not log in may do over HTTP from another machine, health and metrics aside: nothing, what changes nothing, or everything. The broker's own machine may do everything.").acts(),
		def("http.hosts", List, "", anything,
			"Names without ports by which HTTP clients may ask besides localhost, the address that they connect to and the names in advertised.listeners: a page in a browser must not reach the broker by a name of its own.").acts(),
		def("metrics.series.max", Int, "100000", atLeast(100),
			"Series that one scrape of /metrics/detail or /metrics/compat shows; what is left out is counted in streamhouse_detail_dropped_series.").acts(),
		def("log.level", String, "info", oneOf("debug", "info", "warn", "error"),
			"Least severe lines that are logged.").acts().anyCase(),
		def("log.format", String, "console", oneOf("console", "json"),
			"How lines are logged: for people or for machines.").acts().anyCase(),
		def("shutdown.timeout.ms", Long, "30000", atLeast(0),
			"Milliseconds after a stop signal within which requests are answered and the broker leaves. If that is not enough the process ends as if killed, with exit code 3; nothing acknowledged is lost.").acts(),
	}
}

// serverRegistry has the schema registry's settings, by Confluent's names but for the
// address.
func serverRegistry() []Def {
	return []Def{
		def("schema.registry.listen", String, "localhost:8081", anything,
			"Address of the schema registry's own port; empty (as a flag or in the file) for none. A default port that is taken costs a line in the log. The registry is also under /schema-registry of http.listen.").acts(),
		def("kafkastore.topic", String, "_schemas", notEmpty(),
			"Topic that holds the schema registry's state, with one partition and compacted; made at the first write.").acts(),
		def("schema.registry.group.id", String, "schema-registry", notEmpty(),
			"Name of the schema registry's cluster, as /v1/metadata/id tells it.").acts(),
		def("schema.compatibility.level", String, "backward", oneOf("none", "backward", "backward_transitive", "forward", "forward_transitive", "full", "full_transitive"),
			"What new versions of a subject must be compatible with, where no config of the registry says it.").acts().anyCase(),
		def("schema.validate.fields", Boolean, "false", anything,
			"Whether names in the metadata property confluent:reserved may not be fields, where no config of the registry says it.").acts(),
		def("schema.validate.new.schemas", Boolean, "true", anything,
			"Whether names and defaults of new schemas are held to their specification, where no config of the registry says it.").acts(),
		def("mode.mutability", Boolean, "true", anything,
			"Whether the modes of the schema registry can be changed.").acts(),
		def("schema.search.default.limit", Int, "1000", between(1, 100000),
			"Schemas in an answer of /schemas that asks for no number.").acts(),
		def("schema.search.max.limit", Int, "1000", between(1, 100000),
			"Schemas in an answer of /schemas at most.").acts(),
		def("size.limit.filter.max.request.body.size", Int, "1048576", between(1<<10, 64<<20),
			"Largest body in bytes that the schema registry takes.").acts(),
	}
}

func serverPolicy() []Def {
	return []Def{
		def("max.decompressed.batch.bytes", Long, "1073741824", atLeast(1<<20),
			"Bytes that may come out of one compressed batch; a batch that holds more is refused with MESSAGE_TOO_LARGE. Decompressing takes little memory, and time.").acts(),
		def("replication.factor.strict", Boolean, "false", anything,
			"Whether a replication factor above the number of brokers is refused, as Kafka does. By default it is accepted, since durability does not come from copies.").acts(),
		def("request.memory.bytes", Long, "268435456", atLeast(16<<20),
			"Bytes of requests held in memory at a time over all connections when queued.max.request.bytes does not say it. If nothing says either, it is a share of the memory there is, at most this default; see docs/sizing.md.").acts(),
	}
}

// serverRights are settings that Kafka's authorizer reads and its broker does not define.
func serverRights() []Def {
	return []Def{
		def("super.users", String, "", anything,
			"Principals that may do everything, whatever ACLs say: User:name, separated by semicolons. With authorizer.class.name.").acts(),
		def("allow.everyone.if.no.acl.found", Boolean, "false", anything,
			"Whether everybody may do everything with what no ACL is about. With authorizer.class.name.").acts(),
	}
}

func serverSQL() []Def {
	return []Def{
		def("sql.enabled", Boolean, "true", anything,
			"Whether SQL over topics is answered: POST /api/v1/sql on http.listen, and PostgreSQL clients on sql.listen.").acts(),
		def("sql.listen", String, "localhost:5433", anything,
			"Address at which PostgreSQL's clients are answered; empty for none. A default that is taken by another costs a line in the log, one that was set stops the start. It answers this machine only, and others by http.anonymous.").acts(),
		def("sql.workers", Int, "0", between(0, 1024),
			"SQL queries that compute at a time; others wait between two batches of rows. 0: half the processors, at least one.").acts(),
		def("sql.memory.bytes", Long, "268435456", atLeast(1<<20),
			"Memory in bytes that all SQL queries together may hold; one that needs more fails with 53200. If nothing says it, it is a share of the memory there is, at most this default; see docs/sizing.md.").acts(),
		def("sql.query.memory.bytes", Long, "67108864", atLeast(1<<20),
			"Memory in bytes that one SQL query may hold for groups, sorting, joins and windows; above it the query fails with 53200.").acts(),
		def("sql.query.scan.bytes", Long, "68719476736", atLeast(0),
			"Bytes, as they are stored, that one SQL query may read; above it the query fails with 53200. 0 for no bound.").acts(),
		def("sql.query.timeout.ms", Long, "300000", atLeast(0),
			"Milliseconds after which a SQL query is cancelled; 0 for no bound. A request may ask for less.").acts(),
		def("sql.queries.max", Int, "16", atLeast(1),
			"SQL queries that run at a time; one more fails with 53200.").acts(),
	}
}
