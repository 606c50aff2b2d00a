package txn

// TopicPartition names a partition as records of __transaction_state do. Topics are
// kept by name there: a topic that is deleted and made again under its name takes the
// place of the old one.
type TopicPartition struct {
	Topic     string
	Partition int32
}
