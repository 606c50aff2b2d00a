package groups_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/broker/api"
	"github.com/streamhouse/streamhouse/protocol"
)

// freed notes that a request gave back what it took.
type freed bool

func (f *freed) Reserve(context.Context, int) error { return nil }
func (f *freed) Free()                              { *f = true }

// TestKeepsOnlyWhatItNeeds: a member that joins has given its request's memory back
// before it waits, and what is kept of it are copies: a view would pin the whole body.
func TestKeepsOnlyWhatItNeeds(t *testing.T) {
	withGroups(t, true, func(h *groupHouse) {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.ProtocolType = 3, "g", "consumer"
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 30_000, 30_000
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = "range", []byte("subscription")
		req.Protocols = append(req.Protocols, p)
		body := req.AppendTo(nil)
		sent := kmsg.NewPtrJoinGroupRequest()
		sent.SetVersion(3)
		if err := sent.ReadFrom(body); err != nil {
			t.Fatal(err)
		}
		var given freed
		r := &api.Request{Key: 11, Version: 3, Body: sent, Conn: &api.ConnInfo{ClientHost: "/1"}, Memory: &given}
		joined := make(chan *kmsg.JoinGroupResponse, 1)
		go func() {
			resp, err := h.JoinGroup(context.Background(), r)
			if err != nil {
				t.Error(err)
			}
			joined <- resp.(*kmsg.JoinGroupResponse)
		}()
		synctest.Wait()
		if len(joined) > 0 || !given || r.Body != nil {
			t.Fatalf("joined %v, freed %v, body kept %v", len(joined) > 0, given, r.Body != nil)
		}
		clear(body)
		resp := <-joined
		if resp.ErrorCode != 0 || len(resp.Members) != 1 || string(resp.Members[0].ProtocolMetadata) != "subscription" {
			t.Fatalf("%+v", resp)
		}

		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Version, sync.Group, sync.MemberID, sync.Generation = 3, "g", resp.MemberID, resp.Generation
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = resp.MemberID, []byte("assignment")
		sync.GroupAssignment = append(sync.GroupAssignment, a)
		body = sync.AppendTo(nil)
		again := kmsg.NewPtrSyncGroupRequest()
		again.SetVersion(3)
		if err := again.ReadFrom(body); err != nil {
			t.Fatal(err)
		}
		given = false
		r = &api.Request{Key: 14, Version: 3, Body: again, Conn: &api.ConnInfo{ClientHost: "/1"}, Memory: &given}
		answer, err := h.SyncGroup(context.Background(), r)
		if err != nil || !given || r.Body != nil {
			t.Fatalf("%v, freed %v, body kept %v", err, given, r.Body != nil)
		}
		clear(body)
		if s := answer.(*kmsg.SyncGroupResponse); protocol.Code(s.ErrorCode) != protocol.None || !bytes.Equal(s.MemberAssignment, []byte("assignment")) {
			t.Fatalf("%+v", s)
		}
	})
}
