package admin

import (
	"context"
	"regexp"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
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
func (c *Handlers) ApiVersions(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.ApiVersionsRequest)
	resp := api.NewApiVersions()
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
	resp = api.NewApiVersions(c.Routes.Specs()...)
	c.addFeatures(resp, r.Version)
	return resp, nil
}

// expected checks which broker the client takes this one for: both parts or neither.
func (c *Handlers) expected(req *kmsg.ApiVersionsRequest) protocol.Code {
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
