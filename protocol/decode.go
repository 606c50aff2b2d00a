package protocol

import "github.com/twmb/franz-go/pkg/kmsg"

// Decode checks and decodes a request body. The error is UNSUPPORTED_VERSION if the API
// or version is not served, INVALID_REQUEST if the body is not what key and version say;
// both close the connection, but for ApiVersions (KIP-511). Byte slices of the result
// are parts of body.
func Decode(key, version int16, body []byte) (kmsg.Request, error) {
	if _, err := Walk(key, version, body); err != nil {
		return nil, err
	}
	return Unmarshal(key, version, body)
}

// Unmarshal decodes a body that Walk has accepted. It is apart from Decode for callers
// that reserve Shape.Memory in between.
func Unmarshal(key, version int16, body []byte) (kmsg.Request, error) {
	req := kmsg.RequestForKey(key)
	if req == nil {
		return nil, Errorf(UnsupportedVersion, "unknown API key %d", key)
	}
	req.SetVersion(version)
	if err := req.ReadFrom(body); err != nil {
		return nil, Errorf(InvalidRequest, "%s version %d: %v", Name(key), version, err)
	}
	return req, nil
}
