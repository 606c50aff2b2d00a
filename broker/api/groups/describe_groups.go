package groups

// DescribeGroups (key 15): versions 0-6.
//
//	v1     throttle time
//	v2     throttling after the answer (KIP-219)
//	v3     authorized operations (KIP-430)
//	v4     static members (KIP-345)
//	v5     flexible
//	v6     GROUP_ID_NOT_FOUND and a message for a group that does not exist (KIP-1043);
//	       before, it is Dead and no error

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

// DescribeGroups describes groups with their members.
func (g *Handlers) DescribeGroups(ctx context.Context, r *api.Request) (kmsg.Response, error) {
	req := r.Body.(*kmsg.DescribeGroupsRequest)
	resp := kmsg.NewPtrDescribeGroupsResponse()
	resp.Groups = make([]kmsg.DescribeGroupsResponseGroup, 0, len(req.Groups))
	var repeats api.Repeats[string]
	for _, id := range req.Groups {
		if err := repeats.Name(id); err != nil {
			return nil, err
		}
		e := g.describeGroup(r, id)
		if e.ErrorCode == 0 && r.Version >= 3 && req.IncludeAuthorizedOperations {
			e.AuthorizedOperations = r.GroupOperations(id)
		}
		if err := r.Bill.Add(r.Waits(ctx), describedMemory(&e)); err != nil {
			return nil, err
		}
		resp.Groups = append(resp.Groups, e)
	}
	return resp, nil
}

// describedMemory is about what a group takes in an answer, decoded and encoded. What its
// members say is only encoded.
func describedMemory(e *kmsg.DescribeGroupsResponseGroup) int {
	n := 256 + len(e.Group)
	for i := range e.Members {
		m := &e.Members[i]
		n += 384 + 2*len(m.ClientID) + len(m.ProtocolMetadata) + len(m.MemberAssignment)
	}
	return n
}

func (g *Handlers) describeGroup(r *api.Request, id string) kmsg.DescribeGroupsResponseGroup {
	e := kmsg.NewDescribeGroupsResponseGroup()
	e.Group, e.Members = id, []kmsg.DescribeGroupsResponseGroupMember{}
	if code := r.Group(id, kmsg.ACLOperationDescribe); code != protocol.None {
		e.ErrorCode = int16(code)
		return e
	}
	d, code := g.Coordinator.DescribeGroup(id)
	switch code {
	case protocol.None:
	case protocol.GroupIDNotFound:
		e.State = group.Dead.String()
		if r.Version >= 6 {
			e.ErrorCode, e.ErrorMessage = int16(code), groupMessage(id, code)
		}
		return e
	default:
		e.ErrorCode, e.ErrorMessage = int16(code), groupMessage(id, code)
		return e
	}
	e.State, e.ProtocolType, e.Protocol = d.State.String(), d.ProtocolType, d.Protocol
	for i := range d.Members {
		m := kmsg.NewDescribeGroupsResponseGroupMember()
		m.MemberID, m.InstanceID = d.Members[i].MemberID, d.Members[i].InstanceID
		m.ClientID, m.ClientHost = d.Members[i].ClientID, d.Members[i].ClientHost
		m.ProtocolMetadata, m.MemberAssignment = d.Members[i].Metadata, d.Members[i].Assignment
		e.Members = append(e.Members, m)
	}
	return e
}
