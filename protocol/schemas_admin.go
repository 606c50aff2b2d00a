package protocol

import (
	"unsafe"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// adminSchemas are the request bodies of the APIs that only administrators' tools
// send: log dirs, reassignments, elections, features, the quorum.
//
// Source: as for schemas.
var adminSchemas = map[int16]*layout{
	KeyAlterReplicaLogDirs: {size: int(unsafe.Sizeof(kmsg.AlterReplicaLogDirsRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.AlterReplicaLogDirsRequestDir{}),
			all(str), // path
			all(array(unsafe.Sizeof(kmsg.AlterReplicaLogDirsRequestDirTopic{}),
				all(str),
				all(arrayOf(int32s)),
			)),
		)),
	}},
	KeyDescribeLogDirs: {size: int(unsafe.Sizeof(kmsg.DescribeLogDirsRequest{})), fields: []field{
		all(orNull(array(unsafe.Sizeof(kmsg.DescribeLogDirsRequestTopic{}),
			all(str),
			all(arrayOf(int32s)),
		))),
	}},
	KeyElectLeaders: {size: int(unsafe.Sizeof(kmsg.ElectLeadersRequest{})), fields: []field{
		since(1, int8s), // election type
		all(orNull(array(unsafe.Sizeof(kmsg.ElectLeadersRequestTopic{}),
			all(str),
			all(arrayOf(int32s)),
		))),
		all(int32s), // timeout
	}},
	KeyAlterPartitionReassignments: {size: int(unsafe.Sizeof(kmsg.AlterPartitionAssignmentsRequest{})), fields: []field{
		all(int32s),       // timeout
		since(1, boolean), // allow another replication factor
		all(array(unsafe.Sizeof(kmsg.AlterPartitionAssignmentsRequestTopic{}),
			all(str),
			all(array(unsafe.Sizeof(kmsg.AlterPartitionAssignmentsRequestTopicPartition{}),
				all(int32s),                  // partition
				all(orNull(arrayOf(int32s))), // replicas; null cancels
			)),
		)),
	}},
	KeyListPartitionReassignments: {size: int(unsafe.Sizeof(kmsg.ListPartitionReassignmentsRequest{})), fields: []field{
		all(int32s), // timeout
		all(orNull(array(unsafe.Sizeof(kmsg.ListPartitionReassignmentsRequestTopic{}),
			all(str),
			all(arrayOf(int32s)),
		))),
	}},
	KeyDescribeQuorum: {size: int(unsafe.Sizeof(kmsg.DescribeQuorumRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.DescribeQuorumRequestTopic{}),
			all(str),
			all(array(unsafe.Sizeof(kmsg.DescribeQuorumRequestTopicPartition{}),
				all(int32s),
			)),
		)),
	}},
	KeyUpdateFeatures: {size: int(unsafe.Sizeof(kmsg.UpdateFeaturesRequest{})), fields: []field{
		all(int32s), // timeout
		all(array(unsafe.Sizeof(kmsg.UpdateFeaturesRequestFeatureUpdate{}),
			all(str),
			all(int16s),       // level
			until(0, boolean), // allow downgrade
			since(1, int8s),   // upgrade type
		)),
		since(1, boolean), // validate only
	}},
	KeyDescribeProducers: {size: int(unsafe.Sizeof(kmsg.DescribeProducersRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.DescribeProducersRequestTopic{}),
			all(str),
			all(arrayOf(int32s)),
		)),
	}},
	KeyUnregisterBroker: {size: int(unsafe.Sizeof(kmsg.UnregisterBrokerRequest{})), fields: []field{
		all(int32s), // broker
	}},
	KeyListConfigResources: {size: int(unsafe.Sizeof(kmsg.ListConfigResourcesRequest{})), fields: []field{
		since(1, arrayOf(int8s)), // types
	}},
	KeyAddRaftVoter: {size: int(unsafe.Sizeof(kmsg.AddRaftVoterRequest{})), fields: []field{
		all(nullString), // cluster id
		all(int32s),     // timeout
		all(int32s),     // voter
		all(uuid),       // its directory
		all(array(unsafe.Sizeof(kmsg.AddRaftVoterRequestListener{}),
			all(str),    // name
			all(str),    // host
			all(int16s), // port
		)),
		since(1, boolean), // answer when it is committed
	}},
	KeyRemoveRaftVoter: {size: int(unsafe.Sizeof(kmsg.RemoveRaftVoterRequest{})), fields: []field{
		all(nullString), // cluster id
		all(int32s),     // voter
		all(uuid),       // its directory
	}},
	KeyUnregisterController: {size: int(unsafe.Sizeof(kmsg.UnregisterControllerRequest{})), fields: []field{
		all(int32s), // controller
	}},
}
