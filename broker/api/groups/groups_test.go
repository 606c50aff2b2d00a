package groups_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/broker/api/apitest"
	"github.com/streamhouse/streamhouse/broker/api/groups"
	"github.com/streamhouse/streamhouse/broker/api/routes"
	"github.com/streamhouse/streamhouse/protocol"
)

func TestFindCoordinator(t *testing.T) {
	apitest.Versions(t, protocol.KeyFindCoordinator, func(t *testing.T, v int16) {
		withGroups(t, false, func(h *groupHouse) {
			req := kmsg.NewPtrFindCoordinatorRequest()
			req.CoordinatorKey, req.CoordinatorKeys = "g", []string{"g", "h", ""}
			r := call[*kmsg.FindCoordinatorResponse](h, v, req)
			if v < 4 {
				if r.ErrorCode != 0 || r.NodeID != 7 || r.Host != "broker.example" || r.Port != 9093 || len(r.Coordinators) != 0 {
					t.Fatalf("%+v", r)
				}
				if v >= 1 && name(r.ErrorMessage) != "NONE" {
					t.Fatal(name(r.ErrorMessage))
				}
				return
			}
			if len(r.Coordinators) != 3 || r.ErrorCode != 0 || r.Host != "" {
				t.Fatalf("%+v", r)
			}
			for i, c := range r.Coordinators {
				if c.Key != req.CoordinatorKeys[i] || c.ErrorCode != 0 || c.NodeID != 7 || c.Host != "broker.example" || c.Port != 9093 || name(c.ErrorMessage) != "" {
					t.Fatalf("%+v", c)
				}
			}
		})
	})
}

func TestFindTransactionCoordinator(t *testing.T) {
	for v := int16(1); v <= 6; v++ {
		withGroups(t, true, func(h *groupHouse) {
			req := kmsg.NewPtrFindCoordinatorRequest()
			for _, want := range []protocol.Code{protocol.None, protocol.CoordinatorNotAvailable} {
				key := map[protocol.Code]string{protocol.None: "there", protocol.CoordinatorNotAvailable: "away"}[want]
				req.CoordinatorType, req.CoordinatorKey, req.CoordinatorKeys = 1, key, []string{key}
				r := call[*kmsg.FindCoordinatorResponse](h, v, req)
				got, node := r.ErrorCode, r.NodeID
				if v >= 4 {
					got, node = r.Coordinators[0].ErrorCode, r.Coordinators[0].NodeID
				}
				if code(got) != want || (node == 7) != (want == protocol.None) {
					t.Errorf("v%d %s: %+v", v, key, r)
				}
			}
		})
	}
}

// Clients must not be told to try again for what this broker does not have.
func TestFindCoordinatorOfOtherTypes(t *testing.T) {
	for _, kind := range []int8{2, 3, -1} {
		for v := int16(1); v <= 6; v++ {
			withGroups(t, true, func(h *groupHouse) {
				req := kmsg.NewPtrFindCoordinatorRequest()
				req.CoordinatorType, req.CoordinatorKey, req.CoordinatorKeys = kind, "x", []string{"x", "y"}
				r := call[*kmsg.FindCoordinatorResponse](h, v, req)
				if v < 4 {
					if code(r.ErrorCode) != protocol.InvalidRequest || len(name(r.ErrorMessage)) < 10 || r.NodeID != -1 || r.Port != -1 || r.Host != "" {
						t.Fatalf("v%d type %d: %+v", v, kind, r)
					}
					return
				}
				for _, c := range r.Coordinators {
					// Kafka says nothing of keys that are no share group's.
					if code(c.ErrorCode) != protocol.InvalidRequest || (len(name(c.ErrorMessage)) < 10) != (kind == 2) || c.NodeID != -1 || c.Port != -1 {
						t.Fatalf("v%d type %d: %+v", v, kind, c)
					}
				}
			})
		}
	}
}

func TestJoinGroup(t *testing.T) {
	apitest.Versions(t, protocol.KeyJoinGroup, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			join := joinRequest("g")
			r := call[*kmsg.JoinGroupResponse](h, v, join)
			if v >= 4 {
				if code(r.ErrorCode) != protocol.MemberIDRequired || r.MemberID != "client-uuid1" || r.Generation != -1 || len(r.Members) != 0 {
					t.Fatalf("%+v", r)
				}
				if v >= 7 && (r.Protocol != nil || r.ProtocolType != nil) || v < 7 && name(r.Protocol) != "" {
					t.Fatalf("%+v", r)
				}
				join.MemberID = r.MemberID
				r = call[*kmsg.JoinGroupResponse](h, v, join)
			}
			if r.ErrorCode != 0 || r.Generation != 1 || r.LeaderID != "client-uuid1" || r.MemberID != r.LeaderID || name(r.Protocol) != "range" || r.SkipAssignment {
				t.Fatalf("%+v", r)
			}
			if len(r.Members) != 1 || r.Members[0].MemberID != r.MemberID || len(r.Members[0].ProtocolMetadata) != 9 || r.Members[0].InstanceID != nil {
				t.Fatalf("%+v", r.Members)
			}
			if v >= 7 && name(r.ProtocolType) != "consumer" || v < 7 && r.ProtocolType != nil {
				t.Fatal(name(r.ProtocolType))
			}
			d, _ := h.Coordinator.DescribeGroup("g")
			if m := d.Members[0]; m.ClientID != "client" || m.ClientHost != "/127.0.0.1" {
				t.Fatalf("%+v", m)
			}
		})
	})
}

func TestStaticMemberOverTheWire(t *testing.T) {
	for v := int16(5); v <= 9; v++ {
		withGroups(t, true, func(h *groupHouse) {
			instance := "i"
			old, generation := h.member("g", &instance)
			if old != "i-uuid1" {
				t.Fatal(old)
			}
			join := joinRequest("g")
			join.InstanceID = &instance
			r := call[*kmsg.JoinGroupResponse](h, v, join)
			if r.ErrorCode != 0 || r.MemberID != "i-uuid2" || r.Generation != generation {
				t.Fatalf("v%d: %+v", v, r)
			}
			if v >= 9 {
				if !r.SkipAssignment || r.LeaderID != r.MemberID || len(r.Members) != 1 || name(r.Members[0].InstanceID) != "i" {
					t.Fatalf("v%d: %+v", v, r)
				}
			} else if r.LeaderID != old || len(r.Members) != 0 {
				t.Fatalf("v%d: %+v", v, r)
			}
			beat := kmsg.NewPtrHeartbeatRequest()
			beat.Group, beat.MemberID, beat.InstanceID, beat.Generation = "g", old, &instance, generation
			if b := call[*kmsg.HeartbeatResponse](h, 4, beat); code(b.ErrorCode) != protocol.FencedInstanceID {
				t.Fatal(code(b.ErrorCode))
			}
		})
	}
}

// v0 has no rebalance timeout: the session timeout is it.
func TestJoinGroupV0HasOneTimeout(t *testing.T) {
	withGroups(t, true, func(h *groupHouse) {
		j := joinRequest("g")
		r := groups.JoinRequest(h.Handlers, &api.Request{Version: 0, Conn: &api.ConnInfo{}}, j)
		if r.RebalanceTimeout != r.SessionTimeout {
			t.Fatal(r.RebalanceTimeout)
		}
		if r := groups.JoinRequest(h.Handlers, &api.Request{Version: 1, Conn: &api.ConnInfo{}}, j); r.RebalanceTimeout != time.Minute {
			t.Fatal(r.RebalanceTimeout)
		}
	})
}

func TestSyncGroup(t *testing.T) {
	apitest.Versions(t, protocol.KeySyncGroup, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			member, generation := h.member("g", nil)
			sync := kmsg.NewPtrSyncGroupRequest()
			sync.Group, sync.MemberID, sync.Generation = "g", member, generation
			kind, proto := "consumer", "range"
			sync.ProtocolType, sync.Protocol = &kind, &proto
			r := call[*kmsg.SyncGroupResponse](h, v, sync)
			if r.ErrorCode != 0 || string(r.MemberAssignment) != "mine" || (v >= 5) != (name(r.Protocol) == "range") || (v >= 5) != (name(r.ProtocolType) == "consumer") {
				t.Fatalf("%+v", r)
			}
			sync.Generation++
			if r := call[*kmsg.SyncGroupResponse](h, v, sync); code(r.ErrorCode) != protocol.IllegalGeneration || len(r.MemberAssignment) != 0 || r.Protocol != nil {
				t.Fatalf("%+v", r)
			}
			sync.Generation--
			sync.Protocol = nil
			want := protocol.None
			if v >= 5 {
				want = protocol.InconsistentGroupProtocol
			}
			if r := call[*kmsg.SyncGroupResponse](h, v, sync); code(r.ErrorCode) != want {
				t.Fatalf("%+v", r)
			}
		})
	})
}

func TestHeartbeat(t *testing.T) {
	apitest.Versions(t, protocol.KeyHeartbeat, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			member, generation := h.member("g", nil)
			for _, c := range []struct {
				group, member string
				generation    int32
				want          protocol.Code
			}{
				{"g", member, generation, protocol.None},
				{"g", member, generation + 1, protocol.IllegalGeneration},
				{"g", "x", generation, protocol.UnknownMemberID},
				{"h", member, generation, protocol.UnknownMemberID},
				{"", member, generation, protocol.InvalidGroupID},
			} {
				beat := kmsg.NewPtrHeartbeatRequest()
				beat.Group, beat.MemberID, beat.Generation = c.group, c.member, c.generation
				if r := call[*kmsg.HeartbeatResponse](h, v, beat); code(r.ErrorCode) != c.want {
					t.Errorf("%+v: %v", c, code(r.ErrorCode))
				}
			}
		})
	})
}

func TestLeaveGroup(t *testing.T) {
	apitest.Versions(t, protocol.KeyLeaveGroup, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			member, _ := h.member("g", nil)
			leave := kmsg.NewPtrLeaveGroupRequest()
			leave.Group, leave.MemberID = "g", "x"
			instance := "i"
			leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: "x", InstanceID: &instance}, {MemberID: member}, {MemberID: member}}
			r := call[*kmsg.LeaveGroupResponse](h, v, leave)
			if v < 3 {
				if code(r.ErrorCode) != protocol.UnknownMemberID || len(r.Members) != 0 {
					t.Fatalf("%+v", r)
				}
				leave.MemberID = member
				if r = call[*kmsg.LeaveGroupResponse](h, v, leave); r.ErrorCode != 0 {
					t.Fatalf("%+v", r)
				}
				return
			}
			if r.ErrorCode != 0 || len(r.Members) != 3 || code(r.Members[0].ErrorCode) != protocol.UnknownMemberID || name(r.Members[0].InstanceID) != "i" ||
				r.Members[1].ErrorCode != 0 || r.Members[1].MemberID != member || code(r.Members[2].ErrorCode) != protocol.UnknownMemberID {
				t.Fatalf("%+v", r)
			}
			leave.Group = ""
			if r := call[*kmsg.LeaveGroupResponse](h, v, leave); code(r.ErrorCode) != protocol.InvalidGroupID || len(r.Members) != 0 {
				t.Fatalf("%+v", r)
			}
		})
	})
}

func TestListGroups(t *testing.T) {
	apitest.Versions(t, protocol.KeyListGroups, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			h.member("live", nil)
			h.commit(9, "tool", -1, "", topicT, 0, 5)
			req := kmsg.NewPtrListGroupsRequest()
			r := call[*kmsg.ListGroupsResponse](h, v, req)
			if r.ErrorCode != 0 || len(r.Groups) != 2 || r.Groups[0].Group != "live" || r.Groups[0].ProtocolType != "consumer" || r.Groups[1].ProtocolType != "" {
				t.Fatalf("%+v", r)
			}
			if g := r.Groups[0]; (v >= 4) != (g.GroupState == "Stable") || (v >= 5) != (g.GroupType == "classic") {
				t.Fatalf("%+v", g)
			}
			req.StatesFilter = []string{"empty"}
			if v < 4 {
				return
			}
			if r := call[*kmsg.ListGroupsResponse](h, v, req); len(r.Groups) != 1 || r.Groups[0].Group != "tool" {
				t.Fatalf("%+v", r)
			}
			req.StatesFilter, req.TypesFilter = nil, []string{"share"}
			if r := call[*kmsg.ListGroupsResponse](h, v, req); v >= 5 && len(r.Groups) != 0 {
				t.Fatalf("%+v", r)
			}
		})
	})
}

func TestDescribeGroups(t *testing.T) {
	apitest.Versions(t, protocol.KeyDescribeGroups, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			instance := "i"
			member, _ := h.member("live", &instance)
			h.commit(9, "tool", -1, "", topicT, 0, 5)
			req := kmsg.NewPtrDescribeGroupsRequest()
			req.Groups, req.IncludeAuthorizedOperations = []string{"live", "tool", "nobody", ""}, true
			r := call[*kmsg.DescribeGroupsResponse](h, v, req)
			if len(r.Groups) != 4 {
				t.Fatalf("%+v", r)
			}
			live, tool, nobody := r.Groups[0], r.Groups[1], r.Groups[2]
			if live.ErrorCode != 0 || live.State != "Stable" || live.ProtocolType != "consumer" || live.Protocol != "range" || len(live.Members) != 1 {
				t.Fatalf("%+v", live)
			}
			m := live.Members[0]
			if m.MemberID != member || m.ClientID != "client" || m.ClientHost != "/127.0.0.1" || string(m.MemberAssignment) != "mine" || len(m.ProtocolMetadata) != 9 || (v >= 4) != (name(m.InstanceID) == "i") {
				t.Fatalf("%+v", m)
			}
			if tool.State != "Empty" || tool.ProtocolType != "" || tool.ErrorCode != 0 || len(tool.Members) != 0 {
				t.Fatalf("%+v", tool)
			}
			operations := int32(-1 << 31)
			if v >= 3 {
				operations = 0x0D48
			}
			if live.AuthorizedOperations != operations {
				t.Fatalf("%x", live.AuthorizedOperations)
			}
			if nobody.State != "Dead" || (v >= 6) != (code(nobody.ErrorCode) == protocol.GroupIDNotFound) || (v >= 6) != (name(nobody.ErrorMessage) == "Group nobody not found.") {
				t.Fatalf("%+v", nobody)
			}
			req.IncludeAuthorizedOperations = false
			if r := call[*kmsg.DescribeGroupsResponse](h, v, req); r.Groups[0].AuthorizedOperations != -1<<31 {
				t.Fatalf("%+v", r.Groups[0])
			}
		})
	})
}

func TestDeleteGroups(t *testing.T) {
	apitest.Versions(t, protocol.KeyDeleteGroups, func(t *testing.T, v int16) {
		withGroups(t, true, func(h *groupHouse) {
			h.member("live", nil)
			h.commit(9, "tool", -1, "", topicT, 0, 5)
			req := kmsg.NewPtrDeleteGroupsRequest()
			req.Groups = []string{"live", "tool", "nobody", "tool"}
			r := call[*kmsg.DeleteGroupsResponse](h, v, req)
			if len(r.Groups) != 3 {
				t.Fatalf("%+v", r)
			}
			for i, want := range []protocol.Code{protocol.NonEmptyGroup, protocol.None, protocol.GroupIDNotFound} {
				g := r.Groups[i]
				if g.Group != req.Groups[i] || code(g.ErrorCode) != want || g.ErrorMessage != nil {
					t.Fatalf("%+v", g)
				}
			}
		})
	})
}

// TestNamedAgain: a group that is named again is told again, as in Kafka, and not as often
// as a request can name it.
func TestNamedAgain(t *testing.T) {
	withGroups(t, true, func(h *groupHouse) {
		for _, n := range []int{101, 102} {
			names := make([]string, n)
			for i := range names {
				names[i] = "g"
			}
			describe := kmsg.NewPtrDescribeGroupsRequest()
			describe.Groups = names
			find := kmsg.NewPtrFindCoordinatorRequest()
			find.CoordinatorKeys = names
			offsets := kmsg.NewPtrOffsetFetchRequest()
			for _, name := range names {
				g := kmsg.NewOffsetFetchRequestGroup()
				g.Group = name
				offsets.Groups = append(offsets.Groups, g)
			}
			for version, req := range map[int16]kmsg.Request{5: describe, 6: find, 9: offsets} {
				var table api.Routes
				routes.Fill(&table, &routes.Handlers{Groups: h.Handlers})
				_, err := table.Route(req.Key(), version).Handler(context.Background(), &api.Request{Key: req.Key(), Version: version, Body: req, Conn: &api.ConnInfo{Listener: "PLAINTEXT"}})
				if (err == nil) != (n == 101) {
					t.Errorf("%T, named %d times: %v", req, n, err)
				}
			}
		}
	})
}

// What cannot be loaded is waited for once in a request, not once for each of its keys.
func TestFindCoordinatorHasOneDeadline(t *testing.T) {
	withGroups(t, false, func(h *groupHouse) {
		h.log.mu.Lock()
		h.log.away = protocol.KafkaStorageError
		h.log.mu.Unlock()
		req := kmsg.NewPtrFindCoordinatorRequest()
		for i := range 50 {
			req.CoordinatorKeys = append(req.CoordinatorKeys, fmt.Sprint("group", i))
		}
		began := time.Now() // simulated time
		resp := call[*kmsg.FindCoordinatorResponse](h, 4, req)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("answered after %v", took)
		}
		for _, c := range resp.Coordinators {
			if c.ErrorCode != 0 || c.NodeID != 7 {
				t.Errorf("%+v: its requests say that it loads", c)
			}
		}
		if len(resp.Coordinators) != 50 {
			t.Errorf("%d answers", len(resp.Coordinators))
		}
	})
}
