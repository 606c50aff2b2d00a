package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// AddRaftVoter (key 80), versions 0 and 1 (KIP-853): 1 says when to answer.
//
// There is no quorum that could grow. The answers are those of a Kafka whose quorum is
// fixed, at level 0 of kraft.version, which is not in the table of features either; but
// the new voter's endpoints are not looked at.

// AddRaftVoter refuses.
func (c *Handlers) AddRaftVoter(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.AddRaftVoterRequest)
	resp := kmsg.NewPtrAddRaftVoterResponse()
	c.refuse(&resp.ErrorCode, &resp.ErrorMessage, c.changeVoter(r, "Add", "adding", req.ClusterID, req.VoterID, req.VoterDirectoryID))
	return resp, nil
}

// changeVoter says why a voter cannot be added or removed. A voter is named by its id
// and the id of its directory.
func (c *Handlers) changeVoter(r *api.Request, change, changing string, cluster *string, voter int32, directory [16]byte) error {
	if err := needs(r, kmsg.ACLOperationAlter); err != nil {
		return err
	}
	switch {
	case cluster != nil && *cluster != c.Node.ClusterID:
		return protocol.Errorf(protocol.InconsistentClusterID, "The given id %q doesn't match the cluster id %q", *cluster, c.Node.ClusterID)
	case voter < 0 || directory == [16]byte{}:
		return protocol.Errorf(protocol.InvalidRequest, "%s voter request didn't include a valid voter", change)
	}
	return protocol.Errorf(protocol.UnsupportedVersion, "Cluster doesn't support %s voter because the kraft.version feature is 0", changing)
}
