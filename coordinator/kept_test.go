package coordinator

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/streamhouse/streamhouse/coordinator/group"
	"github.com/streamhouse/streamhouse/protocol"
)

// What a restart finds of a group is what its members said, whatever else was loaded
// behind it: records are decoded through memory that the next one overwrites.
func TestGroupsKeepTheirOwnBytesOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newFakeLog(), newFakeTopics("t"), nil)
		defer func() { h.stop() }()
		h.find("any")
		instance := "instance"
		for n := range 3 {
			join := joinRequest(fmt.Sprint("member", n))
			join.InstanceID = &instance
			id := fmt.Sprint("live", n)
			r := h.JoinGroup(context.Background(), id, join)
			h.SyncGroup(context.Background(), id, &group.SyncRequest{
				MemberID: r.MemberID, Generation: r.Generation, Assignments: map[string][]byte{r.MemberID: assignment("t", int32(n))},
			})
		}
		for n := range 100 {
			o := at("t", 0, int64(n))
			o.Metadata = strings.Repeat("somebody else's text ", 50)
			h.commit(simple(fmt.Sprint("other", n), o))
		}
		before := h.dump()
		if !strings.Contains(before, "member2") || !strings.Contains(before, "text") {
			t.Fatalf("not the groups that this is about:\n%s", before)
		}
		h = h.restart()
		if after := h.dump(); after != before {
			t.Errorf("after the restart\n%.3000s\nwant\n%.3000s", after, before)
		}
	})
}

// assignment is a ConsumerProtocol assignment.
func assignment(topic string, partition int32) []byte {
	b := append([]byte{0, 0, 0, 0, 0, 1, 0, byte(len(topic))}, topic...)
	return append(b, 0, 0, 0, 1, 0, 0, 0, byte(partition), 0xff, 0xff, 0xff, 0xff)
}

// What an older broker wrote into the log for a static member may be another group's bytes.
func TestDamagedGroupRebalancesWithALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, newFakeLog(), newFakeTopics("t"), nil)
		h.find("any")
		h.stable("damaged", "a")
		h.stable("sound", "b")
		h.stop()
		l := h.log.crashed()
		damage(t, l, []byte(share("a")), []byte("text behind it"))

		core, lines := observer.New(zap.WarnLevel)
		h = run(t, l, h.topics, func(o *Options) { o.Logger = zap.New(core) })
		defer func() { h.stop() }()
		h.find("any")
		if found := lines.FilterField(zap.String("group", "damaged")).All(); len(found) != 1 || lines.Len() != 1 {
			t.Errorf("lines: %v", lines.All())
		}
		for id, want := range map[string]protocol.Code{"damaged": protocol.RebalanceInProgress, "sound": protocol.None} {
			if code := h.Heartbeat(id, map[string]string{"damaged": "a", "sound": "b"}[id], nil, 1); code != want {
				t.Errorf("%s: %v, want %v", id, code, want)
			}
		}
		join := joinRequest("")
		join.MemberID = "a"
		if r := h.JoinGroup(context.Background(), "damaged", join); r.Code != protocol.None || r.Generation != 2 {
			t.Errorf("%+v", r)
		}
	})
}

// damage replaces bytes of the same length in the latest batch that has them.
func damage(t *testing.T, l *fakeLog, old, by []byte) {
	t.Helper()
	for _, p := range l.parts {
		for i := len(p.durable) - 1; i >= 0; i-- {
			if at := bytes.Index(p.durable[i], old); at >= 0 {
				copy(p.durable[i][at:at+len(old)], by)
				return
			}
		}
	}
	t.Fatal("nothing to damage")
}
