package compat

// Reasons.
const (
	kafkaErrs  = "Kafka fails inside (UNKNOWN_SERVER_ERROR); the request is at fault, and clients do not retry this"
	oneReplica = "accepted, since durability does not come from copies; `replication.factor.strict=true` answers as Kafka does"
	collision  = "Kafka looks for names that collide among topics that exist, and lets two of one request pass; they collide all the same"
)

var knownDifferences = []known{
	{"metadata", "null name", "12-13", "Topics[0].ErrorCode", `42`, kafkaErrs},
	{"metadata", "null name", "13", "ErrorCode", `42`, kafkaErrs},
	{"metadata", "by nothing", "12-13", "Topics[0].ErrorCode", `42`, kafkaErrs},
	{"metadata", "by nothing", "13", "ErrorCode", `42`, kafkaErrs},
	{"create", "too many replicas", "2-7", "Topics[0].ErrorCode", `0`, oneReplica},
	{"create", "too many replicas", "2-7", "Topics[0].ErrorMessage", `null`, oneReplica},
	{"create", "too many replicas", "5-7", "Topics[0].Configs", `{"cleanup.policy":"delete from 5","compression.gzip.level":"-1 from 5","compression.lz4.level":"9 from 5","compression.t... (1488 bytes, CRC 878dfe24)`, oneReplica},
	{"create", "too many replicas", "5-7", "Topics[0].NumPartitions", `1`, oneReplica},
	{"create", "too many replicas", "5-7", "Topics[0].ReplicationFactor", `1`, oneReplica},
	{"create", "too many replicas", "7", "Topics[0].TopicID", `"id of replicas-vN-"`, oneReplica},
	{"create", "collide with each other", "2-7", "Topics[1].ErrorCode", `17`, collision},
	{"create", "collide with each other", "2-7", "Topics[1].ErrorMessage", `"Topic 'c_d-vN-' collides with existing topic: c.d-vN-"`, collision},
	{"create", "collide with each other", "5-7", "Topics[1].Configs", `"none"`, collision},
	{"create", "collide with each other", "5-7", "Topics[1].NumPartitions", `-1`, collision},
	{"create", "collide with each other", "5-7", "Topics[1].ReplicationFactor", `-1`, collision},
	{"create", "collide with each other", "7", "Topics[1].TopicID", `"none"`, collision},
	{"cluster", "topics, empty name", "0", "Topics[0].AuthorizedOperations", `3576`, kafkaErrs},
	{"cluster", "topics, empty name", "0", "Topics[0].ErrorCode", `17`, kafkaErrs},
}
