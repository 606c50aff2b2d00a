package group

import (
	"bytes"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

func TestStaticMemberComesBack(t *testing.T) {
	cases := []struct {
		name    string
		member  string // a leads
		skip    bool
		leader  string // in the answer
		skipped bool
		members int
	}{
		{"follower", "b", false, "a", false, 0},
		{"follower v9", "b", true, "a", false, 0},
		{"leader", "a", false, "a", false, 0}, // told its own old id, so it does not assign
		{"leader v9", "a", true, "new", true, 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := stable(t, []string{"a", "b"}, static("a", "b"))
			w.hold = true
			j := w.join(JoinRequest{
				NewMemberID: "new", InstanceID: ptr("i-" + c.member), SkipAssignment: c.skip,
				ClientID: "client2", ClientHost: "/10.0.0.1", SessionTimeout: 20 * time.Second, RebalanceTimeout: 30 * time.Second,
			})
			w.waits(j) // until its new id is on disk
			w.stored(protocol.None)
			r := w.joined(j)
			if r.Code != protocol.None || r.MemberID != "new" || r.Generation != 1 || r.Leader != c.leader ||
				r.SkipAssignment != c.skipped || len(r.Members) != c.members {
				t.Fatalf("%+v", r)
			}
			w.state(Stable, 1)
			if s := w.synced(w.sync(SyncRequest{MemberID: "new", InstanceID: ptr("i-" + c.member), Generation: 1})); string(s.Assignment) != share(c.member) {
				t.Fatalf("the assignment was not kept: %+v", s)
			}
			d := w.g.Describe().Members
			for _, m := range d {
				if m.MemberID == "new" && (m.ClientID != "client2" || m.ClientHost != "/10.0.0.1") {
					t.Fatalf("%+v", m)
				}
			}
			m := w.g.byID["new"]
			if m.sessionTimeout != 20*time.Second || m.rebalanceTimeout != 30*time.Second {
				t.Fatalf("%+v", m)
			}
			last, _, _ := Decode(w.log[len(w.log)-1])
			found := false
			for _, m := range last.Group.Members {
				found = found || m.MemberID == "new" && bytes.Equal(m.Assignment, []byte(share(c.member)))
			}
			if !found || last.Group.Generation != 1 {
				t.Fatalf("record: %+v", last.Group)
			}
			w.pass(19 * time.Second) // its session runs, under the new timeout
			if w.g.byID["new"] == nil {
				t.Fatal("the session ended early")
			}
			w.pass(2 * time.Second)
			if w.g.byID["new"] != nil {
				t.Fatal("the session never ends")
			}
		})
	}
}

func TestOldMemberIDIsFencedEverywhere(t *testing.T) {
	w := stable(t, []string{"a", "b"}, static("a", "b"))
	w.join(JoinRequest{NewMemberID: "new", InstanceID: ptr("i-b")})
	i := ptr("i-b")
	if c := w.joinCode(w.join(JoinRequest{MemberID: "b", InstanceID: i})); c != protocol.FencedInstanceID {
		t.Error("join", c)
	}
	if s := w.synced(w.sync(SyncRequest{MemberID: "b", InstanceID: i, Generation: 1})); s.Code != protocol.FencedInstanceID {
		t.Error("sync", s.Code)
	}
	if c := w.g.Heartbeat(w.now, "b", i, 1); c != protocol.FencedInstanceID {
		t.Error("heartbeat", c)
	}
	if c := w.g.CheckCommit("b", i, 1); c != protocol.FencedInstanceID {
		t.Error("commit", c)
	}
	if codes, _, _ := w.g.Leave(w.now, []Leaver{{MemberID: "b", InstanceID: i}}); codes[0] != protocol.FencedInstanceID {
		t.Error("leave", codes)
	}
	// Without its instance id it is just unknown.
	if c := w.g.Heartbeat(w.now, "b", nil, 1); c != protocol.UnknownMemberID {
		t.Error("heartbeat without instance", c)
	}
}

func TestStaticMemberWithOtherSubscription(t *testing.T) {
	cases := []struct {
		name       string
		kind       string
		before     []Protocol
		after      []Protocol
		rebalances bool
	}{
		{"same", "consumer", rangeOf("t"), rangeOf("t"), false},
		{"other user data", "consumer", rangeOf("t"), []Protocol{{"range", subscription("x", "t")}}, false},
		{"other topics", "consumer", rangeOf("t"), rangeOf("t", "u"), true},
		{"fewer topics", "consumer", rangeOf("t", "u"), rangeOf("t"), true},
		{"garbage", "consumer", []Protocol{{"range", []byte("?")}}, []Protocol{{"range", []byte("!")}}, false},
		{"not a consumer", "connect", rangeOf("t"), rangeOf("u"), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := stable(t, []string{"a", "b"}, func(n string, r *JoinRequest) {
				static("a", "b")(n, r)
				r.ProtocolType, r.Protocols = c.kind, c.before
			})
			j := w.join(JoinRequest{InstanceID: ptr("i-b"), ProtocolType: c.kind, Protocols: c.after})
			if c.rebalances {
				w.waits(j)
				w.state(PreparingRebalance, 1)
				return
			}
			w.state(Stable, 1)
			if w.joinCode(j) != protocol.None {
				t.Fatal(w.joined(j))
			}
		})
	}
}

func TestStaticMemberThatChangesTheVote(t *testing.T) {
	w := stable(t, []string{"a", "b"}, func(n string, r *JoinRequest) {
		static("a", "b")(n, r)
		r.Protocols = protocols("x", "y")
		if n == "b" {
			r.Protocols = protocols("x", "y")
		}
	})
	j := w.join(JoinRequest{InstanceID: ptr("i-b"), Protocols: protocols("y")})
	w.waits(j)
	w.state(PreparingRebalance, 1)
}

func TestStaticMemberComesBackDuringARebalance(t *testing.T) {
	w := stable(t, []string{"a", "b"}, static("a", "b"))
	a := w.join(JoinRequest{MemberID: "a", InstanceID: ptr("i-a")})
	w.waits(a)
	b := w.join(JoinRequest{NewMemberID: "new", InstanceID: ptr("i-b")})
	if w.joinCode(a) != protocol.None || w.joined(b).MemberID != "new" {
		t.Fatal("the rebalance did not end with the last member back")
	}
	// Completing: the leader may know the old id only.
	s := w.sync(SyncRequest{MemberID: "new", Generation: 2})
	b2 := w.join(JoinRequest{NewMemberID: "newer", InstanceID: ptr("i-b")})
	if r := w.synced(s); r.Code != protocol.FencedInstanceID {
		t.Fatalf("%+v", r)
	}
	w.waits(b2)
	w.state(PreparingRebalance, 2)
	// Twice in a row: the first is fenced.
	b3 := w.join(JoinRequest{NewMemberID: "newest", InstanceID: ptr("i-b")})
	if c := w.joinCode(b2); c != protocol.FencedInstanceID {
		t.Fatal(c)
	}
	a = w.join(JoinRequest{MemberID: "a", InstanceID: ptr("i-a")})
	if w.joinCode(b3) != protocol.None || w.joinCode(a) != protocol.None {
		t.Fatal("no generation")
	}
}

func TestStaticReplacementThatCannotBeStored(t *testing.T) {
	w := stable(t, []string{"a", "b"}, static("a", "b"))
	w.hold = true
	j := w.join(JoinRequest{NewMemberID: "new", InstanceID: ptr("i-a"), ClientID: "other"})
	w.stored(protocol.NotCoordinator)
	if r := w.joined(j); r.Code != protocol.NotCoordinator || r.MemberID != "" {
		t.Fatalf("%+v", r)
	}
	w.state(Stable, 1)
	if w.g.leader != "a" || w.g.byID["a"].clientID != "client" || w.g.Heartbeat(w.now, "a", ptr("i-a"), 1) != protocol.None {
		t.Fatal("the old member id is not back")
	}
	if string(w.g.byID["a"].assignment) != share("a") {
		t.Fatal("the assignment is gone")
	}
}

func TestRebalanceBeginsWhileAReplacementIsStored(t *testing.T) {
	w := stable(t, []string{"a", "b"}, static("a", "b"))
	w.hold = true
	j := w.join(JoinRequest{NewMemberID: "new", InstanceID: ptr("i-b")})
	a := w.join(JoinRequest{MemberID: "a", InstanceID: ptr("i-a")})
	if r := w.joined(j); r.Code != protocol.None || r.Generation != 2 || w.joinCode(a) != protocol.None {
		t.Fatalf("%+v", r)
	}
	w.stored(protocol.NotCoordinator) // of no consequence any more
	w.state(CompletingRebalance, 2)
	if w.g.byID["new"] == nil {
		t.Fatal("the member was reverted")
	}
}

// The log may take longer than a session lasts.
func TestSlowReplacement(t *testing.T) {
	w := stable(t, []string{"a"}, static("a"))
	w.hold = true
	j := w.join(JoinRequest{NewMemberID: "new", InstanceID: ptr("i-a")})
	w.pass(time.Minute)
	w.waits(j)
	w.stored(protocol.None)
	if w.joinCode(j) != protocol.None {
		t.Fatal(w.joined(j))
	}
	w.pass(9 * time.Second)
	w.state(Stable, 1)
	w.pass(2 * time.Second)
	w.state(Empty, 2)
}

// A static member that comes back while it still waits for its first generation is
// known by then, and waiting is its heartbeat.
func TestStaticMemberComesBackBeforeItsFirstGeneration(t *testing.T) {
	w := stable(t, []string{"a"}, func(_ string, r *JoinRequest) { r.RebalanceTimeout = time.Hour })
	w.join(JoinRequest{NewMemberID: "s", InstanceID: ptr("i"), RebalanceTimeout: time.Hour})
	s := w.join(JoinRequest{NewMemberID: "s2", InstanceID: ptr("i"), RebalanceTimeout: time.Hour})
	for range 5 {
		w.pass(9 * time.Second)
		w.g.Heartbeat(w.now, "a", nil, 1)
	}
	w.waits(s)
	a := w.join(JoinRequest{MemberID: "a"})
	if w.joinCode(s) != protocol.None || w.joinCode(a) != protocol.None {
		t.Fatal(w.joined(s), w.joined(a))
	}
}
