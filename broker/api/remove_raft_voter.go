package api

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// RemoveRaftVoter (key 81), version 0 (KIP-853): there is no quorum that could shrink,
// as for AddRaftVoter.

// RemoveRaftVoter refuses.
func (c *Core) RemoveRaftVoter(_ context.Context, r *Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.RemoveRaftVoterRequest)
	resp := kmsg.NewPtrRemoveRaftVoterResponse()
	c.refuse(&resp.ErrorCode, &resp.ErrorMessage, c.changeVoter("Remove", "removing", req.ClusterID, req.VoterID, req.VoterDirectoryID))
	return resp, nil
}
