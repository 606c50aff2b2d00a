package api

import (
	"context"
	"regexp"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// ApiVersions (key 18), versions 0 to 5.
//
//	0  as it began; 1, 2 changed nothing that matters here
//	3  flexible body (the response header never is), the client names its software
//	   (KIP-511), features (KIP-584)
//	4  supported features may begin at level 0 (KAFKA-17011)
//	5  the client says which cluster and node it expects (KIP-1242)
//
// The answer is made from the route table: an API that is not built is not in it. The
// features are those of the table in features.go.

// softwareName is what a client may call its software and version (KIP-511).
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

// ApiVersions tells the client what the route table holds.
func (c *Core) ApiVersions(_ context.Context, r *Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.ApiVersionsRequest)
	resp := newApiVersions()
	if code := c.expected(req); code != protocol.None {
		resp.ErrorCode = int16(code)
		return resp, nil
	}
	if r.Version >= 3 {
		if !softwareName.MatchString(req.ClientSoftwareName) || !softwareName.MatchString(req.ClientSoftwareVersion) {
			resp.ErrorCode = int16(protocol.InvalidRequest)
			return resp, nil
		}
		r.Conn.SoftwareName, r.Conn.SoftwareVersion = req.ClientSoftwareName, req.ClientSoftwareVersion
	}
	for _, spec := range c.Routes.Specs() {
		resp.ApiKeys = append(resp.ApiKeys, apiKey(&spec))
	}
	c.addFeatures(resp, r.Version)
	return resp, nil
}

// expected checks which broker the client takes this one for: both parts or neither.
func (c *Core) expected(req *kmsg.ApiVersionsRequest) protocol.Code {
	if req.Version < 5 || (req.ClusterID == nil && req.NodeID == -1) {
		return protocol.None
	}
	switch {
	case req.ClusterID == nil || req.NodeID == -1:
		return protocol.InvalidRequest
	case *req.ClusterID != c.Node.ClusterID || req.NodeID != c.Node.ID:
		return protocol.RebootstrapRequired
	}
	return protocol.None
}

// ApiVersionsUnsupported is the answer, in version 0, to an ApiVersions of a version
// that this broker does not know: it names the ones it does (KIP-511).
func ApiVersionsUnsupported() kmsg.Response {
	resp := newApiVersions()
	resp.ErrorCode = int16(protocol.UnsupportedVersion)
	resp.ApiKeys = append(resp.ApiKeys, apiKey(protocol.Lookup(protocol.KeyApiVersions)))
	return resp
}

func newApiVersions() *kmsg.ApiVersionsResponse {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{}
	return resp
}

func apiKey(spec *protocol.Spec) kmsg.ApiVersionsResponseApiKey {
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = spec.Key, spec.Advertised, spec.Max
	return k
}
