package config

var brokerTable = NewTable(
	brokerNetwork(), brokerIdentity(), brokerTopics(), brokerLogs(), brokerRequests(), brokerQuota(),
	brokerGroups(), brokerTransactions(), brokerReplication(), brokerTiering(), brokerSecurity(),
)

// Brokers returns the definitions of Kafka's broker settings: those that a broker of
// Kafka 4.4 shows, whether they mean anything here or not.
func Brokers() *Table { return brokerTable }
