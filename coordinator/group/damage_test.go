package group

import (
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamhouse/streamhouse/protocol"
)

func overwrite(b []byte) {
	for i := range b {
		b[i] = 0xDB
	}
}

// loadRecord loads the group that the last record of w describes, as after a restart.
func (w *world) loadRecord(change func(*kmsg.GroupMetadataValue)) {
	w.t.Helper()
	last := w.log[len(w.log)-1]
	r := Record{append([]byte(nil), last.Key...), append([]byte(nil), last.Value...)}
	d, ok, err := Decode(r)
	if err != nil || !ok || d.Group == nil {
		w.t.Fatal(ok, err)
	}
	if change != nil {
		change(d.Group)
	}
	g, err := Load(d.ID, w.cfg, d.Group)
	if err != nil {
		w.t.Fatal(err)
	}
	overwrite(r.Key)
	overwrite(r.Value)
	w.g, w.replies = g, make(map[Waiter]Reply)
	w.run(g.Loaded(w.now))
}

func TestGroupKeepsNothingOfItsRecordAndOfRequests(t *testing.T) {
	w := newWorld(t)
	metadata := subscription("user", "t")
	w.join(JoinRequest{NewMemberID: "a", Protocols: []Protocol{{Name: "range", Metadata: metadata}}})
	w.pass(4e9)
	assignment := []byte(share("a"))
	w.sync(SyncRequest{MemberID: "a", Generation: 1, Assignments: map[string][]byte{"a": assignment}})
	w.state(Stable, 1)
	want := w.g.Describe()
	want.Members[0].Metadata, want.Members[0].Assignment = subscription("user", "t"), []byte(share("a"))
	overwrite(metadata)
	overwrite(assignment)
	if got := w.g.Describe(); !reflect.DeepEqual(got, want) {
		t.Errorf("with the requests gone: %+v, want %+v", got, want)
	}
	w.loadRecord(nil)
	if got := w.g.Describe(); !reflect.DeepEqual(got, want) {
		t.Errorf("with the record gone: %+v, want %+v", got, want)
	}
}

// assignmentOf is a ConsumerProtocol assignment of partition 0 of a topic, with user data.
func assignmentOf(topic string) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0, 1, 0, 0, 0, 1}, uint16(len(topic)))
	b = append(b, topic...)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, 0)
	return append(b, 0, 0, 0, 1, 'u')
}

func TestDamagedMembersJoinAnew(t *testing.T) {
	text := []byte("somebody else's text")
	for name, c := range map[string]struct {
		static             bool
		subscribed, assign []byte // of member b; nil: as it was
		dropped, rebalance bool
	}{
		"nothing":                        {},
		"a good assignment":              {assign: assignmentOf("t")},
		"no assignment":                  {assign: []byte{}},
		"subscription is text":           {subscribed: text, dropped: true, rebalance: true},
		"of a static member":             {static: true, subscribed: text, dropped: true, rebalance: true},
		"subscription is empty":          {subscribed: []byte{}, dropped: true, rebalance: true},
		"subscription's rest is text":    {subscribed: append(subscription("", "t")[:9], text...), dropped: true, rebalance: true},
		"subscription ends in the midst": {subscribed: subscription("user", "t")[:15], dropped: true, rebalance: true},
		"version 0 without user data":    {subscribed: append([]byte{0, 0}, subscription("", "t")[2:9]...)},
		"assignment is text":             {assign: text, rebalance: true},
		"assignment is a subscription":   {assign: subscription("", "t", "u"), rebalance: true},
		"another group's assignment":     {assign: assignmentOf("theirs"), rebalance: true},
		"poison":                         {assign: []byte(strings.Repeat("\xdb", 30)), rebalance: true},
	} {
		t.Run(name, func(t *testing.T) {
			var instance *string
			w := stable(t, []string{"a", "b"}, func(n string, r *JoinRequest) {
				if n == "b" && c.static {
					instance = ptr("i-b")
					r.InstanceID = instance
				}
			})
			w.loadRecord(func(v *kmsg.GroupMetadataValue) {
				b := &v.Members[1]
				if c.subscribed != nil {
					b.Subscription = c.subscribed
				}
				if c.assign != nil {
					b.Assignment = c.assign
				}
			})
			if c.rebalance != (len(w.g.Damage()) == 1) {
				t.Errorf("damage %q", w.g.Damage())
			}
			of := func(id string, instance *string) protocol.Code { return w.g.Heartbeat(w.now, id, instance, 1) }
			switch want := map[bool]protocol.Code{true: protocol.RebalanceInProgress}[c.rebalance]; {
			case of("a", nil) != want:
				t.Errorf("a is told %v", of("a", nil))
			case c.dropped && of("b", instance) != protocol.UnknownMemberID:
				t.Errorf("b is told %v", of("b", instance))
			case !c.dropped && of("b", instance) != want:
				t.Errorf("b is told %v", of("b", instance))
			}
			if !c.rebalance {
				w.state(Stable, 1)
				return
			}
			if code := w.g.CheckCommit("a", nil, 1); code != protocol.None {
				t.Errorf("a may not commit: %v", code)
			}
			// Both come back and everything is as it should be, in the log, too.
			w.join(JoinRequest{MemberID: "a"})
			again, generation := JoinRequest{MemberID: "b", InstanceID: instance}, int32(2)
			if c.dropped {
				again.MemberID, again.NewMemberID = "", "b2"
			}
			w.join(again)
			if c.dropped { // a was all there was
				w.join(JoinRequest{MemberID: "a"})
				generation = 3
			}
			w.assignAll()
			w.loadRecord(nil)
			w.state(Stable, generation)
			if len(w.g.Damage()) != 0 || w.g.Size() != 2 {
				t.Errorf("%d members, damage %q", w.g.Size(), w.g.Damage())
			}
		})
	}
}

// A group whose only member was damaged is empty, and the log says so.
func TestGroupOfOneDamagedMember(t *testing.T) {
	w := stable(t, []string{"a"}, static("a"))
	w.loadRecord(func(v *kmsg.GroupMetadataValue) { v.Members[0].Subscription = []byte("text") })
	w.state(Empty, 2)
	w.loadRecord(nil)
	w.state(Empty, 2)
	if w.g.Size() != 0 || len(w.g.Damage()) != 0 {
		t.Errorf("%d members, damage %q", w.g.Size(), w.g.Damage())
	}
	// Bytes of a kind that is not known are nobody's damage.
	w = stable(t, []string{"a"}, func(_ string, r *JoinRequest) { r.ProtocolType = "connect" })
	w.loadRecord(func(v *kmsg.GroupMetadataValue) { v.Members[0].Assignment = []byte("text") })
	w.state(Stable, 1)
}
