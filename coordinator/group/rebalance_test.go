package group

import (
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

func TestInitialRebalanceDelay(t *testing.T) {
	cases := []struct {
		name    string
		timeout time.Duration
		joins   []time.Duration // when further members come
		want    time.Duration   // when the generation is there
	}{
		{"alone", time.Minute, nil, 3 * time.Second},
		{"second in the first round", time.Minute, []time.Duration{2 * time.Second}, 6 * time.Second},
		{"two in one round", time.Minute, []time.Duration{time.Second, 2 * time.Second}, 6 * time.Second},
		{"one in each round", time.Minute, []time.Duration{time.Second, 4 * time.Second, 7 * time.Second}, 12 * time.Second},
		{"up to the rebalance timeout", 7 * time.Second, []time.Duration{time.Second, 4 * time.Second, 6500 * time.Millisecond}, 7 * time.Second},
		{"timeout below the delay", time.Second, []time.Duration{time.Second}, 3 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			start := w.now
			first := w.join(JoinRequest{RebalanceTimeout: c.timeout})
			for _, at := range c.joins {
				w.pass(start.Add(at).Sub(w.now))
				w.join(JoinRequest{RebalanceTimeout: c.timeout})
			}
			w.pass(start.Add(c.want - time.Millisecond).Sub(w.now))
			w.waits(first)
			w.pass(time.Millisecond)
			if r := w.joined(first); r.Code != protocol.None || len(r.Members) != 1+len(c.joins) {
				t.Fatalf("%+v", r)
			}
		})
	}
}

func TestNoInitialDelay(t *testing.T) {
	w := newWorld(t)
	w.cfg.InitialRebalanceDelay = 0
	a := w.join(JoinRequest{})
	w.pass(0)
	if w.joinCode(a) != protocol.None {
		t.Fatal(w.joined(a))
	}
}

func TestRebalanceTimeout(t *testing.T) {
	longest := func(n string, r *JoinRequest) {
		r.SessionTimeout, r.RebalanceTimeout = 30*time.Second, 10*time.Second
		if n == "c" {
			r.RebalanceTimeout = 20 * time.Second // the longest counts, also of one that does not come back
		}
	}
	w := stable(t, []string{"a", "b", "c"}, longest)
	b := w.join(JoinRequest{MemberID: "b", Protocols: rangeOf("u"), SessionTimeout: 30 * time.Second, RebalanceTimeout: 10 * time.Second})
	w.pass(20*time.Second - 1)
	w.waits(b)
	w.pass(1)
	if r := w.joined(b); r.Code != protocol.None || r.Leader != "b" || len(r.Members) != 1 {
		t.Fatalf("the leader that did not come back is not replaced: %+v", r)
	}
	if c := w.joinCode(w.join(JoinRequest{MemberID: "a"})); c != protocol.UnknownMemberID {
		t.Fatal(c)
	}
}

func TestStaticMemberKeepsItsPlaceThroughARebalance(t *testing.T) {
	w := stable(t, []string{"a", "b"}, func(n string, r *JoinRequest) {
		static("a")(n, r)
		r.SessionTimeout = 5 * time.Minute
	})
	b := w.join(JoinRequest{MemberID: "b", Protocols: rangeOf("u"), SessionTimeout: 5 * time.Minute})
	w.pass(time.Minute)
	r := w.joined(b)
	if r.Code != protocol.None || r.Leader != "b" || len(r.Members) != 2 {
		t.Fatalf("%+v", r)
	}
	// It never syncs, so it is expelled after another rebalance timeout.
	w.sync(SyncRequest{MemberID: "b", Generation: 2, Assignments: map[string][]byte{"b": {1}}})
	w.state(Stable, 2)
	w.pass(time.Minute)
	w.state(PreparingRebalance, 2)
	if w.g.Size() != 1 {
		t.Fatal(w.g.Size())
	}
}

func TestNobodyCameBack(t *testing.T) {
	w := stable(t, []string{"a", "b"}, func(n string, r *JoinRequest) {
		static("a", "b")(n, r)
		r.SessionTimeout = 4 * time.Minute
	})
	w.join(JoinRequest{NewMemberID: "p", RequireKnownMember: true}) // begins nothing
	codes, _, fx := w.g.Leave(w.now, []Leaver{{InstanceID: ptr("i-b")}})
	w.run(fx)
	if codes[0] != protocol.None {
		t.Fatal(codes)
	}
	w.state(PreparingRebalance, 1)
	w.pass(3*time.Minute + 50*time.Second)
	w.state(PreparingRebalance, 1)
	w.pass(time.Minute)
	w.state(Empty, 2)
}

func TestVote(t *testing.T) {
	cases := []struct {
		name    string
		members [][]string
		want    string
	}{
		{"one", [][]string{{"x", "y"}}, "x"},
		{"common only", [][]string{{"x", "y"}, {"z", "y"}}, "y"},
		{"majority", [][]string{{"x", "y"}, {"y", "x"}, {"y", "x"}}, "y"},
		{"tie goes to the senior", [][]string{{"x", "y"}, {"y", "x"}}, "x"},
		{"rolling upgrade", [][]string{{"coop", "range"}, {"coop", "range"}, {"range"}}, "range"},
		{"listed twice counts once", [][]string{{"x", "x", "y"}, {"y"}, {"y"}}, "y"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			var last Waiter
			for _, names := range c.members {
				last = w.join(JoinRequest{Protocols: protocols(names...)})
			}
			w.pass(time.Minute)
			if r := w.joined(last); *r.Protocol != c.want {
				t.Fatal(*r.Protocol)
			}
		})
	}
}

func TestWaitingMembers(t *testing.T) {
	w := stable(t, []string{"a", "b"}, func(_ string, r *JoinRequest) {
		r.SessionTimeout, r.RebalanceTimeout = 10*time.Second, 10*time.Minute
	})
	a := w.join(JoinRequest{MemberID: "a", RebalanceTimeout: 10 * time.Minute})
	c := w.join(JoinRequest{NewMemberID: "c", RebalanceTimeout: 10 * time.Minute})
	for range 40 { // b stays alive and does not come back
		w.pass(9 * time.Second)
		w.g.Heartbeat(w.now, "b", nil, 1)
	}
	w.waits(a)
	if got := w.joinCode(c); got != protocol.UnknownMemberID {
		t.Fatal(got)
	}
	w.pass(10 * time.Minute)
	if r := w.joined(a); r.Code != protocol.None || len(r.Members) != 1 {
		t.Fatalf("%+v", r)
	}
}

func TestEverybodyLeavesDuringTheInitialDelay(t *testing.T) {
	w := newWorld(t)
	a := w.join(JoinRequest{NewMemberID: "a"})
	_, _, fx := w.g.Leave(w.now, []Leaver{{MemberID: "a"}})
	w.run(fx)
	if w.joinCode(a) != protocol.UnknownMemberID {
		t.Fatal(w.joined(a))
	}
	w.state(PreparingRebalance, 0)
	b := w.join(JoinRequest{NewMemberID: "b", Protocols: protocols("other")})
	w.pass(6 * time.Second)
	if r := w.joined(b); r.Code != protocol.None || r.Leader != "b" || *r.Protocol != "other" {
		t.Fatalf("%+v", r)
	}
}
