package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

// NewApiVersions is an answer to ApiVersions with the given APIs.
func NewApiVersions(specs ...protocol.Spec) *kmsg.ApiVersionsResponse {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ApiKeys = []kmsg.ApiVersionsResponseApiKey{}
	for i := range specs {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = specs[i].Key, specs[i].Advertised, specs[i].Max
		resp.ApiKeys = append(resp.ApiKeys, k)
	}
	return resp
}

// ApiVersionsUnsupported is the answer, in version 0, to an ApiVersions of a version
// that this broker does not know: it names the ones it does (KIP-511).
func ApiVersionsUnsupported() kmsg.Response {
	resp := NewApiVersions(*protocol.Lookup(protocol.KeyApiVersions))
	resp.ErrorCode = int16(protocol.UnsupportedVersion)
	return resp
}
