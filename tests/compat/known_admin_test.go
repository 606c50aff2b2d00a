package compat

// Reasons.
const (
	oneRecordLess = "the end of a transaction is one record, written with its markers, where Kafka writes that it is prepared and that it is complete"
	fixedQuorum   = "there is no controller listener; Kafka refuses the voter in either case"
	noQuorumLevel = "a feature of the raft quorum, which there is none; it is not shown"
	noTelemetry   = "neither advertises it, so that no client asks; Kafka answers all the same"
	noListeners   = "listeners do not change while the broker runs; the value that was tried is refused in either case"
	noSASL        = "which mechanisms a listener has is settled at the start"
)

// knownInAdmin are the differences in what monitors and administrators ask.
var knownInAdmin = []known{
	{"monitors", "kminion: topic partition offsets, high", "10", "Topics[1].Partitions[0].Offset", `10`, oneRecordLess},
	{"monitors", "kminion: log dirs", "4", "Dirs[0].Topics[1].Partitions[0].Size", `1351`, oneRecordLess},
	{"monitors", "kafka_exporter: current offset of __transaction_state/0", "3", "Topics[0].Partitions[0].Offset", `10`, oneRecordLess},
	{"monitors", "Burrow: cluster, end offsets", "3", "Topics[1].Partitions[0].Offset", `10`, oneRecordLess},
	{"monitors", "Console: brokers, log dirs", "4", "Dirs[0].Topics[1].Partitions[0].Size", `1351`, oneRecordLess},
	{"monitors", "Console: topic, latest by time", "11", "Topics[0].Partitions[0].Offset", `2`, deletedMax},
	{"monitors", "kafbat UI: scrape, log dirs", "4", "Dirs[0].Topics[1].Partitions[0].Size", `1351`, oneRecordLess},
	{"monitors", "kafbat UI: scrape, latest offsets", "9", "Topics[1].Partitions[0].Offset", `10`, oneRecordLess},
	{"monitors", "AKHQ: nodes, log dirs", "4", "Dirs[0].Topics[1].Partitions[0].Size", `1351`, oneRecordLess},
	{"monitors", "Cruise Control: cluster model and disk failures, log dirs", "4", "Dirs[0].Topics[1].Partitions[0].Size", `1351`, oneRecordLess},
	{"monitors", "AKHQ: topics, end", "8", "Topics[1].Partitions[0].Offset", `10`, oneRecordLess},
	{"quorum", "voter added, no listener", "0-1", "ErrorCode", `35`, fixedQuorum},
	{"quorum", "voter added, no listener", "0-1", "ErrorMessage", `"Cluster doesn't support adding voter because the kraft.version feature is 0"`, fixedQuorum},
	{"quorum", "voter added, another listener", "0-1", "ErrorCode", `35`, fixedQuorum},
	{"quorum", "voter added, another listener", "0-1", "ErrorMessage", `"Cluster doesn't support adding voter because the kraft.version feature is 0"`, fixedQuorum},
	{"features", "kraft.version", "1-2", "ErrorCode", `95`, noQuorumLevel},
	{"features", "kraft.version", "1-2", "ErrorMessage", `"The update failed for all features since the following feature had an error: Invalid update version 1 for feature kraft... (180 bytes, CRC 1e919e13)`, noQuorumLevel},
	{"features", "kraft.version", "1", "Results", `null`, noQuorumLevel},
	{"features", "kraft.version, same", "1-2", "ErrorCode", `95`, noQuorumLevel},
	{"features", "kraft.version, same", "1-2", "ErrorMessage", `"The update failed for all features since the following feature had an error: Invalid update version 0 for feature kraft... (163 bytes, CRC c051f81e)`, noQuorumLevel},
	{"features", "kraft.version, same", "1", "Results", `null`, noQuorumLevel},
	{"dynamic", "own listener.name.nowhere.max.connections=10", "1", "Resources[0].ErrorCode", `42`, unknownKey},
	{"dynamic", "own listener.name.nowhere.max.connections=10", "1", "Resources[0].ErrorMessage", `"Unknown broker config name: listener.name.nowhere.max.connections"`, unknownKey},
	{"dynamic", "all listener.name.nowhere.max.connections=10", "1", "Resources[0].ErrorCode", `42`, unknownKey},
	{"dynamic", "all listener.name.nowhere.max.connections=10", "1", "Resources[0].ErrorMessage", `"Unknown broker config name: listener.name.nowhere.max.connections"`, unknownKey},
	{"dynamic", "own listener.name.PLAINTEXT.max.connections=10", "1", "Resources[0].ErrorCode", `42`, unknownKey},
	{"dynamic", "own listener.name.PLAINTEXT.max.connections=10", "1", "Resources[0].ErrorMessage", `"Unknown broker config name: listener.name.PLAINTEXT.max.connections"`, unknownKey},
	{"dynamic", "all listener.name.PLAINTEXT.max.connections=10", "1", "Resources[0].ErrorCode", `42`, unknownKey},
	{"dynamic", "all listener.name.PLAINTEXT.max.connections=10", "1", "Resources[0].ErrorMessage", `"Unknown broker config name: listener.name.PLAINTEXT.max.connections"`, unknownKey},
	{"dynamic", "own sasl.enabled.mechanisms=PLAIN", "1", "Resources[0].ErrorCode", `42`, noSASL},
	{"dynamic", "own sasl.enabled.mechanisms=PLAIN", "1", "Resources[0].ErrorMessage", `"Cannot update these configs dynamically: [sasl.enabled.mechanisms]"`, noSASL},
	{"dynamic", "own =x", "1", "Resources[0].ErrorCode", `42`, unknownKey},
	{"dynamic", "own =x", "1", "Resources[0].ErrorMessage", `"Unknown broker config name: "`, unknownKey},
	{"dynamic", "all =x", "1", "Resources[0].ErrorCode", `42`, unknownKey},
	{"dynamic", "all =x", "1", "Resources[0].ErrorMessage", `"Unknown broker config name: "`, unknownKey},
	{"every-setting", "own listeners", "1", "Resources[0].ErrorMessage", `"Cannot update these configs dynamically: [listeners]"`, noListeners},
	{"client-metrics", "operation 9", "0-1", "Resources[0].ErrorCode", `42`, kafkaErrs},
	{"client-metrics", "operation 9", "0-1", "Resources[0].ErrorMessage", `"Unknown operations type 9"`, kafkaErrs},
	{"telemetry", "subscriptions, new client", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "subscriptions, known client", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "push, bad compression", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "subscriptions, second client", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "push", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "push again", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "subscriptions too soon", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "push, terminating", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "push after that", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "push, unknown client", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "subscriptions, fourth client", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "push, unknown subscription", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "subscriptions, fifth client", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "push, too large", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "push, no client", "0", "", `"connection closed"`, noTelemetry},
	{"telemetry", "push nothing", "0", "", `"connection closed"`, noTelemetry},
}
