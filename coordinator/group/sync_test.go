package group

import (
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

func TestSyncRefused(t *testing.T) {
	cases := []struct {
		name  string
		setup func(*world)
		req   SyncRequest
		want  protocol.Code
	}{
		{"unknown member", nil, SyncRequest{MemberID: "x", Generation: 1}, protocol.UnknownMemberID},
		{"unknown instance", nil, SyncRequest{MemberID: "a", InstanceID: ptr("i"), Generation: 1}, protocol.UnknownMemberID},
		{"old generation", nil, SyncRequest{MemberID: "a", Generation: 0}, protocol.IllegalGeneration},
		{"future generation", nil, SyncRequest{MemberID: "a", Generation: 2}, protocol.IllegalGeneration},
		{"other type", nil, SyncRequest{MemberID: "a", Generation: 1, ProtocolType: ptr("connect")}, protocol.InconsistentGroupProtocol},
		{"other protocol", nil, SyncRequest{MemberID: "a", Generation: 1, Protocol: ptr("sticky")}, protocol.InconsistentGroupProtocol},
		{"right protocol", nil, SyncRequest{MemberID: "a", Generation: 1, ProtocolType: ptr("consumer"), Protocol: ptr("range")}, protocol.None},
		{"rebalancing", func(w *world) { w.join(JoinRequest{MemberID: "a"}) }, SyncRequest{MemberID: "b", Generation: 1}, protocol.RebalanceInProgress},
		{"dead", func(w *world) { w.g.state = Dead }, SyncRequest{MemberID: "a", Generation: 1}, protocol.CoordinatorNotAvailable},
		{"empty", func(w *world) {
			_, _, fx := w.g.Leave(w.now, []Leaver{{MemberID: "a"}, {MemberID: "b"}})
			w.run(fx)
		}, SyncRequest{MemberID: "a", Generation: 2}, protocol.UnknownMemberID},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := stable(t, []string{"a", "b"}, nil)
			if c.setup != nil {
				c.setup(w)
			}
			if r := w.synced(w.sync(c.req)); r.Code != c.want || (c.want != protocol.None) != (r.Protocol == nil) {
				t.Fatalf("%+v", r)
			}
		})
	}
}

// completing makes a group of a (leader), b and c that has joined and not synced.
func completing(t *testing.T) *world {
	w := newWorld(t)
	for _, n := range []string{"a", "b", "c"} {
		w.join(JoinRequest{NewMemberID: n})
	}
	w.pass(9 * time.Second)
	w.state(CompletingRebalance, 1)
	for _, m := range w.g.members { // all sessions begin here
		w.g.Heartbeat(w.now, m.id, nil, 1)
	}
	w.hold = true
	return w
}

func TestAssignmentIsStoredFirst(t *testing.T) {
	w := completing(t)
	b := w.sync(SyncRequest{MemberID: "b", Generation: 1})
	w.waits(b)
	a := w.sync(SyncRequest{MemberID: "a", Generation: 1, Assignments: map[string][]byte{"a": {1}, "b": {2}, "nobody": {9}}})
	w.waits(a)
	w.waits(b)
	d, _, err := Decode(w.stores[0].Record)
	if err != nil || len(d.Group.Members) != 3 || d.Group.Generation != 1 || *d.Group.Leader != "a" || *d.Group.Protocol != "range" {
		t.Fatalf("%+v %v", d.Group, err)
	}
	w.stored(protocol.None)
	w.state(Stable, 1)
	if ra, rb := w.synced(a), w.synced(b); string(ra.Assignment) != "\x01" || string(rb.Assignment) != "\x02" || rb.ProtocolType != "consumer" || *rb.Protocol != "range" {
		t.Fatalf("%+v %+v", ra, rb)
	}
	// One that comes late gets its own at once: nothing, since the leader left it out.
	if rc := w.synced(w.sync(SyncRequest{MemberID: "c", Generation: 1})); rc.Code != protocol.None || len(rc.Assignment) != 0 {
		t.Fatalf("%+v", rc)
	}
}

func TestAssignmentThatCannotBeStored(t *testing.T) {
	w := completing(t)
	a := w.sync(SyncRequest{MemberID: "a", Generation: 1, Assignments: map[string][]byte{"a": {1}}})
	b := w.sync(SyncRequest{MemberID: "b", Generation: 1})
	w.stored(protocol.NotCoordinator)
	if w.synced(a).Code != protocol.NotCoordinator || w.synced(b).Code != protocol.NotCoordinator {
		t.Fatal(w.synced(a), w.synced(b))
	}
	w.state(PreparingRebalance, 1)
}

// A leader that sends its assignment again, over a new connection, must not give
// the generation a second one.
func TestOneAssignmentPerGeneration(t *testing.T) {
	w := completing(t)
	a := w.sync(SyncRequest{MemberID: "a", Generation: 1, Assignments: map[string][]byte{"a": {1}}})
	again := w.sync(SyncRequest{MemberID: "a", Generation: 1, Assignments: map[string][]byte{"a": {2}}})
	if len(w.stores) != 1 {
		t.Fatalf("%d assignments are being stored", len(w.stores))
	}
	if w.synced(a).Code != protocol.RebalanceInProgress {
		t.Fatal("the request that was given up is not answered")
	}
	w.stored(protocol.None)
	if r := w.synced(again); string(r.Assignment) != "\x01" {
		t.Fatalf("%+v", r)
	}
}

func TestRebalanceOvertakesAnAssignment(t *testing.T) {
	w := completing(t)
	a := w.sync(SyncRequest{MemberID: "a", Generation: 1, Assignments: map[string][]byte{"a": {1}}})
	w.join(JoinRequest{NewMemberID: "d"})
	if c := w.synced(a).Code; c != protocol.RebalanceInProgress {
		t.Fatal(c)
	}
	w.stored(protocol.None)
	w.state(PreparingRebalance, 1)
}

func TestMembersThatNeverSyncAreExpelled(t *testing.T) {
	for _, leaderSyncs := range []bool{true, false} {
		w := completing(t)
		w.hold = false
		var a Waiter
		if leaderSyncs {
			a = w.sync(SyncRequest{MemberID: "a", Generation: 1})
		}
		b := w.sync(SyncRequest{MemberID: "b", Generation: 1})
		alive := func(d time.Duration, ids ...string) {
			for end := w.now.Add(d); w.now.Before(end); {
				w.pass(5 * time.Second)
				for _, id := range ids {
					w.g.Heartbeat(w.now, id, nil, 1)
				}
			}
		}
		alive(55*time.Second, "a", "b", "c")
		if w.g.Size() != 3 {
			t.Fatal("expelled early")
		}
		alive(10*time.Second, "a", "b", "c")
		w.state(PreparingRebalance, 1)
		if leaderSyncs {
			if w.synced(a).Code != protocol.None || w.g.Size() != 2 {
				t.Fatal(w.g.Size())
			}
		} else if w.synced(b).Code != protocol.RebalanceInProgress || w.g.Size() != 1 || w.g.leader != "b" {
			t.Fatal(w.synced(b), w.g.Size(), w.g.leader)
		}
	}
}

func TestWaitingForTheLeaderIsNoSilence(t *testing.T) {
	w := completing(t)
	b := w.sync(SyncRequest{MemberID: "b", Generation: 1})
	for range 5 { // past b's session, while the others are alive
		w.pass(9 * time.Second)
		w.g.Heartbeat(w.now, "a", nil, 1)
		w.g.Heartbeat(w.now, "c", nil, 1)
	}
	w.waits(b)
	w.sync(SyncRequest{MemberID: "a", Generation: 1})
	w.stored(protocol.None)
	w.state(Stable, 1)
	w.pass(9 * time.Second) // and its session begins anew
	if w.g.byID["b"] == nil {
		t.Fatal("expelled")
	}
	w.pass(2 * time.Second)
	if w.g.byID["b"] != nil {
		t.Fatal("the session never ends")
	}
}
