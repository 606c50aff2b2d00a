package group

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

func TestCheckCommit(t *testing.T) {
	empty := func(w *world) {
		_, _, fx := w.g.Leave(w.now, []Leaver{{MemberID: "a"}, {MemberID: "s"}})
		w.run(fx)
	}
	completing := func(w *world) {
		w.join(JoinRequest{MemberID: "a"})
		w.join(JoinRequest{MemberID: "s", InstanceID: ptr("i-s")})
	}
	cases := []struct {
		name       string
		setup      func(*world)
		member     string
		instance   *string
		generation int32
		want       protocol.Code
	}{
		{"member", nil, "a", nil, 1, protocol.None},
		{"static member", nil, "s", ptr("i-s"), 1, protocol.None},
		{"stale", nil, "a", nil, 0, protocol.IllegalGeneration},
		{"member without generation", nil, "a", nil, -1, protocol.IllegalGeneration},
		{"unknown", nil, "x", nil, 1, protocol.UnknownMemberID},
		{"fenced", nil, "x", ptr("i-s"), 1, protocol.FencedInstanceID},
		{"outsider while live", nil, "", nil, -1, protocol.UnknownMemberID},
		{"outsider when empty", empty, "", nil, -1, protocol.None},
		{"old member when empty", empty, "a", nil, 1, protocol.UnknownMemberID},
		{"generation without member", nil, "", nil, 1, protocol.UnknownMemberID},
		{"preparing", func(w *world) { w.join(JoinRequest{MemberID: "a"}) }, "s", nil, 1, protocol.None},
		{"completing", completing, "a", nil, 2, protocol.RebalanceInProgress},
		{"completing, stale", completing, "a", nil, 1, protocol.IllegalGeneration},
		{"dead", func(w *world) { w.g.state = Dead }, "a", nil, 1, protocol.CoordinatorNotAvailable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := stable(t, []string{"a", "s"}, static("s"))
			if c.setup != nil {
				c.setup(w)
			}
			if got := w.g.CheckCommit(c.member, c.instance, c.generation); got != c.want {
				t.Fatal(got)
			}
		})
	}
}

func TestCommitIsAHeartbeat(t *testing.T) {
	w := stable(t, []string{"a", "b"}, nil)
	for range 3 {
		w.pass(9 * time.Second)
		w.g.Committed(w.now, "a")
		w.g.Committed(w.now, "nobody")
	}
	if w.g.byID["a"] == nil || w.g.byID["b"] != nil {
		t.Fatal("sessions")
	}
}

func TestChecksOfAdministration(t *testing.T) {
	cases := []struct {
		name           string
		kind           string
		state          State
		delete, offset protocol.Code
	}{
		{"live consumers", "consumer", Stable, protocol.NonEmptyGroup, protocol.None},
		{"live others", "connect", Stable, protocol.NonEmptyGroup, protocol.NonEmptyGroup},
		{"rebalancing", "consumer", PreparingRebalance, protocol.NonEmptyGroup, protocol.None},
		{"empty", "consumer", Empty, protocol.None, protocol.None},
		{"empty others", "connect", Empty, protocol.None, protocol.None},
		{"being removed", "consumer", Dead, protocol.CoordinatorNotAvailable, protocol.CoordinatorNotAvailable},
	}
	for _, c := range cases {
		g := New("g", testConfig(), time.UnixMilli(1), true)
		g.state, g.protocolType = c.state, c.kind
		if got := g.CheckDelete(); got != c.delete {
			t.Errorf("%s: delete %v", c.name, got)
		}
		if got := g.CheckOffsetDelete(); got != c.offset {
			t.Errorf("%s: offset delete %v", c.name, got)
		}
	}
}

func TestSubscribes(t *testing.T) {
	cases := []struct {
		name string
		kind string
		meta []byte
		t, u bool
	}{
		{"subscribed", "consumer", subscription("", "t"), true, false},
		{"version 0", "consumer", []byte{0, 0, 0, 0, 0, 1, 0, 1, 't'}, true, false},
		{"a version to come", "consumer", append([]byte{0, 9}, subscription("", "t")[2:]...), true, false},
		{"garbage may be anything", "consumer", []byte("garbage"), true, true},
		{"too many topics", "consumer", []byte{0, 0, 127, 0, 0, 0, 0, 1}, true, true},
		{"not a consumer", "connect", subscription("", "t"), false, false},
	}
	for _, c := range cases {
		w := stable(t, []string{"a"}, func(_ string, r *JoinRequest) {
			r.ProtocolType, r.Protocols = c.kind, []Protocol{{"range", c.meta}}
		})
		if w.g.Subscribes("t") != c.t || w.g.Subscribes("u") != c.u {
			t.Errorf("%s: %v %v", c.name, w.g.Subscribes("t"), w.g.Subscribes("u"))
		}
		_, _, fx := w.g.Leave(w.now, []Leaver{{MemberID: "a"}})
		w.run(fx)
		if w.g.Subscribes("t") {
			t.Errorf("%s: an empty group subscribes", c.name)
		}
	}
}

func TestExpired(t *testing.T) {
	const day = int64(24 * time.Hour / time.Millisecond)
	retention := 7 * 24 * time.Hour
	tp := TopicPartition{"t", 0}
	cases := []struct {
		name      string
		kind      string
		state     State
		knows     bool
		topics    []string
		stamp     int64
		committed int64
		expires   int64
		now       int64
		expired   bool
		all       bool
	}{
		{"simple, young", "", Empty, false, nil, 0, day, -1, 8*day - 1, false, false},
		{"simple, old", "", Empty, false, nil, 7 * day, day, -1, 8 * day, true, true},
		{"empty, young", "consumer", Empty, true, nil, 2 * day, day, -1, 9*day - 1, false, false},
		{"empty, old", "consumer", Empty, true, nil, 2 * day, day, -1, 9 * day, true, true},
		{"empty, committed later by a tool", "consumer", Empty, true, nil, 2 * day, 8 * day, -1, 9 * day, true, true},
		{"empty, unknown since when", "consumer", Empty, true, nil, -1, day, -1, 8 * day, true, true},
		{"stable, subscribed", "consumer", Stable, true, []string{"t"}, 0, day, -1, 99 * day, false, false},
		{"stable, not subscribed", "consumer", Stable, true, []string{"u"}, 0, day, -1, 8 * day, true, true},
		{"stable, not subscribed, young", "consumer", Stable, true, []string{"u"}, 0, day, -1, 8*day - 1, false, false},
		{"stable, cannot know", "consumer", Stable, false, nil, 0, day, -1, 99 * day, false, false},
		{"stable connect", "connect", Stable, false, nil, 0, day, -1, 99 * day, false, false},
		{"rebalancing", "consumer", PreparingRebalance, true, []string{"u"}, 0, day, -1, 99 * day, false, false},
		{"own retention, before", "consumer", Empty, true, nil, 0, day, 20 * day, 20*day - 1, false, false},
		{"own retention, after", "consumer", Empty, true, nil, 2 * day, day, 3 * day, 3 * day, true, true},
		{"own retention, subscribed", "consumer", Stable, true, []string{"t"}, 0, day, 3 * day, 9 * day, false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := New("g", testConfig(), time.UnixMilli(1), true)
			g.state, g.stamp, g.protocolType, g.knowsSubscribed = c.state, c.stamp, c.kind, c.knows
			g.subscribed = map[string]struct{}{}
			for _, s := range c.topics {
				g.subscribed[s] = struct{}{}
			}
			var o Offsets
			o.Set("t", 0, Offset{CommittedAt: c.committed, ExpiresAt: c.expires})
			list, all := g.Expired(&o, c.now, retention)
			if all != c.all || slices.Contains(list, tp) != c.expired {
				t.Fatal(list, all)
			}
			o.Begin("t", 0) // a commit on its way keeps it
			if list, all := g.Expired(&o, c.now, retention); len(list) > 0 || all {
				t.Fatal("in flight:", list, all)
			}
		})
	}
	g := New("g", testConfig(), time.UnixMilli(1), true)
	if _, all := g.Expired(&Offsets{}, 0, retention); !all {
		t.Fatal("a group without offsets has some left")
	}
}

func TestOffsetsAreVisibleOnceDurable(t *testing.T) {
	var o Offsets
	o.Begin("t", 1)
	if _, ok := o.Get("t", 1, [16]byte{}); ok || o.Len() != 0 {
		t.Fatal("visible before it is durable")
	}
	if !o.Has("t", 1) || len(o.Partitions()) != 1 {
		t.Fatal("a removal would miss it")
	}
	o.Set("t", 1, Offset{Offset: 5})
	o.End("t", 1)
	if v, ok := o.Get("t", 1, [16]byte{}); !ok || v.Offset != 5 || o.Len() != 1 {
		t.Fatal(v, ok)
	}
	o.Begin("t", 2)
	o.End("t", 2) // failed
	if o.Has("t", 2) {
		t.Fatal("a failed commit leaves something")
	}
	o.Begin("t", 1)
	o.Delete("t", 1)
	if o.Len() != 0 || !o.Has("t", 1) {
		t.Fatal("delete while a commit is on its way")
	}
	o.End("t", 1)
	if o.Has("t", 1) || len(o.topics) != 0 {
		t.Fatal("something is left")
	}
	o.Delete("t", 9)
	o.End("t", 9)
}

func TestOffsetsOfADeletedTopic(t *testing.T) {
	var o Offsets
	old, now := [16]byte{1}, [16]byte{2}
	o.Set("t", 0, Offset{Offset: 5, TopicID: old})
	o.Set("t", 1, Offset{Offset: 6}) // written without an id
	o.Set("gone", 0, Offset{Offset: 7})
	o.Set("same", 0, Offset{Offset: 8, TopicID: now})
	if _, ok := o.Get("t", 0, now); ok {
		t.Fatal("an offset of a deleted topic is shown for a new one")
	}
	if _, ok := o.Get("t", 1, now); !ok {
		t.Fatal("an offset without id is not shown")
	}
	current := func(name string) ([16]byte, bool) { return now, name != "gone" }
	got := o.Outdated(current)
	slices.SortFunc(got, func(a, b TopicPartition) int { return int(a.Topic[0]) - int(b.Topic[0]) })
	if want := []TopicPartition{{"gone", 0}, {"t", 0}}; !reflect.DeepEqual(got, want) {
		t.Fatal(got)
	}
}

func TestStateFilter(t *testing.T) {
	for _, name := range []string{"PreparingRebalance", "preparingrebalance", " PREPARINGREBALANCE "} {
		if !PreparingRebalance.Is(name) || Stable.Is(name) {
			t.Error(name)
		}
	}
}
