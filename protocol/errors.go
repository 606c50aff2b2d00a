package protocol

import "fmt"

// Code is an error code of the Kafka protocol. It is the one vocabulary in which
// every layer above storage reports what went wrong to a client, so it implements
// error; a nil error (never a Code of value None) means success.
//
// Source: Kafka 4.4, org.apache.kafka.common.protocol.Errors.
type Code int16

// The codes of Kafka 4.4, under Kafka's names.
const (
	UnknownServerError                     Code = -1
	None                                   Code = 0
	OffsetOutOfRange                       Code = 1
	CorruptMessage                         Code = 2
	UnknownTopicOrPartition                Code = 3
	InvalidFetchSize                       Code = 4
	LeaderNotAvailable                     Code = 5
	NotLeaderOrFollower                    Code = 6
	RequestTimedOut                        Code = 7
	BrokerNotAvailable                     Code = 8
	ReplicaNotAvailable                    Code = 9
	MessageTooLarge                        Code = 10
	StaleControllerEpoch                   Code = 11
	OffsetMetadataTooLarge                 Code = 12
	NetworkException                       Code = 13
	CoordinatorLoadInProgress              Code = 14
	CoordinatorNotAvailable                Code = 15
	NotCoordinator                         Code = 16
	InvalidTopicException                  Code = 17
	RecordListTooLarge                     Code = 18
	NotEnoughReplicas                      Code = 19
	NotEnoughReplicasAfterAppend           Code = 20
	InvalidRequiredAcks                    Code = 21
	IllegalGeneration                      Code = 22
	InconsistentGroupProtocol              Code = 23
	InvalidGroupID                         Code = 24
	UnknownMemberID                        Code = 25
	InvalidSessionTimeout                  Code = 26
	RebalanceInProgress                    Code = 27
	InvalidCommitOffsetSize                Code = 28
	TopicAuthorizationFailed               Code = 29
	GroupAuthorizationFailed               Code = 30
	ClusterAuthorizationFailed             Code = 31
	InvalidTimestamp                       Code = 32
	UnsupportedSASLMechanism               Code = 33
	IllegalSASLState                       Code = 34
	UnsupportedVersion                     Code = 35
	TopicAlreadyExists                     Code = 36
	InvalidPartitions                      Code = 37
	InvalidReplicationFactor               Code = 38
	InvalidReplicaAssignment               Code = 39
	InvalidConfig                          Code = 40
	NotController                          Code = 41
	InvalidRequest                         Code = 42
	UnsupportedForMessageFormat            Code = 43
	PolicyViolation                        Code = 44
	OutOfOrderSequenceNumber               Code = 45
	DuplicateSequenceNumber                Code = 46
	InvalidProducerEpoch                   Code = 47
	InvalidTxnState                        Code = 48
	InvalidProducerIDMapping               Code = 49
	InvalidTransactionTimeout              Code = 50
	ConcurrentTransactions                 Code = 51
	TransactionCoordinatorFenced           Code = 52
	TransactionalIDAuthorizationFailed     Code = 53
	SecurityDisabled                       Code = 54
	OperationNotAttempted                  Code = 55
	KafkaStorageError                      Code = 56
	LogDirNotFound                         Code = 57
	SASLAuthenticationFailed               Code = 58
	UnknownProducerID                      Code = 59
	ReassignmentInProgress                 Code = 60
	DelegationTokenAuthDisabled            Code = 61
	DelegationTokenNotFound                Code = 62
	DelegationTokenOwnerMismatch           Code = 63
	DelegationTokenRequestNotAllowed       Code = 64
	DelegationTokenAuthorizationFailed     Code = 65
	DelegationTokenExpired                 Code = 66
	InvalidPrincipalType                   Code = 67
	NonEmptyGroup                          Code = 68
	GroupIDNotFound                        Code = 69
	FetchSessionIDNotFound                 Code = 70
	InvalidFetchSessionEpoch               Code = 71
	ListenerNotFound                       Code = 72
	TopicDeletionDisabled                  Code = 73
	FencedLeaderEpoch                      Code = 74
	UnknownLeaderEpoch                     Code = 75
	UnsupportedCompressionType             Code = 76
	StaleBrokerEpoch                       Code = 77
	OffsetNotAvailable                     Code = 78
	MemberIDRequired                       Code = 79
	PreferredLeaderNotAvailable            Code = 80
	GroupMaxSizeReached                    Code = 81
	FencedInstanceID                       Code = 82
	EligibleLeadersNotAvailable            Code = 83
	ElectionNotNeeded                      Code = 84
	NoReassignmentInProgress               Code = 85
	GroupSubscribedToTopic                 Code = 86
	InvalidRecord                          Code = 87
	UnstableOffsetCommit                   Code = 88
	ThrottlingQuotaExceeded                Code = 89
	ProducerFenced                         Code = 90
	ResourceNotFound                       Code = 91
	DuplicateResource                      Code = 92
	UnacceptableCredential                 Code = 93
	InconsistentVoterSet                   Code = 94
	InvalidUpdateVersion                   Code = 95
	FeatureUpdateFailed                    Code = 96
	PrincipalDeserializationFailure        Code = 97
	SnapshotNotFound                       Code = 98
	PositionOutOfRange                     Code = 99
	UnknownTopicID                         Code = 100
	DuplicateBrokerRegistration            Code = 101
	BrokerIDNotRegistered                  Code = 102
	InconsistentTopicID                    Code = 103
	InconsistentClusterID                  Code = 104
	TransactionalIDNotFound                Code = 105
	FetchSessionTopicIDError               Code = 106
	IneligibleReplica                      Code = 107
	NewLeaderElected                       Code = 108
	OffsetMovedToTieredStorage             Code = 109
	FencedMemberEpoch                      Code = 110
	UnreleasedInstanceID                   Code = 111
	UnsupportedAssignor                    Code = 112
	StaleMemberEpoch                       Code = 113
	MismatchedEndpointType                 Code = 114
	UnsupportedEndpointType                Code = 115
	UnknownControllerID                    Code = 116
	UnknownSubscriptionID                  Code = 117
	TelemetryTooLarge                      Code = 118
	InvalidRegistration                    Code = 119
	TransactionAbortable                   Code = 120
	InvalidRecordState                     Code = 121
	ShareSessionNotFound                   Code = 122
	InvalidShareSessionEpoch               Code = 123
	FencedStateEpoch                       Code = 124
	InvalidVoterKey                        Code = 125
	DuplicateVoter                         Code = 126
	VoterNotFound                          Code = 127
	InvalidRegularExpression               Code = 128
	RebootstrapRequired                    Code = 129
	StreamsInvalidTopology                 Code = 130
	StreamsInvalidTopologyEpoch            Code = 131
	StreamsTopologyFenced                  Code = 132
	ShareSessionLimitReached               Code = 133
	GroupDeletionFailed                    Code = 134
	StreamsTopologyDescriptionUpdateFailed Code = 135
	ControllerIDNotRegistered              Code = 136
)

// Error returns the code's Kafka name, so that logs read as Kafka's do.
func (c Code) Error() string { return c.String() }

// String returns the code's Kafka name, for example "NOT_COORDINATOR".
func (c Code) String() string {
	if i := int(c) + 1; i >= 0 && i < len(codeNames) && codeNames[i] != "" {
		return codeNames[i]
	}
	return fmt.Sprintf("ERROR_%d", int16(c))
}

// codeNames is indexed by code + 1, since UNKNOWN_SERVER_ERROR is -1.
var codeNames = [...]string{
	0:   "UNKNOWN_SERVER_ERROR",
	1:   "NONE",
	2:   "OFFSET_OUT_OF_RANGE",
	3:   "CORRUPT_MESSAGE",
	4:   "UNKNOWN_TOPIC_OR_PARTITION",
	5:   "INVALID_FETCH_SIZE",
	6:   "LEADER_NOT_AVAILABLE",
	7:   "NOT_LEADER_OR_FOLLOWER",
	8:   "REQUEST_TIMED_OUT",
	9:   "BROKER_NOT_AVAILABLE",
	10:  "REPLICA_NOT_AVAILABLE",
	11:  "MESSAGE_TOO_LARGE",
	12:  "STALE_CONTROLLER_EPOCH",
	13:  "OFFSET_METADATA_TOO_LARGE",
	14:  "NETWORK_EXCEPTION",
	15:  "COORDINATOR_LOAD_IN_PROGRESS",
	16:  "COORDINATOR_NOT_AVAILABLE",
	17:  "NOT_COORDINATOR",
	18:  "INVALID_TOPIC_EXCEPTION",
	19:  "RECORD_LIST_TOO_LARGE",
	20:  "NOT_ENOUGH_REPLICAS",
	21:  "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
	22:  "INVALID_REQUIRED_ACKS",
	23:  "ILLEGAL_GENERATION",
	24:  "INCONSISTENT_GROUP_PROTOCOL",
	25:  "INVALID_GROUP_ID",
	26:  "UNKNOWN_MEMBER_ID",
	27:  "INVALID_SESSION_TIMEOUT",
	28:  "REBALANCE_IN_PROGRESS",
	29:  "INVALID_COMMIT_OFFSET_SIZE",
	30:  "TOPIC_AUTHORIZATION_FAILED",
	31:  "GROUP_AUTHORIZATION_FAILED",
	32:  "CLUSTER_AUTHORIZATION_FAILED",
	33:  "INVALID_TIMESTAMP",
	34:  "UNSUPPORTED_SASL_MECHANISM",
	35:  "ILLEGAL_SASL_STATE",
	36:  "UNSUPPORTED_VERSION",
	37:  "TOPIC_ALREADY_EXISTS",
	38:  "INVALID_PARTITIONS",
	39:  "INVALID_REPLICATION_FACTOR",
	40:  "INVALID_REPLICA_ASSIGNMENT",
	41:  "INVALID_CONFIG",
	42:  "NOT_CONTROLLER",
	43:  "INVALID_REQUEST",
	44:  "UNSUPPORTED_FOR_MESSAGE_FORMAT",
	45:  "POLICY_VIOLATION",
	46:  "OUT_OF_ORDER_SEQUENCE_NUMBER",
	47:  "DUPLICATE_SEQUENCE_NUMBER",
	48:  "INVALID_PRODUCER_EPOCH",
	49:  "INVALID_TXN_STATE",
	50:  "INVALID_PRODUCER_ID_MAPPING",
	51:  "INVALID_TRANSACTION_TIMEOUT",
	52:  "CONCURRENT_TRANSACTIONS",
	53:  "TRANSACTION_COORDINATOR_FENCED",
	54:  "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
	55:  "SECURITY_DISABLED",
	56:  "OPERATION_NOT_ATTEMPTED",
	57:  "KAFKA_STORAGE_ERROR",
	58:  "LOG_DIR_NOT_FOUND",
	59:  "SASL_AUTHENTICATION_FAILED",
	60:  "UNKNOWN_PRODUCER_ID",
	61:  "REASSIGNMENT_IN_PROGRESS",
	62:  "DELEGATION_TOKEN_AUTH_DISABLED",
	63:  "DELEGATION_TOKEN_NOT_FOUND",
	64:  "DELEGATION_TOKEN_OWNER_MISMATCH",
	65:  "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
	66:  "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
	67:  "DELEGATION_TOKEN_EXPIRED",
	68:  "INVALID_PRINCIPAL_TYPE",
	69:  "NON_EMPTY_GROUP",
	70:  "GROUP_ID_NOT_FOUND",
	71:  "FETCH_SESSION_ID_NOT_FOUND",
	72:  "INVALID_FETCH_SESSION_EPOCH",
	73:  "LISTENER_NOT_FOUND",
	74:  "TOPIC_DELETION_DISABLED",
	75:  "FENCED_LEADER_EPOCH",
	76:  "UNKNOWN_LEADER_EPOCH",
	77:  "UNSUPPORTED_COMPRESSION_TYPE",
	78:  "STALE_BROKER_EPOCH",
	79:  "OFFSET_NOT_AVAILABLE",
	80:  "MEMBER_ID_REQUIRED",
	81:  "PREFERRED_LEADER_NOT_AVAILABLE",
	82:  "GROUP_MAX_SIZE_REACHED",
	83:  "FENCED_INSTANCE_ID",
	84:  "ELIGIBLE_LEADERS_NOT_AVAILABLE",
	85:  "ELECTION_NOT_NEEDED",
	86:  "NO_REASSIGNMENT_IN_PROGRESS",
	87:  "GROUP_SUBSCRIBED_TO_TOPIC",
	88:  "INVALID_RECORD",
	89:  "UNSTABLE_OFFSET_COMMIT",
	90:  "THROTTLING_QUOTA_EXCEEDED",
	91:  "PRODUCER_FENCED",
	92:  "RESOURCE_NOT_FOUND",
	93:  "DUPLICATE_RESOURCE",
	94:  "UNACCEPTABLE_CREDENTIAL",
	95:  "INCONSISTENT_VOTER_SET",
	96:  "INVALID_UPDATE_VERSION",
	97:  "FEATURE_UPDATE_FAILED",
	98:  "PRINCIPAL_DESERIALIZATION_FAILURE",
	99:  "SNAPSHOT_NOT_FOUND",
	100: "POSITION_OUT_OF_RANGE",
	101: "UNKNOWN_TOPIC_ID",
	102: "DUPLICATE_BROKER_REGISTRATION",
	103: "BROKER_ID_NOT_REGISTERED",
	104: "INCONSISTENT_TOPIC_ID",
	105: "INCONSISTENT_CLUSTER_ID",
	106: "TRANSACTIONAL_ID_NOT_FOUND",
	107: "FETCH_SESSION_TOPIC_ID_ERROR",
	108: "INELIGIBLE_REPLICA",
	109: "NEW_LEADER_ELECTED",
	110: "OFFSET_MOVED_TO_TIERED_STORAGE",
	111: "FENCED_MEMBER_EPOCH",
	112: "UNRELEASED_INSTANCE_ID",
	113: "UNSUPPORTED_ASSIGNOR",
	114: "STALE_MEMBER_EPOCH",
	115: "MISMATCHED_ENDPOINT_TYPE",
	116: "UNSUPPORTED_ENDPOINT_TYPE",
	117: "UNKNOWN_CONTROLLER_ID",
	118: "UNKNOWN_SUBSCRIPTION_ID",
	119: "TELEMETRY_TOO_LARGE",
	120: "INVALID_REGISTRATION",
	121: "TRANSACTION_ABORTABLE",
	122: "INVALID_RECORD_STATE",
	123: "SHARE_SESSION_NOT_FOUND",
	124: "INVALID_SHARE_SESSION_EPOCH",
	125: "FENCED_STATE_EPOCH",
	126: "INVALID_VOTER_KEY",
	127: "DUPLICATE_VOTER",
	128: "VOTER_NOT_FOUND",
	129: "INVALID_REGULAR_EXPRESSION",
	130: "REBOOTSTRAP_REQUIRED",
	131: "STREAMS_INVALID_TOPOLOGY",
	132: "STREAMS_INVALID_TOPOLOGY_EPOCH",
	133: "STREAMS_TOPOLOGY_FENCED",
	134: "SHARE_SESSION_LIMIT_REACHED",
	135: "GROUP_DELETION_FAILED",
	136: "STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED",
	137: "CONTROLLER_ID_NOT_REGISTERED",
}

// Error is a Code with the message that the client is shown where the response
// has a field for one.
type Error struct {
	Code    Code
	Message string
}

// Error returns the code's name followed by the message.
func (e *Error) Error() string { return e.Code.String() + ": " + e.Message }

// Unwrap makes errors.Is(err, protocol.SomeCode) hold.
func (e *Error) Unwrap() error { return e.Code }

// Errorf makes an Error with a formatted message.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}
