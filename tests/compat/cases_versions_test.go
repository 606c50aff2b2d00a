package compat

import "github.com/twmb/franz-go/pkg/kmsg"

func apiVersions(software, version string) func(*world, int16) kmsg.Request {
	return func(*world, int16) kmsg.Request {
		req := kmsg.NewPtrApiVersionsRequest()
		req.ClientSoftwareName, req.ClientSoftwareVersion = software, version
		return req
	}
}

// expecting asks as a client that knows whom it wants to talk to (KIP-1242).
func expecting(name string, cluster func(*world) *string, node func(*world) int32) testCase {
	return testCase{name: name, request: func(w *world, lane int16) kmsg.Request {
		req := apiVersions("compat", "1")(w, lane).(*kmsg.ApiVersionsRequest)
		req.ClusterID, req.NodeID = cluster(w), node(w)
		return req
	}}
}

var versionCases = []testCase{
	{name: "named", request: apiVersions("compat", "1.0")},
	{name: "name with a dash and a dot", request: apiVersions("apache-kafka.java", "4.4.0-SNAPSHOT")},
	{name: "one letter", request: apiVersions("a", "1")},
	{name: "no name", request: apiVersions("", "1")},
	{name: "no version", request: apiVersions("compat", "")},
	{name: "null name", request: apiVersions(null, "1")},
	{name: "null version", request: apiVersions("compat", null)},
	{name: "name with a space", request: apiVersions("com pat", "1")},
	{name: "version with a space", request: apiVersions("compat", "1 0")},
	{name: "name begins with a dash", request: apiVersions("-compat", "1")},
	{name: "name ends with a dot", request: apiVersions("compat.", "1")},
	{name: "version ends with a dash", request: apiVersions("compat", "1-")},
	{name: "name with an underscore", request: apiVersions("com_pat", "1")},
	{name: "name beyond ASCII", request: apiVersions("gr\u00fcn", "1")},
	{name: "name with a line break", request: apiVersions("compat\n", "1")},
	expecting("right cluster and node", func(w *world) *string { return &w.cluster }, func(w *world) int32 { return w.node }),
	expecting("wrong cluster", func(*world) *string { return ptr("another") }, func(w *world) int32 { return w.node }),
	expecting("wrong node", func(w *world) *string { return &w.cluster }, func(w *world) int32 { return w.node + 1 }),
	expecting("cluster without node", func(w *world) *string { return &w.cluster }, func(*world) int32 { return -1 }),
	expecting("node without cluster", func(*world) *string { return nil }, func(w *world) int32 { return w.node }),
	expecting("empty cluster", func(*world) *string { return ptr("") }, func(w *world) int32 { return w.node }),
	expecting("negative node", func(w *world) *string { return &w.cluster }, func(*world) int32 { return -2 }),
	{name: "version to come", from: 5, to: 5, request: func(*world, int16) kmsg.Request {
		req := apiVersions("compat", "1")(nil, 0)
		req.SetVersion(5)
		return future{req}
	}},
}

// future is an ApiVersions of a version that nobody knows; the answer has version 0.
type future struct{ kmsg.Request }

// SetVersion implements kmsg.Request.
func (f future) SetVersion(int16) {}

// GetVersion implements kmsg.Request.
func (f future) GetVersion() int16 { return 99 }

// ResponseKind implements kmsg.Request.
func (f future) ResponseKind() kmsg.Response { return oldest{f.Request.ResponseKind()} }

type oldest struct{ kmsg.Response }

// SetVersion implements kmsg.Response.
func (o oldest) SetVersion(int16) { o.Response.SetVersion(0) }

// IsFlexible implements kmsg.Response.
func (o oldest) IsFlexible() bool { return false }
