package group

import (
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

func TestNewMemberIsGivenAnIDFirst(t *testing.T) {
	w := newWorld(t)
	a := w.join(JoinRequest{NewMemberID: "a", RequireKnownMember: true})
	if r := w.joined(a); r.Code != protocol.MemberIDRequired || r.MemberID != "a" || r.Generation != -1 {
		t.Fatalf("%+v", r)
	}
	w.state(Empty, 0)
	if len(w.log) != 1 {
		t.Fatalf("%d records for a new group, want its creation", len(w.log))
	}
	d, ok, err := Decode(w.log[0])
	if err != nil || !ok || d.Group == nil || d.Group.Generation != 0 || len(d.Group.Members) != 0 || d.Group.ProtocolType != "" {
		t.Fatalf("creation record: %+v %v %v", d, ok, err)
	}
	b := w.join(JoinRequest{MemberID: "a", RequireKnownMember: true})
	w.waits(b)
	w.state(PreparingRebalance, 0)
	w.pass(3 * time.Second)
	if r := w.joined(b); r.Code != protocol.None || r.Leader != "a" || r.MemberID != "a" || r.Generation != 1 || len(r.Members) != 1 {
		t.Fatalf("%+v", r)
	}
}

func TestWhoNeedsNoIDFirst(t *testing.T) {
	for name, r := range map[string]JoinRequest{
		"v3":     {},
		"static": {RequireKnownMember: true, InstanceID: ptr("i")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.join(r)
			w.waits(a)
			w.state(PreparingRebalance, 0)
			if len(w.log) != 1 {
				t.Fatalf("%d records, want the creation", len(w.log))
			}
		})
	}
}

func TestPendingMember(t *testing.T) {
	w := stable(t, []string{"a"}, nil)
	w.join(JoinRequest{NewMemberID: "p", RequireKnownMember: true})
	w.state(Stable, 1)

	// A rebalance waits for it, until its session ends.
	a := w.join(JoinRequest{MemberID: "a"})
	w.waits(a)
	w.pass(9 * time.Second)
	w.waits(a)
	w.pass(time.Second)
	if r := w.joined(a); r.Code != protocol.None || len(r.Members) != 1 {
		t.Fatalf("%+v", r)
	}
	// By then it is forgotten.
	if c := w.joinCode(w.join(JoinRequest{MemberID: "p"})); c != protocol.UnknownMemberID {
		t.Fatal(c)
	}
}

func TestPendingMemberLeaves(t *testing.T) {
	w := stable(t, []string{"a"}, nil)
	w.join(JoinRequest{NewMemberID: "p", RequireKnownMember: true})
	a := w.join(JoinRequest{MemberID: "a"})
	w.waits(a)
	codes, all, fx := w.g.Leave(w.now, []Leaver{{MemberID: "p"}})
	w.run(fx)
	if all != protocol.None || codes[0] != protocol.None || w.joinCode(a) != protocol.None {
		t.Fatal(codes, all)
	}
}

func TestPendingMemberCannotBecomeStatic(t *testing.T) {
	w := newWorld(t)
	w.join(JoinRequest{NewMemberID: "p", RequireKnownMember: true})
	if c := w.joinCode(w.join(JoinRequest{MemberID: "p", InstanceID: ptr("i")})); c != protocol.UnknownMemberID {
		t.Fatal(c)
	}
}

// The initial delay: rounds of three seconds while members keep coming, and never
// more than the rebalance timeout.
func TestJoinRefused(t *testing.T) {
	cases := []struct {
		name  string
		setup func(*world)
		req   JoinRequest
		want  protocol.Code
		id    string // member id in the answer
	}{
		{"unknown member", nil, JoinRequest{MemberID: "x"}, protocol.UnknownMemberID, "x"},
		{"unknown instance", nil, JoinRequest{MemberID: "a", InstanceID: ptr("i")}, protocol.UnknownMemberID, "a"},
		{"other type", nil, JoinRequest{ProtocolType: "connect"}, protocol.InconsistentGroupProtocol, ""},
		{"nothing in common", nil, JoinRequest{Protocols: protocols("sticky")}, protocol.InconsistentGroupProtocol, ""},
		{"no protocols", nil, JoinRequest{Protocols: []Protocol{}}, protocol.InconsistentGroupProtocol, ""},
		{"member changes to nothing in common", nil, JoinRequest{MemberID: "a", Protocols: protocols("sticky")}, protocol.InconsistentGroupProtocol, "a"},
		{"full", func(w *world) { w.cfg.MaxSize = 2 }, JoinRequest{}, protocol.GroupMaxSizeReached, ""},
		{"full, with an id", func(w *world) {
			w.join(JoinRequest{NewMemberID: "p", RequireKnownMember: true})
			w.cfg.MaxSize = 2
		}, JoinRequest{MemberID: "p"}, protocol.GroupMaxSizeReached, ""},
		{"too many pending", func(w *world) { w.cfg.MaxPending = 0 }, JoinRequest{RequireKnownMember: true}, protocol.CoordinatorNotAvailable, ""},
		{"dead", func(w *world) { w.g.state = Dead }, JoinRequest{}, protocol.CoordinatorNotAvailable, ""},
		{"dead, member", func(w *world) { w.g.state = Dead }, JoinRequest{MemberID: "a"}, protocol.CoordinatorNotAvailable, "a"},
		{"empty again", func(w *world) {
			_, _, fx := w.g.Leave(w.now, []Leaver{{MemberID: "a"}, {MemberID: "b"}})
			w.run(fx)
		}, JoinRequest{MemberID: "a"}, protocol.UnknownMemberID, "a"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := stable(t, []string{"a", "b"}, nil)
			if c.setup != nil {
				c.setup(w)
			}
			if r := w.joined(w.join(c.req)); r.Code != c.want || r.MemberID != c.id || r.Generation != -1 || r.Protocol != nil {
				t.Fatalf("%+v", r)
			}
		})
	}
}

func TestEmptyProtocolTypeIsRefusedInAnEmptyGroup(t *testing.T) {
	w := newWorld(t)
	w.last++
	w.run(w.g.Join(w.now, &JoinRequest{NewMemberID: "a", Protocols: protocols("range"), SessionTimeout: time.Minute}, w.last))
	if c := w.joinCode(w.last); c != protocol.InconsistentGroupProtocol {
		t.Fatal(c)
	}
}

func TestSessionTimeoutBounds(t *testing.T) {
	cfg := testConfig()
	for d, want := range map[time.Duration]protocol.Code{
		6*time.Second - 1:          protocol.InvalidSessionTimeout,
		6 * time.Second:            protocol.None,
		30 * time.Minute:           protocol.None,
		30*time.Minute + 1:         protocol.InvalidSessionTimeout,
		-time.Millisecond:          protocol.InvalidSessionTimeout,
		time.Duration(1<<31 - 1e6): protocol.InvalidSessionTimeout,
	} {
		if got := cfg.CheckSession(d); got != want {
			t.Errorf("%v: %v, want %v", d, got, want)
		}
	}
}

// During a rebalance the group is filled by those who come back first (KIP-389).
func TestLastToComeBackIsTurnedAway(t *testing.T) {
	w := stable(t, []string{"a", "b", "c"}, nil)
	w.cfg.MaxSize = 2
	a := w.join(JoinRequest{MemberID: "a"})
	b := w.join(JoinRequest{MemberID: "b"})
	c := w.join(JoinRequest{MemberID: "c"})
	if got := w.joinCode(c); got != protocol.GroupMaxSizeReached {
		t.Fatal(got)
	}
	again := w.join(JoinRequest{MemberID: "a"}) // one that waits already is accepted
	if w.joinCode(a) != protocol.RebalanceInProgress {
		t.Fatal("the request that was given up is not answered")
	}
	if w.joinCode(again) != protocol.None || w.joinCode(b) != protocol.None || w.g.Size() != 2 {
		t.Fatal(w.g.Size())
	}
}

func TestRejoin(t *testing.T) {
	changed := rangeOf("t", "u")
	cases := []struct {
		name       string
		completing bool
		member     string
		protocols  []Protocol
		rebalances bool
	}{
		{"stable, follower, same", false, "b", nil, false},
		{"stable, follower, changed", false, "b", changed, true},
		{"stable, leader, same", false, "a", nil, true},
		{"completing, follower, same", true, "b", nil, false},
		{"completing, leader, same", true, "a", nil, false},
		{"completing, follower, changed", true, "b", changed, true},
		{"completing, leader, changed", true, "a", changed, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := stable(t, []string{"a", "b"}, nil)
			if c.completing {
				w.join(JoinRequest{MemberID: "a"})
				w.join(JoinRequest{MemberID: "b"})
				w.state(CompletingRebalance, 2)
			}
			generation := w.g.generation
			j := w.join(JoinRequest{MemberID: c.member, Protocols: c.protocols})
			if c.rebalances {
				w.waits(j)
				w.state(PreparingRebalance, generation)
				return
			}
			r := w.joined(j)
			wantMembers := 0
			if c.member == "a" {
				wantMembers = 2
			}
			if r.Code != protocol.None || r.Generation != generation || r.Leader != "a" || *r.Protocol != "range" ||
				r.ProtocolType != "consumer" || len(r.Members) != wantMembers || r.SkipAssignment {
				t.Fatalf("%+v", r)
			}
		})
	}
}

func TestOnlyTheLeaderIsToldTheMembers(t *testing.T) {
	w := newWorld(t)
	a := w.join(JoinRequest{NewMemberID: "a", InstanceID: ptr("i")})
	b := w.join(JoinRequest{NewMemberID: "b", Protocols: rangeOf("u")})
	w.pass(10 * time.Second)
	ra, rb := w.joined(a), w.joined(b)
	if len(ra.Members) != 2 || len(rb.Members) != 0 || rb.Leader != "a" {
		t.Fatalf("%+v %+v", ra, rb)
	}
	if m := ra.Members[0]; m.MemberID != "a" || *m.InstanceID != "i" || string(m.Metadata) != string(subscription("", "t")) {
		t.Fatalf("%+v", m)
	}
	if m := ra.Members[1]; m.MemberID != "b" || m.InstanceID != nil || string(m.Metadata) != string(subscription("", "u")) {
		t.Fatalf("%+v", m)
	}
}

// With only static members left, none of which came back, the rebalance waits.
// A member that waits in JoinGroup needs no heartbeats; a new one is dropped after
// five minutes all the same, since nobody would notice that it is gone.
func TestCreationThatFailsIsToldToTheMembers(t *testing.T) {
	w := newWorld(t)
	w.hold = true
	a := w.join(JoinRequest{})
	w.waits(a)
	w.stored(protocol.NotCoordinator)
	if c := w.joinCode(a); c != protocol.NotCoordinator {
		t.Fatal(c)
	}
	w.state(Dead, 0)
	r := Reply{Join: &JoinReply{Code: protocol.MemberIDRequired, MemberID: "x"}}
	r.Fail(protocol.NotCoordinator)
	if r.Join.Code != protocol.NotCoordinator || r.Join.MemberID != "" {
		t.Fatalf("%+v", r.Join)
	}
}
