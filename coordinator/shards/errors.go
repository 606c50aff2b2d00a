package shards

import (
	"errors"

	"github.com/streamhouse/streamhouse/protocol"
)

// StoreCode maps what kept a record from becoming durable to what clients of a
// coordinator are told. They know none of the log's own codes: a Java consumer dies of
// KAFKA_STORAGE_ERROR. What the log says of a transaction is passed on, as Kafka does: a
// transaction that has ended while its offsets were on their way has not failed inside.
func StoreCode(err error) protocol.Code {
	if err == nil {
		return protocol.None
	}
	var code protocol.Code
	if !errors.As(err, &code) {
		return protocol.CoordinatorNotAvailable // cancelled, or timed out
	}
	switch code {
	case protocol.UnknownTopicOrPartition, protocol.NotEnoughReplicas,
		protocol.NotEnoughReplicasAfterAppend, protocol.RequestTimedOut:
		return protocol.CoordinatorNotAvailable
	case protocol.NotLeaderOrFollower, protocol.KafkaStorageError, protocol.FencedLeaderEpoch,
		protocol.UnknownLeaderEpoch:
		return protocol.NotCoordinator
	case protocol.InvalidTxnState, protocol.InvalidProducerEpoch:
		return code
	default: // MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE and what should not happen
		return protocol.UnknownServerError
	}
}
