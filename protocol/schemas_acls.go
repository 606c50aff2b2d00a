package protocol

import (
	"unsafe"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// aclSchemas are the request bodies of the APIs of ACLs.
//
// Source: as for schemas.
var aclSchemas = map[int16]*layout{
	KeyDescribeAcls: {size: int(unsafe.Sizeof(kmsg.DescribeACLsRequest{})), fields: aclFilter},
	KeyCreateAcls: {size: int(unsafe.Sizeof(kmsg.CreateACLsRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.CreateACLsRequestCreation{}),
			all(int8s), // resource type
			all(str),   // resource name
			all(int8s), // pattern of the name
			all(str),   // principal
			all(str),   // host
			all(int8s), // operation
			all(int8s), // permission
		)),
	}},
	KeyDeleteAcls: {size: int(unsafe.Sizeof(kmsg.DeleteACLsRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.DeleteACLsRequestFilter{}), aclFilter...)),
	}},
}

// aclFilter matches ACLs; null matches all.
var aclFilter = []field{
	all(int8s),      // resource type
	all(nullString), // resource name
	all(int8s),      // pattern of the name
	all(nullString), // principal
	all(nullString), // host
	all(int8s),      // operation
	all(int8s),      // permission
}
