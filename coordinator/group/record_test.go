package group

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// reload makes the group anew from the last record.
func (w *world) reload() *Group {
	w.t.Helper()
	d, ok, err := Decode(w.log[len(w.log)-1])
	if err != nil || !ok || d.Group == nil {
		w.t.Fatalf("%+v %v %v", d, ok, err)
	}
	g, err := Load(d.ID, w.cfg, d.Group)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

func TestReloadedGroupIsTheSame(t *testing.T) {
	w := stable(t, []string{"a", "b", "s"}, static("s"))
	g := w.reload()
	if !reflect.DeepEqual(g.Describe(), w.g.Describe()) {
		t.Fatalf("%+v\nwant %+v", g.Describe(), w.g.Describe())
	}
	if g.generation != 1 || g.leader != "a" || !reflect.DeepEqual(g.subscribed, w.g.subscribed) || g.static["i-s"] != "s" {
		t.Fatalf("%+v", g)
	}
	if _, timed := g.Deadline(); timed {
		t.Fatal("sessions run before Loaded")
	}
	now := w.now.Add(24 * time.Hour)
	g.Loaded(now)
	if c := g.Heartbeat(now.Add(9*time.Second), "b", nil, 1); c != protocol.None {
		t.Fatal("an old member is unknown after a restart:", c)
	}
	if due, _ := g.Deadline(); !due.Equal(now.Add(10 * time.Second)) {
		t.Fatal(due)
	}
}

func TestReloadedGroupAboveItsSizeRebalances(t *testing.T) {
	w := stable(t, []string{"a", "b", "c"}, nil)
	w.cfg.MaxSize = 2
	g := w.reload()
	g.Loaded(w.now)
	if g.state != PreparingRebalance {
		t.Fatal(g.state)
	}
}

func TestGroupThatJoinedAndNeverSyncedIsEmpty(t *testing.T) {
	w := newWorld(t)
	w.join(JoinRequest{NewMemberID: "a"})
	w.pass(3 * time.Second)
	w.state(CompletingRebalance, 1)
	g := w.reload()
	if g.state != Empty || g.generation != 0 || g.Heartbeat(w.now, "a", nil, 1) != protocol.UnknownMemberID {
		t.Fatal(g.state, g.generation)
	}
}

func TestDamagedGroupRecords(t *testing.T) {
	member := func(id string, instance *string) kmsg.GroupMetadataValueMember {
		m := kmsg.NewGroupMetadataValueMember()
		m.MemberID, m.InstanceID = id, instance
		return m
	}
	for name, v := range map[string]*kmsg.GroupMetadataValue{
		"members without protocol": {Members: []kmsg.GroupMetadataValueMember{member("a", nil)}},
		"member twice":             {Protocol: ptr("p"), Members: []kmsg.GroupMetadataValueMember{member("a", nil), member("a", nil)}},
		"instance twice":           {Protocol: ptr("p"), Members: []kmsg.GroupMetadataValueMember{member("a", ptr("i")), member("b", ptr("i"))}},
	} {
		if _, err := Load("g", testConfig(), v); err == nil {
			t.Error(name, "was accepted")
		}
	}
	// A leader that is no member is replaced, not refused.
	g, err := Load("g", testConfig(), &kmsg.GroupMetadataValue{Protocol: ptr("p"), ProtocolType: "x", Leader: ptr("gone"), Members: []kmsg.GroupMetadataValueMember{member("a", nil)}})
	if err != nil || g.leader != "a" {
		t.Fatal(g, err)
	}
}

func TestOffsetRecords(t *testing.T) {
	id := [16]byte{1, 2}
	for name, o := range map[string]Offset{
		"plain":       {Offset: 42, LeaderEpoch: 7, Metadata: "x", CommittedAt: 99, ExpiresAt: -1, TopicID: id},
		"without id":  {Offset: 0, LeaderEpoch: -1, CommittedAt: 99, ExpiresAt: -1},
		"old request": {Offset: 42, LeaderEpoch: -1, Metadata: "x", CommittedAt: 99, ExpiresAt: 1000},
	} {
		r := OffsetRecord("g", "t", 3, &o)
		d, ok, err := Decode(r)
		if err != nil || !ok || !d.IsOffset || d.ID != "g" || d.Topic != "t" || d.Partition != 3 || *d.Offset != o {
			t.Errorf("%s: %+v %+v %v", name, d, d.Offset, err)
		}
		version := byte(4)
		if o.ExpiresAt >= 0 {
			version = 1
		}
		if r.Key[1] != 1 || r.Value[1] != version {
			t.Errorf("%s: key v%d, value v%d", name, r.Key[1], r.Value[1])
		}
	}
	d, ok, err := Decode(OffsetTombstone("g", "t", 3))
	if err != nil || !ok || !d.IsOffset || d.Offset != nil || d.Partition != 3 {
		t.Fatalf("%+v %v", d, err)
	}
	d, ok, err = Decode(Tombstone("g"))
	if err != nil || !ok || d.IsOffset || d.Group != nil || d.ID != "g" {
		t.Fatalf("%+v %v", d, err)
	}
}

// Golden bytes: what Kafka 4.4 writes for these.
func TestRecordBytes(t *testing.T) {
	r := OffsetRecord("g", "t", 3, &Offset{Offset: 42, LeaderEpoch: 7, Metadata: "m", CommittedAt: 99, ExpiresAt: -1, TopicID: [16]byte{15: 9}})
	key := []byte{0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 3}
	value := append([]byte{0, 4, 0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0, 7, 2, 'm', 0, 0, 0, 0, 0, 0, 0, 99, 1, 0, 16}, make([]byte, 15)...)
	value = append(value, 9)
	if !bytes.Equal(r.Key, key) || !bytes.Equal(r.Value, value) {
		t.Fatalf("%v %v", r.Key, r.Value)
	}
	if k := Tombstone("gr").Key; !bytes.Equal(k, []byte{0, 2, 0, 2, 'g', 'r'}) {
		t.Fatal(k)
	}
	g := New("g", testConfig(), time.UnixMilli(5), false)
	want := []byte{0, 3, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0}
	if v := g.creationRecord().Value; !bytes.Equal(v, want) {
		t.Fatal(v)
	}
}

func TestUnknownKindsAreSkipped(t *testing.T) {
	for _, key := range [][]byte{{0, 3, 1, 2}, {0, 23}, {127, 0}} {
		if _, ok, err := Decode(Record{Key: key, Value: []byte{1}}); ok || err != nil {
			t.Error(key, ok, err)
		}
	}
	for _, r := range []Record{{}, {Key: []byte{0}}, {Key: []byte{0, 1, 0, 9}}, {Key: []byte{0, 2}}, {Key: groupKey("g"), Value: []byte{0, 3}}, {Key: offsetKey("g", "t", 0), Value: []byte{0, 4, 1}}} {
		if _, ok, err := Decode(r); ok || err == nil {
			t.Error(r, ok, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	o := Offset{Offset: 1, ExpiresAt: -1, Metadata: "m"}
	r := OffsetRecord("g", "t", 1, &o)
	f.Add(r.Key, r.Value)
	f.Add(groupKey("g"), New("g", testConfig(), time.UnixMilli(5), false).creationRecord().Value)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		d, ok, err := Decode(Record{Key: key, Value: value})
		if ok && err != nil {
			t.Fatal("both", err)
		}
		if ok && d.Group != nil {
			if g, err := Load(d.ID, testConfig(), d.Group); err == nil {
				g.Loaded(time.UnixMilli(1))
				check(t, g)
			}
		}
	})
}

func FuzzSubscription(f *testing.F) {
	f.Add(subscription("u", "a", "b"))
	f.Add([]byte{0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		topics, ok := subscribedTopics(b)
		total := 0
		for name := range topics {
			total += len(name)
		}
		if ok && total > len(b) {
			t.Fatal("topics from nowhere")
		}
	})
}
