package compat

// Reasons.
const (
	kafkaErrs  = "Kafka fails inside (UNKNOWN_SERVER_ERROR); the request is at fault, and clients do not retry this"
	oneReplica = "accepted, since durability does not come from copies; `replication.factor.strict=true` answers as Kafka does"
	brokenData = "the data of the batch is at fault, where Kafka fails inside (UNKNOWN_SERVER_ERROR); clients do not retry this"
	zstdFirst  = "Kafka looks at the version that zstd needs first; the batch is refused in either case"
	horizon    = "the bit is the log cleaner's; Kafka stores it as it comes"
	wholeOnly  = "whole batches; Kafka cuts the last one at the limit, and clients drop what was cut"
	grouping   = "Kafka lists partitions with an error apart, under their topic once more"
	deletedMax = "the record was deleted; Kafka still shows it"
	silentHere = "an error for the resource that is named twice; Kafka fails inside and never answers"
	unknownKey = "a setting that is ignored in silence is worse than none"
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
	{"cluster", "topics, empty name", "0", "Topics[0].AuthorizedOperations", `3576`, kafkaErrs},
	{"cluster", "topics, empty name", "0", "Topics[0].ErrorCode", `17`, kafkaErrs},
	{"produce", "codec 5", "5-6", "Topics[0].Partitions[0].LogStartOffset", `0`, zstdFirst},
	{"produce", "codec 5", "3-13", "Topics[0].Partitions[0].ErrorCode", `87`, brokenData},
	{"produce", "codec gzip without data", "3-13", "Topics[0].Partitions[0].ErrorCode", `87`, brokenData},
	{"produce", "codec snappy without data", "3-13", "Topics[0].Partitions[0].ErrorCode", `87`, brokenData},
	{"produce", "codec lz4 without data", "3-13", "Topics[0].Partitions[0].ErrorCode", `87`, brokenData},
	{"produce", "codec zstd without data", "7-13", "Topics[0].Partitions[0].ErrorCode", `87`, brokenData},
	{"produce", "delete horizon", "3-13", "Topics[0].Partitions[0].BaseOffset", `-1`, horizon},
	{"produce", "delete horizon", "3-13", "Topics[0].Partitions[0].ErrorCode", `87`, horizon},
	{"fetch", "good and unknown", "13-18", "Topics", `[{"Partitions":[{"AbortedTransactions":null,"CurrentLeader":{"LeaderEpoch":-1,"LeaderID":-1},"DivergingEpoch":{"EndOffse... (1137 bytes, CRC ea4f2d44)`, grouping},
	{"fetch", "room for one batch", "4-18", "Topics[0].Partitions[0].RecordBatches", `["offset 0 epoch 0 magic 2 attributes 0 records 1 bytes 5070 crc 9e7ea539"]`, wholeOnly},
	{"fetch", "negative room", "4-18", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"fetch", "isolation 2", "4-12", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"fetch", "isolation 2", "7-18", "ErrorCode", `42`, kafkaErrs},
	{"fetch", "isolation -1", "4-12", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"fetch", "isolation -1", "7-18", "ErrorCode", `42`, kafkaErrs},
	{"offsets", "latest, isolation 2", "2-11", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"offsets", "latest, isolation -1", "2-11", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"delete-records", "max timestamp of all", "7-11", "Topics[0].Partitions[0].LeaderEpoch", `-1`, deletedMax},
	{"delete-records", "max timestamp of all", "7-11", "Topics[0].Partitions[0].Offset", `-1`, deletedMax},
	{"delete-records", "max timestamp of all", "7-11", "Topics[0].Partitions[0].Timestamp", `-1`, deletedMax},
	{"alter-configs", "topic twice", "0-2", "", `{"Resources":[{"ErrorCode":42,"ErrorMessage":"Each resource must appear at most once.","ResourceName":"plain","ResourceT... (274 bytes, CRC 6e19beca)`, silentHere},
	{"alter-configs", "operation 4", "0-1", "Resources[0].ErrorCode", `42`, kafkaErrs},
	{"alter-configs", "operation 4", "0-1", "Resources[0].ErrorMessage", `"Unknown operations type 4"`, kafkaErrs},
	{"alter-configs", "operation -1", "0-1", "Resources[0].ErrorCode", `42`, kafkaErrs},
	{"alter-configs", "operation -1", "0-1", "Resources[0].ErrorMessage", `"Unknown operations type -1"`, kafkaErrs},
	{"alter-configs", "incremental, broker, unknown key", "0-1", "Resources[0].ErrorCode", `42`, unknownKey},
	{"alter-configs", "incremental, broker, unknown key", "0-1", "Resources[0].ErrorMessage", `"Unknown broker config name: no.such.key"`, unknownKey},
}
