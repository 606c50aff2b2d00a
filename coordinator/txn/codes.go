package txn

import "github.com/streamhouse/streamhouse/protocol"

// The first versions whose transactional requests know TRANSACTION_ABORTABLE, and the
// first that add their partition themselves (KIP-890).
const (
	produceAbortable   = 11
	ProduceAdds        = 12
	offsetsAbortable   = 4
	OffsetCommitAdds   = 5
	fencedInit         = 4 // PRODUCER_FENCED (KIP-588)
	fencedTransactions = 2
)

// ProduceCode is what a Produce of a version is told when joining its partition to the
// transaction came to code. Old clients know neither the coordinator's codes nor those
// of KIP-890.
func ProduceCode(code protocol.Code, version int16) protocol.Code {
	switch code {
	case protocol.ProducerFenced:
		return protocol.InvalidProducerEpoch
	case protocol.TransactionAbortable:
		if version < produceAbortable {
			return protocol.InvalidTxnState
		}
	case protocol.ConcurrentTransactions:
		if version < ProduceAdds {
			return protocol.NotEnoughReplicas
		}
	case protocol.NetworkException, protocol.CoordinatorLoadInProgress,
		protocol.CoordinatorNotAvailable, protocol.NotCoordinator:
		return protocol.NotEnoughReplicas // retried by all, without asking for metadata
	}
	return code
}

// OffsetCommitCode is the same for a TxnOffsetCommit, whose clients know coordinators.
func OffsetCommitCode(code protocol.Code, version int16) protocol.Code {
	switch code {
	case protocol.ProducerFenced:
		return protocol.InvalidProducerEpoch
	case protocol.TransactionAbortable:
		if version < offsetsAbortable {
			return protocol.InvalidTxnState
		}
	case protocol.CoordinatorLoadInProgress:
		if version < 2 {
			return protocol.CoordinatorNotAvailable
		}
	}
	return code
}

// InitCode is what an InitProducerId of a version is told.
func InitCode(code protocol.Code, version int16) protocol.Code {
	return fenced(code, version, fencedInit)
}

// RequestCode is what AddPartitionsToTxn, AddOffsetsToTxn and EndTxn are told.
func RequestCode(code protocol.Code, version int16) protocol.Code {
	return fenced(code, version, fencedTransactions)
}

func fenced(code protocol.Code, version, since int16) protocol.Code {
	if code == protocol.ProducerFenced && version < since {
		return protocol.InvalidProducerEpoch
	}
	return code
}
