package protocol

import (
	"unsafe"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// securitySchemas are the request bodies of logins and of users.
//
// Source: as for schemas.
var securitySchemas = map[int16]*layout{
	KeySaslHandshake:    {size: int(unsafe.Sizeof(kmsg.SASLHandshakeRequest{})), fields: []field{all(str)}},
	KeySaslAuthenticate: {size: int(unsafe.Sizeof(kmsg.SASLAuthenticateRequest{})), fields: []field{all(blob)}},
	KeyDescribeUserScramCredentials: {size: int(unsafe.Sizeof(kmsg.DescribeUserSCRAMCredentialsRequest{})), fields: []field{
		all(orNull(array(unsafe.Sizeof(kmsg.DescribeUserSCRAMCredentialsRequestUser{}), all(str)))),
	}},
	KeyAlterUserScramCredentials: {size: int(unsafe.Sizeof(kmsg.AlterUserSCRAMCredentialsRequest{})), fields: []field{
		all(array(unsafe.Sizeof(kmsg.AlterUserSCRAMCredentialsRequestDeletion{}),
			all(str),   // user
			all(int8s), // mechanism
		)),
		all(array(unsafe.Sizeof(kmsg.AlterUserSCRAMCredentialsRequestUpsertion{}),
			all(str),    // user
			all(int8s),  // mechanism
			all(int32s), // iterations
			all(blob),   // salt
			all(blob),   // salted password
		)),
	}},
}
