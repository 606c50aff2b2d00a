package admin

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
)

// RemoveRaftVoter (key 81), version 0 (KIP-853): there is no quorum that could shrink,
// as for AddRaftVoter.

// RemoveRaftVoter refuses.
func (c *Handlers) RemoveRaftVoter(_ context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.RemoveRaftVoterRequest)
	resp := kmsg.NewPtrRemoveRaftVoterResponse()
	c.refuse(&resp.ErrorCode, &resp.ErrorMessage, c.changeVoter(r, "Remove", "removing", req.ClusterID, req.VoterID, req.VoterDirectoryID))
	return resp, nil
}
