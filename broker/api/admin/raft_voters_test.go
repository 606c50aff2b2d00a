package admin_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/protocol"
)

// The codes and texts are those of an Apache Kafka 4.4 with a fixed quorum.
func TestRaftVoters(t *testing.T) {
	b := apitest.Start(t, apitest.Options{})
	c := b.Dial()
	own, other := b.Node.ClusterID, "other"
	for _, x := range []struct {
		cluster     *string
		voter       int32
		directory   [16]byte
		code        protocol.Code
		add, remove string
	}{
		{nil, 7, [16]byte{9}, protocol.UnsupportedVersion,
			"Cluster doesn't support adding voter because the kraft.version feature is 0", "Cluster doesn't support removing voter because the kraft.version feature is 0"},
		{&own, 1, [16]byte{9}, protocol.UnsupportedVersion,
			"Cluster doesn't support adding voter because the kraft.version feature is 0", "Cluster doesn't support removing voter because the kraft.version feature is 0"},
		{&other, -1, [16]byte{}, protocol.InconsistentClusterID,
			`The given id "other" doesn't match the cluster id "` + own + `"`, `The given id "other" doesn't match the cluster id "` + own + `"`},
		{nil, -1, [16]byte{9}, protocol.InvalidRequest, "Add voter request didn't include a valid voter", "Remove voter request didn't include a valid voter"},
		{&own, 7, [16]byte{}, protocol.InvalidRequest, "Add voter request didn't include a valid voter", "Remove voter request didn't include a valid voter"},
	} {
		apitest.Versions(t, protocol.KeyAddRaftVoter, func(t *testing.T, version int16) {
			req := kmsg.NewPtrAddRaftVoterRequest()
			req.Version, req.ClusterID, req.VoterID, req.VoterDirectoryID = version, x.cluster, x.voter, x.directory
			l := kmsg.NewAddRaftVoterRequestListener()
			l.Name, l.Host, l.Port = "CONTROLLER", "localhost", 9093
			req.Listeners = append(req.Listeners, l)
			resp := c.Call(req).(*kmsg.AddRaftVoterResponse)
			apitest.Is(t, "add", resp.ErrorCode, x.code)
			if text(resp.ErrorMessage) != x.add {
				t.Errorf("%q, want %q", text(resp.ErrorMessage), x.add)
			}
		})
		req := kmsg.NewPtrRemoveRaftVoterRequest()
		req.ClusterID, req.VoterID, req.VoterDirectoryID = x.cluster, x.voter, x.directory
		resp := c.Call(req).(*kmsg.RemoveRaftVoterResponse)
		apitest.Is(t, "remove", resp.ErrorCode, x.code)
		if text(resp.ErrorMessage) != x.remove {
			t.Errorf("%q, want %q", text(resp.ErrorMessage), x.remove)
		}
	}
	for id, want := range map[int32]string{1: "Controller cannot unregister itself while it is active.", 7: "Controller ID 7 is not currently registered."} {
		req := kmsg.NewPtrUnregisterControllerRequest()
		req.ControllerID = id
		if resp := c.Call(req).(*kmsg.UnregisterControllerResponse); resp.ErrorCode == 0 || text(resp.ErrorMessage) != want {
			t.Errorf("%d: %+v %q", id, resp, text(resp.ErrorMessage))
		}
	}
}
