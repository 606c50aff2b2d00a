package groups_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/routes"
	"github.com/streamhouse/streamhouse/protocol"
)

// nothing lets its client do nothing with groups.
type nothing struct{}

func (nothing) MayAny(kmsg.ACLResourceType, kmsg.ACLOperation) bool { return false }

func (nothing) Denied(int16, kmsg.ACLResourceType, kmsg.ACLOperation, string) {}

func (nothing) Version() int64 { return 1 }

func (nothing) May(on kmsg.ACLResourceType, _ kmsg.ACLOperation, _ string) bool {
	return on != kmsg.ACLResourceTypeGroup && on != kmsg.ACLResourceTypeCluster
}

// TestGroupsAskForRights: each API that names a group asks whether its client may, and says
// so if not; a list leaves the group out.
func TestGroupsAskForRights(t *testing.T) {
	partition := func(p kmsg.OffsetCommitRequestTopicPartition) []kmsg.OffsetCommitRequestTopicPartition {
		return []kmsg.OffsetCommitRequestTopicPartition{p}
	}(kmsg.NewOffsetCommitRequestTopicPartition())
	withGroups(t, true, func(h *groupHouse) {
		h.member("g", nil)
		var table api.Routes
		routes.Fill(&table, &routes.Handlers{Groups: h.Handlers})
		asked := 0
		for _, req := range []kmsg.Request{
			&kmsg.JoinGroupRequest{Version: 5, Group: "g"}, &kmsg.SyncGroupRequest{Version: 3, Group: "g"},
			&kmsg.HeartbeatRequest{Version: 3, Group: "g"}, &kmsg.LeaveGroupRequest{Version: 3, Group: "g"},
			&kmsg.DescribeGroupsRequest{Version: 5, Groups: []string{"g"}}, &kmsg.DeleteGroupsRequest{Version: 2, Groups: []string{"g", "h"}},
			&kmsg.OffsetDeleteRequest{Group: "g"}, &kmsg.FindCoordinatorRequest{Version: 3, CoordinatorKey: "g"},
			&kmsg.OffsetFetchRequest{Version: 7, Group: "g"},
			&kmsg.OffsetFetchRequest{Version: 8, Groups: []kmsg.OffsetFetchRequestGroup{{Group: "g"}}},
			&kmsg.OffsetCommitRequest{Version: 8, Group: "g", Topics: []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: partition}}},
			&kmsg.TxnOffsetCommitRequest{Version: 3, Group: "g", Topics: []kmsg.TxnOffsetCommitRequestTopic{
				{Topic: "t", Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{{}}}}},
		} {
			r := &api.Request{
				Key: req.Key(), Version: req.GetVersion(), Body: req,
				Conn: &api.ConnInfo{ClientHost: "/127.0.0.1", Listener: "PLAINTEXT", Rights: nothing{}},
			}
			resp, err := table.Route(req.Key(), req.GetVersion()).Handler(h.t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if code := api.FirstError(resp); code != protocol.GroupAuthorizationFailed {
				t.Errorf("%s: %v", protocol.Name(req.Key()), code)
			}
			asked++
		}
		if asked < 12 {
			t.Errorf("%d requests", asked)
		}
		list := func(rights api.Rights) int {
			r := &api.Request{Key: protocol.KeyListGroups, Version: 3, Body: &kmsg.ListGroupsRequest{Version: 3}, Conn: &api.ConnInfo{Rights: rights}}
			resp, err := h.ListGroups(h.t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			return len(resp.(*kmsg.ListGroupsResponse).Groups)
		}
		if all, seen := list(nil), list(nothing{}); all != 1 || seen != 0 {
			t.Errorf("%d groups, %d of them seen", all, seen)
		}
	})
}
