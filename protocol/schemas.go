package protocol

import (
	"unsafe"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// commonSchemas are the request bodies of the APIs that applications send, by API key.
//
// Source: Kafka's clients/src/main/resources/common/message/*Request.json, which say
// what may be null; the tests hold the order of the fields against kmsg's encoder.
var commonSchemas = map[int16]*layout{
	KeyProduce: {size: int(unsafe.Sizeof(kmsg.ProduceRequest{})), fields: []field{
		since(3, nullString), // transactional id
		all(int16s),          // acks
		all(int32s),          // timeout
		all(array(unsafe.Sizeof(kmsg.ProduceRequestTopic{}),
			until(12, str),
			since(13, uuid),
			all(array(unsafe.Sizeof(kmsg.ProduceRequestTopicPartition{}),
				all(int32s),   // partition
				all(nullBlob), // records
			)),
		)),
	}},
	KeyFetch: {size: int(unsafe.Sizeof(kmsg.FetchRequest{})), tagged: []taggedField{
		{0, nullString},                       // cluster id
		{1, object(all(int32s), all(int64s))}, // replica state
	}, fields: []field{
		until(14, int32s), // replica id
		all(int32s),       // max wait
		all(int32s),       // min bytes
		all(int32s),       // max bytes
		all(int8s),        // isolation level
		since(7, int32s),  // session id
		since(7, int32s),  // session epoch
		all(arrayTagged(unsafe.Sizeof(kmsg.FetchRequestTopic{}), nil,
			until(12, str),
			since(13, uuid),
			all(arrayTagged(unsafe.Sizeof(kmsg.FetchRequestTopicPartition{}), []taggedField{
				{0, uuid},   // replica directory id
				{1, int64s}, // high watermark
			},
				all(int32s),       // partition
				since(9, int32s),  // current leader epoch
				all(int64s),       // fetch offset
				since(12, int32s), // last fetched epoch
				since(5, int64s),  // log start offset
				all(int32s),       // partition max bytes
			)),
		)),
		since(7, array(unsafe.Sizeof(kmsg.FetchRequestForgottenTopic{}),
			until(12, str),
			since(13, uuid),
			all(arrayOf(int32s)),
		)),
		since(11, str), // rack
	}},
	KeyListOffsets: {size: int(unsafe.Sizeof(kmsg.ListOffsetsRequest{})), fields: []field{
		all(int32s),     // replica id
		since(2, int8s), // isolation level
		all(array(unsafe.Sizeof(kmsg.ListOffsetsRequestTopic{}),
			all(str),
			all(array(unsafe.Sizeof(kmsg.ListOffsetsRequestTopicPartition{}),
				all(int32s),      // partition
				since(4, int32s), // current leader epoch
				all(int64s),      // timestamp
			)),
		)),
		since(10, int32s), // timeout
	}},
	KeyMetadata: {size: int(unsafe.Sizeof(kmsg.MetadataRequest{})), fields: []field{
		until(0, metadataTopics),
		since(1, orNull(metadataTopics)),
		since(4, boolean),       // allow auto creation
		between(8, 10, boolean), // cluster operations
		since(8, boolean),       // topic operations
	}},
	KeyOffsetCommit: {size: int(unsafe.Sizeof(kmsg.OffsetCommitRequest{})), fields: []field{
		all(str),              // group
		all(int32s),           // generation
		all(str),              // member
		since(7, nullString),  // instance
		between(2, 4, int64s), // retention
		all(array(unsafe.Sizeof(kmsg.OffsetCommitRequestTopic{}),
			until(9, str),
			since(10, uuid),
			all(array(unsafe.Sizeof(kmsg.OffsetCommitRequestTopicPartition{}),
				all(int32s),      // partition
				all(int64s),      // offset
				since(6, int32s), // leader epoch
				all(nullString),  // metadata
			)),
		)),
	}},
	KeyOffsetFetch: {size: int(unsafe.Sizeof(kmsg.OffsetFetchRequest{})), fields: []field{
		until(7, str), // group
		until(1, offsetFetchTopics),
		between(2, 7, orNull(offsetFetchTopics)),
		since(8, array(unsafe.Sizeof(kmsg.OffsetFetchRequestGroup{}),
			all(str),             // group
			since(9, nullString), // member
			since(9, int32s),     // member epoch
			all(orNull(array(unsafe.Sizeof(kmsg.OffsetFetchRequestGroupTopic{}),
				until(9, str),
				since(10, uuid),
				all(arrayOf(int32s)),
			))),
		)),
		since(7, boolean), // require stable
	}},
	KeyFindCoordinator: {size: int(unsafe.Sizeof(kmsg.FindCoordinatorRequest{})), fields: []field{
		until(3, str),
		since(1, int8s), // type
		since(4, arrayOf(str)),
	}},
	KeyJoinGroup: {size: int(unsafe.Sizeof(kmsg.JoinGroupRequest{})), fields: []field{
		all(str),             // group
		all(int32s),          // session timeout
		since(1, int32s),     // rebalance timeout
		all(str),             // member
		since(5, nullString), // instance
		all(str),             // protocol type
		all(array(unsafe.Sizeof(kmsg.JoinGroupRequestProtocol{}), all(str), all(blob))),
		since(8, nullString), // reason
	}},
	KeyHeartbeat: {size: int(unsafe.Sizeof(kmsg.HeartbeatRequest{})), fields: []field{
		all(str),             // group
		all(int32s),          // generation
		all(str),             // member
		since(3, nullString), // instance
	}},
	KeyLeaveGroup: {size: int(unsafe.Sizeof(kmsg.LeaveGroupRequest{})), fields: []field{
		all(str),      // group
		until(2, str), // member
		since(3, array(unsafe.Sizeof(kmsg.LeaveGroupRequestMember{}),
			all(str),             // member
			all(nullString),      // instance
			since(5, nullString), // reason
		)),
	}},
	KeySyncGroup: {size: int(unsafe.Sizeof(kmsg.SyncGroupRequest{})), fields: []field{
		all(str),             // group
		all(int32s),          // generation
		all(str),             // member
		since(3, nullString), // instance
		since(5, nullString), // protocol type
		since(5, nullString), // protocol
		all(array(unsafe.Sizeof(kmsg.SyncGroupRequestGroupAssignment{}), all(str), all(blob))),
	}},
	KeyDescribeGroups: {size: int(unsafe.Sizeof(kmsg.DescribeGroupsRequest{})), fields: []field{
		all(arrayOf(str)),
		since(3, boolean), // authorized operations
	}},
	KeyListGroups: {size: int(unsafe.Sizeof(kmsg.ListGroupsRequest{})), fields: []field{
		since(4, arrayOf(str)), // states
		since(5, arrayOf(str)), // types
	}},
	KeyApiVersions: {size: int(unsafe.Sizeof(kmsg.ApiVersionsRequest{})), fields: []field{
		since(3, str),        // software name
		since(3, str),        // software version
		since(5, nullString), // cluster id
		since(5, int32s),     // node id
	}},
	KeyCreateTopics: {size: int(unsafe.Sizeof(kmsg.CreateTopicsRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.CreateTopicsRequestTopic{}),
			all(str),
			all(int32s), // partitions
			all(int16s), // replication factor
			all(array(unsafe.Sizeof(kmsg.CreateTopicsRequestTopicReplicaAssignment{}), all(int32s), all(arrayOf(int32s)))),
			all(array(unsafe.Sizeof(kmsg.CreateTopicsRequestTopicConfig{}), all(str), all(nullString))),
		)),
		all(int32s),  // timeout
		all(boolean), // validate only
	}},
	KeyDeleteTopics: {size: int(unsafe.Sizeof(kmsg.DeleteTopicsRequest{})), fields: []field{
		until(5, arrayOf(str)),
		since(6, array(unsafe.Sizeof(kmsg.DeleteTopicsRequestTopic{}), all(nullString), all(uuid))),
		all(int32s), // timeout
	}},
	KeyDeleteRecords: {size: int(unsafe.Sizeof(kmsg.DeleteRecordsRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.DeleteRecordsRequestTopic{}),
			all(str),
			all(array(unsafe.Sizeof(kmsg.DeleteRecordsRequestTopicPartition{}), all(int32s), all(int64s))),
		)),
		all(int32s), // timeout
	}},
	KeyInitProducerId: {size: int(unsafe.Sizeof(kmsg.InitProducerIDRequest{})), fields: []field{
		all(nullString),  // transactional id
		all(int32s),      // timeout
		since(3, int64s), // producer id
		since(3, int16s), // producer epoch
	}},
	KeyOffsetForLeaderEpoch: {size: int(unsafe.Sizeof(kmsg.OffsetForLeaderEpochRequest{})), fields: []field{
		since(3, int32s), // replica id
		all(array(unsafe.Sizeof(kmsg.OffsetForLeaderEpochRequestTopic{}),
			all(str),
			all(array(unsafe.Sizeof(kmsg.OffsetForLeaderEpochRequestTopicPartition{}),
				all(int32s), // partition
				all(int32s), // current leader epoch
				all(int32s), // leader epoch
			)),
		)),
	}},
	KeyDescribeConfigs: {size: int(unsafe.Sizeof(kmsg.DescribeConfigsRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.DescribeConfigsRequestResource{}),
			all(int8s), // type
			all(str),   // name
			all(orNull(arrayOf(str))),
		)),
		all(boolean),      // synonyms
		since(3, boolean), // documentation
	}},
	KeyAlterConfigs: {size: int(unsafe.Sizeof(kmsg.AlterConfigsRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.AlterConfigsRequestResource{}),
			all(int8s), // type
			all(str),   // name
			all(array(unsafe.Sizeof(kmsg.AlterConfigsRequestResourceConfig{}), all(str), all(nullString))),
		)),
		all(boolean), // validate only
	}},
	KeyCreatePartitions: {size: int(unsafe.Sizeof(kmsg.CreatePartitionsRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.CreatePartitionsRequestTopic{}),
			all(str),
			all(int32s), // count
			all(orNull(array(unsafe.Sizeof(kmsg.CreatePartitionsRequestTopicAssignment{}), all(arrayOf(int32s))))),
		)),
		all(int32s),  // timeout
		all(boolean), // validate only
	}},
	KeyDeleteGroups: {size: int(unsafe.Sizeof(kmsg.DeleteGroupsRequest{})), fields: []field{
		all(arrayOf(str)),
	}},
	KeyIncrementalAlterConfigs: {size: int(unsafe.Sizeof(kmsg.IncrementalAlterConfigsRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.IncrementalAlterConfigsRequestResource{}),
			all(int8s), // type
			all(str),   // name
			all(array(unsafe.Sizeof(kmsg.IncrementalAlterConfigsRequestResourceConfig{}), all(str), all(int8s), all(nullString))),
		)),
		all(boolean), // validate only
	}},
	KeyOffsetDelete: {size: int(unsafe.Sizeof(kmsg.OffsetDeleteRequest{})), fields: []field{
		all(str), // group
		all(array(unsafe.Sizeof(kmsg.OffsetDeleteRequestTopic{}),
			all(str),
			all(array(unsafe.Sizeof(kmsg.OffsetDeleteRequestTopicPartition{}), all(int32s))),
		)),
	}},
	KeyDescribeCluster: {size: int(unsafe.Sizeof(kmsg.DescribeClusterRequest{})), fields: []field{
		all(boolean),      // authorized operations
		since(1, int8s),   // endpoint type
		since(2, boolean), // fenced brokers
	}},
	KeyDescribeTopicPartitions: {size: int(unsafe.Sizeof(kmsg.DescribeTopicPartitionsRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.DescribeTopicPartitionsRequestTopic{}), all(str))),
		all(int32s), // partition limit
		all(optional(unsafe.Sizeof(kmsg.DescribeTopicPartitionsRequestCursor{}), all(str), all(int32s))),
	}},
}

var (
	metadataTopics = array(unsafe.Sizeof(kmsg.MetadataRequestTopic{}),
		since(10, uuid),
		// kmsg keeps the name behind a pointer in every version.
		until(9, kind{op: opString, size: nullString.size}),
		since(10, nullString),
	)
	offsetFetchTopics = array(unsafe.Sizeof(kmsg.OffsetFetchRequestTopic{}), all(str), all(arrayOf(int32s)))
)
