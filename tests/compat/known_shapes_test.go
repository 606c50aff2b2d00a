package compat

// Reasons.
const (
	overflow   = "Kafka's number overflows; there is nothing behind"
	nullBatch  = "an error for a partition without records; Kafka never answers"
	twiceEach  = "each is answered; Kafka never answers, and no broker asks so"
	twiceTold  = "each marker is answered for itself, where Kafka puts those of a producer into one answer; no broker asks so"
	nobodysEnd = "there is no such producer, and nothing is written; Kafka fails inside (UNKNOWN_SERVER_ERROR)"
)

// knownInShapes are the differences in requests that are made from sound ones.
var knownInShapes = []known{
	{"shapes-topics", "describe topics: Cursor.Partition 2147483647", "0", "NextCursor", `null`, overflow},
	{"shapes-data", "fetch: MaxBytes -1", "4-18", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: MaxBytes -2", "4-18", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: MaxBytes -2147483648", "4-18", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: IsolationLevel -1", "4-12", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: IsolationLevel -1", "7-18", "ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: IsolationLevel -2", "4-12", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: IsolationLevel -2", "7-18", "ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: IsolationLevel -128", "4-12", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: IsolationLevel -128", "7-18", "ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: IsolationLevel 127", "4-12", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: IsolationLevel 127", "7-18", "ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: Topics[0].Partitions[0].PartitionMaxBytes -1", "4-18", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: Topics[0].Partitions[0].PartitionMaxBytes -2", "4-18", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "fetch: Topics[0].Partitions[0].PartitionMaxBytes -2147483648", "4-18", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "offsets: IsolationLevel -1", "2-11", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "offsets: IsolationLevel -2", "2-11", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "offsets: IsolationLevel -128", "2-11", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "offsets: IsolationLevel 127", "2-11", "Topics[0].Partitions[0].ErrorCode", `42`, kafkaErrs},
	{"shapes-data", "produce: Topics[0].Partitions[0].Records null", "3-12", "", `{"Brokers":null,"ThrottleMillis":0,"Topics":[{"Partitions":[{"BaseOffset":-1,"CurrentLeader":{"LeaderEpoch":-1,"LeaderID... (269 bytes, CRC e6254218)`, nullBatch},
	{"shapes-data", "produce: Topics[0].Partitions[0].Records null", "13", "", `{"Brokers":null,"ThrottleMillis":0,"Topics":[{"Partitions":[{"BaseOffset":-1,"CurrentLeader":{"LeaderEpoch":-1,"LeaderID... (271 bytes, CRC b8f40b96)`, nullBatch},
	{"shapes-transactions", "add: Transactions empty", "4-5", "", `{"ErrorCode":0,"ThrottleMillis":0,"Topics":null,"Transactions":null}`, noneAsked},
	{"shapes-transactions", "markers: Markers twice", "1-2", "Markers", `[{"ProducerID":"a new ProducerID","Topics":[{"Partitions":[{"ErrorCode":0,"Partition":1}],"Topic":"log"}]},{"ProducerID"... (213 bytes, CRC 233c0f37)`, twiceTold},
	{"shapes-transactions", "markers: Markers[0].ProducerID -1", "1-2", "Markers[0].Topics[0].Partitions[0].ErrorCode", `42`, nobodysEnd},
	{"shapes-transactions", "markers: Markers[0].ProducerEpoch -1", "1-2", "Markers[0].Topics[0].Partitions[0].ErrorCode", `47`, staleMarker},
	{"shapes-transactions", "markers: Markers[0].Topics twice", "1-2", "", `{"Markers":[{"ProducerID":"a new ProducerID","Topics":[{"Partitions":[{"ErrorCode":47,"Partition":1}],"Topic":"log"},{"P... (182 bytes, CRC 3d66d80e)`, twiceEach},
	{"shapes-transactions", "markers: Markers[0].Topics[0].Partitions twice", "1-2", "", `{"Markers":[{"ProducerID":"a new ProducerID","Topics":[{"Partitions":[{"ErrorCode":47,"Partition":1},{"ErrorCode":47,"Pa... (151 bytes, CRC e3cb7d19)`, twiceEach},
	{"shapes-admin", "add voter: Listeners empty", "0-1", "ErrorCode", `35`, fixedQuorum},
	{"shapes-admin", "add voter: Listeners empty", "0-1", "ErrorMessage", `"Cluster doesn't support adding voter because the kraft.version feature is 0"`, fixedQuorum},
	{"shapes-admin", "add voter: Listeners[0].Name long", "0-1", "ErrorCode", `35`, fixedQuorum},
	{"shapes-admin", "add voter: Listeners[0].Name long", "0-1", "ErrorMessage", `"Cluster doesn't support adding voter because the kraft.version feature is 0"`, fixedQuorum},
	{"shapes-admin", "add voter: Listeners[0].Name illegal", "0-1", "ErrorCode", `35`, fixedQuorum},
	{"shapes-admin", "add voter: Listeners[0].Name illegal", "0-1", "ErrorMessage", `"Cluster doesn't support adding voter because the kraft.version feature is 0"`, fixedQuorum},
}
