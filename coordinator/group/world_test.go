package group

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// world drives one group: it keeps the time, the answers, and the records that are
// on their way.
type world struct {
	t       *testing.T
	g       *Group
	cfg     *Config
	now     time.Time
	last    Waiter
	replies map[Waiter]Reply
	stores  []Store // not reported yet
	log     []Record
	hold    bool // do not report stores by itself
	ids     int
}

func testConfig() *Config {
	return &Config{
		InitialRebalanceDelay: 3 * time.Second,
		MinSessionTimeout:     6 * time.Second,
		MaxSessionTimeout:     30 * time.Minute,
		MaxSize:               100,
		MaxPending:            100,
	}
}

func newWorld(t *testing.T) *world {
	cfg := testConfig()
	now := time.UnixMilli(1_700_000_000_000)
	return &world{t: t, cfg: cfg, now: now, g: New("g", cfg, now, false), replies: make(map[Waiter]Reply)}
}

func (w *world) run(fx Effects) {
	w.t.Helper()
	for _, r := range fx.Replies {
		if _, ok := w.replies[r.To]; ok {
			w.t.Fatalf("waiter %d answered twice", r.To)
		}
		if (r.Join == nil) == (r.Sync == nil) {
			w.t.Fatalf("reply to %d is neither or both of join and sync", r.To)
		}
		w.replies[r.To] = r
	}
	w.stores = append(w.stores, fx.Stores...)
	if !w.hold {
		w.stored(protocol.None)
	}
}

// stored reports everything that is on its way.
func (w *world) stored(code protocol.Code) {
	w.t.Helper()
	for len(w.stores) > 0 {
		s := w.stores[0]
		w.stores = w.stores[1:]
		if code == protocol.None {
			w.log = append(w.log, s.Record)
		}
		w.run(w.g.Stored(w.now, s.Token, code))
	}
}

// pass lets time pass, ticking at every deadline on the way.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for range 10_000 {
		due, ok := w.g.Deadline()
		if !ok || due.After(end) {
			w.now = end
			return
		}
		if due.After(w.now) {
			w.now = due
		}
		w.run(w.g.Tick(w.now))
	}
	w.t.Fatal("time does not pass: a deadline stays due")
}

func (w *world) join(r JoinRequest) Waiter {
	w.t.Helper()
	w.last++
	if r.SessionTimeout == 0 {
		r.SessionTimeout = 10 * time.Second
	}
	if r.RebalanceTimeout == 0 {
		r.RebalanceTimeout = 60 * time.Second
	}
	if r.ProtocolType == "" {
		r.ProtocolType = "consumer"
	}
	if r.Protocols == nil {
		r.Protocols = rangeOf("t")
	}
	if r.NewMemberID == "" {
		w.ids++
		r.NewMemberID = fmt.Sprintf("m%d", w.ids)
	}
	w.run(w.g.Join(w.now, &r, w.last))
	return w.last
}

func (w *world) joined(wt Waiter) *JoinReply {
	w.t.Helper()
	r, ok := w.replies[wt]
	if !ok {
		w.t.Fatalf("join %d still waits; group is %s", wt, w.g.state)
	}
	return r.Join
}

func (w *world) joinCode(wt Waiter) protocol.Code { w.t.Helper(); return w.joined(wt).Code }

func (w *world) waits(wt Waiter) {
	w.t.Helper()
	if r, ok := w.replies[wt]; ok {
		w.t.Fatalf("waiter %d was answered: %+v %+v", wt, r.Join, r.Sync)
	}
}

func (w *world) sync(r SyncRequest) Waiter {
	w.t.Helper()
	w.last++
	w.run(w.g.Sync(w.now, &r, w.last))
	return w.last
}

func (w *world) synced(wt Waiter) *SyncReply {
	w.t.Helper()
	r, ok := w.replies[wt]
	if !ok {
		w.t.Fatalf("sync %d still waits; group is %s", wt, w.g.state)
	}
	return r.Sync
}

func (w *world) state(want State, generation int32) {
	w.t.Helper()
	if w.g.state != want || w.g.generation != generation {
		w.t.Fatalf("group is %s at generation %d, want %s at %d", w.g.state, w.g.generation, want, generation)
	}
}

// assignAll has every member of the new generation sync, the leader with an
// assignment of one byte string per member.
func (w *world) assignAll() {
	w.t.Helper()
	all := map[string][]byte{}
	for _, m := range w.g.members {
		all[m.id] = []byte(share(m.id))
	}
	for _, m := range append([]*member(nil), w.g.members...) {
		r := SyncRequest{MemberID: m.id, Generation: w.g.generation}
		if m.id == w.g.leader {
			r.Assignments = all
		}
		w.sync(r)
	}
}

// stable makes a stable group at generation 1 of the given members, static ones
// where the name is in statics. Members are called as they are named.
func stable(t *testing.T, names []string, change func(name string, r *JoinRequest)) *world {
	t.Helper()
	w := newWorld(t)
	for _, n := range names {
		r := JoinRequest{NewMemberID: n, ClientID: "client", ClientHost: "/127.0.0.1"}
		if change != nil {
			change(n, &r)
		}
		w.join(r)
	}
	w.pass(4 * time.Second)
	for w.g.state == PreparingRebalance {
		w.pass(3 * time.Second)
	}
	w.assignAll()
	w.state(Stable, 1)
	for _, n := range names { // all sessions begin here
		w.g.Heartbeat(w.now, n, nil, 1)
	}
	return w
}

func static(names ...string) func(string, *JoinRequest) {
	return func(n string, r *JoinRequest) {
		for _, s := range names {
			if n == s {
				r.InstanceID = ptr("i-" + n)
			}
		}
	}
}

func ptr(s string) *string { return &s }

// subscription is a ConsumerProtocol subscription of version 1, with user data and
// owned partitions behind the topics.
func subscription(user string, topics ...string) []byte {
	b := binary.BigEndian.AppendUint16(nil, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(len(topics)))
	for _, t := range topics {
		b = binary.BigEndian.AppendUint16(b, uint16(len(t)))
		b = append(b, t...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(user)))
	b = append(b, user...)
	return binary.BigEndian.AppendUint32(b, 0)
}

func rangeOf(topics ...string) []Protocol {
	return []Protocol{{Name: "range", Metadata: subscription("", topics...)}}
}

func protocols(names ...string) []Protocol {
	var list []Protocol
	for _, n := range names {
		list = append(list, Protocol{Name: n, Metadata: subscription("", "t")})
	}
	return list
}

// share is the assignment of a member: one of no partitions, with the member's name as
// user data.
func share(member string) string {
	return "\x00\x00\x00\x00\x00\x00\x00\x00\x00" + string(rune(len("for "+member))) + "for " + member
}
