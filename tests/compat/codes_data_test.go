package compat

// Where other packages produce what needs a fault of the log.
const (
	lostLog     = "go broker/api TestPartitionThatCannotBeOpened"
	asked       = "go broker/api/produce TestProduceAsksTheCoordinator"
	alwaysThere = "- what leads a partition knows its high watermark at once"
)

// dataCodes are the codes of what reads and writes records.
var dataCodes = map[int16]map[int16]string{
	0: {2: "produce/magic 3", 3: "produce/unknown topic", 10: "produce/too large", 17: "internal/produce",
		18: "produce/larger than a segment", 21: "produce/acks 2", 32: "produce/timestamp too old", 45: "idempotence/gap",
		47: "idempotence/old epoch", 48: "txn-produce/not added", 49: "txn-produce/stranger", 53: "txn-produce/no id",
		76: "produce/codec zstd without data", 87: "produce/empty", 100: "produce/zero id", 120: "txn-produce/outside of a transaction",
		6: lostLog, 7: "go broker/api/produce TestProduceTimesOut", 19: asked, 51: asked, 56: lostLog,
		5: oneBroker, 20: oneBroker, 29: noSecurity, 31: noSecurity, 89: noQuotas},
	1: {1: "fetch/past the end", 3: "fetch/unknown topic", 42: "fetch/negative room", 70: "sessions/unknown session", 71: "sessions/wrong epoch, again",
		75: "fetch/epoch to come", 100: "fetch/unknown topic", 106: "sessions/session of the other kind",
		6: lostLog, 56: lostLog, 74: "go broker/api/fetch TestFetchErrors",
		2: "- batches are checked when they are written; what cannot be read is a storage error", 9: oneBroker, 29: noSecurity,
		78: alwaysThere, 103: "- a topic has one id while it lives, and there are no copies that have another", 109: noTiers},
	2: {3: "offsets/unknown topic", 35: "offsets/timestamp -7", 42: "offsets/partition twice", 74: "offsets/epoch -2",
		75: "offsets/epoch to come", 6: lostLog, 56: lostLog,
		5: oneBroker, 29: noSecurity, 43: "- formats before 2 are not stored", 78: alwaysThere},
	21: {1: "delete-records/past the end", 3: "delete-records/unknown topic", 17: "internal/delete records", 44: "delete-records/compacted",
		6: lostLog, 56: lostLog, 7: "- there are no followers to wait for", 29: noSecurity},
	23: {3: "epochs/unknown partition", 74: "epochs/leader epoch -2", 75: "epochs/leader epoch to come", 6: lostLog, 56: lostLog, 29: noSecurity},
	61: {3: "admin/producers of an unknown partition", 17: "admin/producers of an illegal topic", 6: lostLog, 56: lostLog, 29: noSecurity},
}
