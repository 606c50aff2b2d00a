package group

import (
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

func TestHeartbeat(t *testing.T) {
	cases := []struct {
		name       string
		setup      func(*world)
		member     string
		instance   *string
		generation int32
		want       protocol.Code
	}{
		{"stable", nil, "a", nil, 1, protocol.None},
		{"static", nil, "b", ptr("i-b"), 1, protocol.None},
		{"static without instance", nil, "b", nil, 1, protocol.None},
		{"unknown", nil, "x", nil, 1, protocol.UnknownMemberID},
		{"stale", nil, "a", nil, 0, protocol.IllegalGeneration},
		{"unknown and stale", nil, "x", nil, 0, protocol.UnknownMemberID},
		{"preparing", func(w *world) { w.join(JoinRequest{MemberID: "a"}) }, "b", nil, 1, protocol.RebalanceInProgress},
		{"completing", func(w *world) {
			w.join(JoinRequest{MemberID: "a"})
			w.join(JoinRequest{MemberID: "b", InstanceID: ptr("i-b")})
			w.state(CompletingRebalance, 2)
		}, "a", nil, 2, protocol.None},
		{"pending", func(w *world) { w.join(JoinRequest{NewMemberID: "p", RequireKnownMember: true}) }, "p", nil, 1, protocol.UnknownMemberID},
		{"dead", func(w *world) { w.g.state = Dead }, "a", nil, 1, protocol.CoordinatorNotAvailable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := stable(t, []string{"a", "b"}, static("b"))
			if c.setup != nil {
				c.setup(w)
			}
			if got := w.g.Heartbeat(w.now, c.member, c.instance, c.generation); got != c.want {
				t.Fatal(got)
			}
		})
	}
}

func TestHeartbeatKeepsTheSession(t *testing.T) {
	for _, rebalancing := range []bool{false, true} {
		w := stable(t, []string{"a", "b"}, func(_ string, r *JoinRequest) { r.RebalanceTimeout = time.Hour })
		if rebalancing {
			w.join(JoinRequest{MemberID: "a", RebalanceTimeout: time.Hour})
		}
		for range 5 {
			w.pass(9 * time.Second)
			w.g.Heartbeat(w.now, "b", nil, 1)
		}
		if w.g.byID["b"] == nil {
			t.Fatal("expelled while alive")
		}
		w.pass(10 * time.Second)
		if w.g.byID["b"] != nil {
			t.Fatal("alive while silent")
		}
	}
}

func TestLeave(t *testing.T) {
	cases := []struct {
		name    string
		leavers []Leaver
		want    []protocol.Code
		state   State
		gen     int32
		size    int
	}{
		{"one", []Leaver{{MemberID: "a"}}, []protocol.Code{0}, PreparingRebalance, 1, 2},
		{"twice", []Leaver{{MemberID: "a"}, {MemberID: "a"}}, []protocol.Code{0, protocol.UnknownMemberID}, PreparingRebalance, 1, 2},
		{"all", []Leaver{{MemberID: "a"}, {MemberID: "b"}, {MemberID: "s", InstanceID: ptr("i-s")}}, []protocol.Code{0, 0, 0}, Empty, 2, 0},
		{"unknown", []Leaver{{MemberID: "x"}}, []protocol.Code{protocol.UnknownMemberID}, Stable, 1, 3},
		{"nobody", nil, []protocol.Code{}, Stable, 1, 3},
		{"nothing said", []Leaver{{}}, []protocol.Code{protocol.UnknownMemberID}, Stable, 1, 3},
		{"static by an administrator", []Leaver{{InstanceID: ptr("i-s")}}, []protocol.Code{0}, PreparingRebalance, 1, 2},
		{"unknown static by an administrator", []Leaver{{InstanceID: ptr("i-x")}}, []protocol.Code{protocol.UnknownMemberID}, Stable, 1, 3},
		{"fenced", []Leaver{{MemberID: "other", InstanceID: ptr("i-s")}}, []protocol.Code{protocol.FencedInstanceID}, Stable, 1, 3},
		{"mixed", []Leaver{{MemberID: "x"}, {MemberID: "b"}}, []protocol.Code{protocol.UnknownMemberID, 0}, PreparingRebalance, 1, 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := stable(t, []string{"a", "b", "s"}, static("s"))
			codes, all, fx := w.g.Leave(w.now, c.leavers)
			w.run(fx)
			if all != protocol.None || len(codes) != len(c.want) {
				t.Fatal(codes, all)
			}
			for i := range codes {
				if codes[i] != c.want[i] {
					t.Fatalf("%v, want %v", codes, c.want)
				}
			}
			w.state(c.state, c.gen)
			if w.g.Size() != c.size {
				t.Fatal(w.g.Size())
			}
		})
	}
}

func TestLeaveOfADeadGroup(t *testing.T) {
	w := stable(t, []string{"a"}, nil)
	w.g.state = Dead
	if _, all, _ := w.g.Leave(w.now, []Leaver{{MemberID: "a"}}); all != protocol.CoordinatorNotAvailable {
		t.Fatal(all)
	}
}

func TestLastLeaverLeavesAnEmptyGroupBehind(t *testing.T) {
	w := stable(t, []string{"a"}, nil)
	_, _, fx := w.g.Leave(w.now, []Leaver{{MemberID: "a"}})
	w.run(fx)
	w.state(Empty, 2)
	d, _, err := Decode(w.log[len(w.log)-1])
	if err != nil || d.Group.Generation != 2 || len(d.Group.Members) != 0 || d.Group.Protocol != nil || d.Group.ProtocolType != "consumer" || d.Group.Leader != nil {
		t.Fatalf("%+v %v", d.Group, err)
	}
	if d.Group.CurrentStateTimestamp != w.now.UnixMilli() {
		t.Fatal(d.Group.CurrentStateTimestamp)
	}
}

func TestWaitersOfALeaverAreAnswered(t *testing.T) {
	w := stable(t, []string{"a", "b", "c"}, nil)
	a := w.join(JoinRequest{MemberID: "a"})
	_, _, fx := w.g.Leave(w.now, []Leaver{{MemberID: "a"}})
	w.run(fx)
	if c := w.joinCode(a); c != protocol.UnknownMemberID {
		t.Fatal(c)
	}
	w.join(JoinRequest{MemberID: "b"})
	w.join(JoinRequest{MemberID: "c"})
	w.state(CompletingRebalance, 2)
	c := w.sync(SyncRequest{MemberID: "c", Generation: 2})
	_, _, fx = w.g.Leave(w.now, []Leaver{{MemberID: "c"}})
	w.run(fx)
	if r := w.synced(c); r.Code != protocol.UnknownMemberID {
		t.Fatal(r.Code)
	}
}

func TestSilentMemberIsExpelled(t *testing.T) {
	w := stable(t, []string{"a", "b"}, nil)
	w.pass(5 * time.Second)
	w.g.Heartbeat(w.now, "a", nil, 1)
	w.pass(5 * time.Second)
	w.state(PreparingRebalance, 1)
	if w.g.byID["b"] != nil || w.g.byID["a"] == nil {
		t.Fatal("the wrong one was expelled")
	}
	w.pass(time.Hour)
	w.state(Empty, 2)
	if _, timed := w.g.Deadline(); timed {
		t.Fatal("an empty group has a deadline")
	}
}
