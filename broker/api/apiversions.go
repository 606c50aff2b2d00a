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
// The answer is made from the route table: an API that is not built is not in it. Of
// the features only metadata.version is shown, at the level of Kafka 4.4, because it
// is what tools take for the broker's version; transaction.version, group.version,
// share.version and streams.version belong to machinery that is not built, and a
// feature at level 0 is left out.

const (
	featureMetadata          = "metadata.version"
	metadataMin, metadataMax = 7, 33 // 3.3-IV3 and 4.4-IV2
)

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
	supported := kmsg.NewApiVersionsResponseSupportedFeature()
	supported.Name, supported.MinVersion, supported.MaxVersion = featureMetadata, metadataMin, metadataMax
	resp.SupportedFeatures = append(resp.SupportedFeatures, supported)
	finalized := kmsg.NewApiVersionsResponseFinalizedFeature()
	finalized.Name, finalized.MinVersionLevel, finalized.MaxVersionLevel = featureMetadata, metadataMax, metadataMax
	resp.FinalizedFeatures = append(resp.FinalizedFeatures, finalized)
	// Java takes features only from an epoch above its last, which begins at -1.
	resp.FinalizedFeaturesEpoch = 0
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
