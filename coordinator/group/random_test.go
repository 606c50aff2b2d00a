package group

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// check holds what must be true of a group after every step.
func check(t testing.TB, g *Group) {
	t.Helper()
	if len(g.byID) != len(g.members) {
		t.Fatalf("%d members by id, %d in order", len(g.byID), len(g.members))
	}
	waiting, statics := 0, 0
	for _, m := range g.members {
		if g.byID[m.id] != m {
			t.Fatalf("member %q is filed under another", m.id)
		}
		if _, ok := g.pending[m.id]; ok {
			t.Fatalf("member %q is pending too", m.id)
		}
		if m.joining != 0 {
			waiting++
			if m.syncing != 0 {
				t.Fatalf("member %q waits twice", m.id)
			}
		}
		if m.instance != nil {
			statics++
			if g.static[*m.instance] != m.id {
				t.Fatalf("static %q belongs to %q, not to %q", *m.instance, g.static[*m.instance], m.id)
			}
		}
		if m.joining == 0 && m.syncing == 0 && m.deadline.IsZero() {
			t.Fatalf("member %q waits for nothing and its session never ends", m.id)
		}
		if m.joining != 0 && !g.is(PreparingRebalance) && !g.is(Dead) && !g.replacing(m.id) {
			t.Fatalf("member %q waits to join in %s", m.id, g.state)
		}
		if m.syncing != 0 && !g.is(CompletingRebalance) {
			t.Fatalf("member %q waits for an assignment in %s", m.id, g.state)
		}
	}
	if waiting != g.waiting || statics != len(g.static) {
		t.Fatalf("%d wait, counted %d; %d static, counted %d", waiting, g.waiting, statics, len(g.static))
	}
	if len(g.members) > 0 && g.byID[g.leader] == nil {
		t.Fatalf("leader %q is no member", g.leader)
	}
	for id := range g.unsynced {
		if g.byID[id] == nil {
			t.Fatalf("%q must sync and is no member", id)
		}
	}
	switch g.state {
	case Empty:
		if len(g.members) != 0 {
			t.Fatal("empty with members")
		}
	case CompletingRebalance, Stable:
		if len(g.members) == 0 || g.protocol == nil {
			t.Fatalf("%s with %d members", g.state, len(g.members))
		}
		if g.is(CompletingRebalance) && g.syncDeadline.IsZero() && !g.assigning() {
			t.Fatal("completing without an end")
		}
	case PreparingRebalance:
		if g.joinDeadline.IsZero() {
			t.Fatal("preparing without an end")
		}
	}
}

// replacing says whether the member waits for its replacement to be stored.
func (g *Group) replacing(id string) bool {
	for _, s := range g.stores {
		if s.kind == storesStatic && s.static.newID == id {
			return true
		}
	}
	return false
}

// play is a random run of one group: clients that do what clients do and much that
// they do not, time that passes, and a log that is slow and fails.
type play struct {
	*world
	rng         *rand.Rand
	waiting     map[Waiter]time.Time
	generations map[int32]map[string]string // generation -> member -> assignment
	formed      int
}

func TestRandomRuns(t *testing.T) {
	formed, ended := 0, 0
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := &play{
				world: newWorld(t), rng: rand.New(rand.NewPCG(seed, 1)),
				waiting: map[Waiter]time.Time{}, generations: map[int32]map[string]string{},
			}
			p.hold = true
			p.cfg.MaxSize = 4 + p.rng.IntN(4)
			for range 400 {
				p.step()
				if p.g.state == Dead {
					break
				}
			}
			p.end()
			formed += p.formed
			ended++
		})
	}
	// Floors, so that this does not pass by doing nothing.
	if formed < 1_200 || ended != 300 {
		t.Fatalf("only %d generations with an assignment in %d runs", formed, ended)
	}
}

func (p *play) step() {
	p.t.Helper()
	switch n := p.rng.IntN(100); {
	case n < 10:
		p.round()
	case n < 35:
		p.randomJoin()
	case n < 52:
		p.randomSync()
	case n < 62:
		p.g.Heartbeat(p.now, p.anyID(), p.anyInstance(), p.anyGeneration())
	case n < 64:
		_, _, fx := p.g.Leave(p.now, []Leaver{{MemberID: p.anyID(), InstanceID: p.anyInstance()}})
		p.run(fx)
	case n < 68:
		if p.g.CheckCommit(p.anyID(), nil, p.anyGeneration()) == protocol.None {
			p.g.Committed(p.now, p.anyID())
		}
	case n < 85:
		if len(p.stores) > 0 {
			code := protocol.None
			if p.rng.IntN(20) == 0 {
				code = protocol.NotCoordinator
			}
			s := p.stores[0]
			p.stores = p.stores[1:]
			p.run(p.g.Stored(p.now, s.Token, code))
		}
	default:
		p.pass(time.Duration(p.rng.IntN(4000)) * time.Millisecond)
	}
	p.observe()
}

// observe checks the group and what the answers said.
func (p *play) observe() {
	p.t.Helper()
	check(p.t, p.g)
	for w := range p.waiting {
		r, ok := p.replies[w]
		if !ok {
			continue
		}
		delete(p.waiting, w)
		if r.Sync != nil && r.Sync.Code == protocol.None {
			p.assigned(w, r.Sync)
		}
	}
}

// assigned holds a generation to one assignment. The assignment itself says for
// whom and for which attempt it was made.
func (p *play) assigned(_ Waiter, r *SyncReply) {
	p.t.Helper()
	if len(r.Assignment) == 0 {
		return
	}
	var generation int32
	var attempt int
	var member string
	if _, err := fmt.Sscanf(string(r.Assignment), "%d %d %s", &generation, &attempt, &member); err != nil {
		p.t.Fatal(err)
	}
	made := p.generations[generation]
	if made == nil {
		made = map[string]string{}
		p.generations[generation] = made
		p.formed++
	}
	if a, ok := made["attempt"]; ok && a != fmt.Sprint(attempt) {
		p.t.Fatalf("generation %d has assignments %s and %d", generation, a, attempt)
	}
	made["attempt"] = fmt.Sprint(attempt)
}

// round has every member do what a good client does now.
func (p *play) round() {
	p.t.Helper()
	if p.g.is(PreparingRebalance) {
		for _, m := range append([]*member(nil), p.g.members...) {
			if m.joining == 0 && p.g.byID[m.id] == m {
				p.waiting[p.join(JoinRequest{MemberID: m.id, InstanceID: m.instance, Protocols: m.protocols})] = p.now
			}
		}
		p.pass(3 * time.Second)
		return
	}
	for _, m := range append([]*member(nil), p.g.members...) {
		p.syncOf(m.id, p.g.generation)
	}
}

func (p *play) randomJoin() {
	r := JoinRequest{
		RequireKnownMember: p.rng.IntN(2) == 0, SkipAssignment: p.rng.IntN(2) == 0,
		SessionTimeout:   time.Duration(6+p.rng.IntN(20)) * time.Second,
		RebalanceTimeout: time.Duration(1+p.rng.IntN(30)) * time.Second,
		Protocols:        [][]Protocol{rangeOf("t"), rangeOf("t", "u"), protocols("x", "range"), protocols("range", "x")}[p.rng.IntN(4)],
		InstanceID:       p.anyInstance(),
	}
	if p.rng.IntN(3) > 0 {
		r.MemberID = p.anyID()
		if m := p.g.byID[r.MemberID]; m != nil && p.rng.IntN(10) > 0 {
			r.InstanceID = m.instance
		}
	}
	w := p.join(r)
	p.waiting[w] = p.now
}

func (p *play) randomSync() {
	id := p.anyID()
	if p.rng.IntN(2) == 0 {
		id = p.g.leader
	}
	p.syncOf(id, p.anyGeneration())
}

func (p *play) syncOf(id string, generation int32) {
	r := SyncRequest{MemberID: id, Generation: generation, Assignments: map[string][]byte{}}
	p.ids++
	for _, m := range p.g.members {
		r.Assignments[m.id] = fmt.Appendf(nil, "%d %d %s", r.Generation, p.ids, m.id)
	}
	w := p.sync(r)
	p.waiting[w] = p.now
}

func (p *play) anyID() string {
	n := p.rng.IntN(12)
	if n < len(p.g.members) {
		return p.g.members[n].id
	}
	if n < 9 {
		if len(p.g.members) > 0 {
			return p.g.members[p.rng.IntN(len(p.g.members))].id
		}
		for id := range p.g.pending {
			return id
		}
	}
	return [...]string{"", "nobody", fmt.Sprintf("m%d", 1+p.rng.IntN(p.ids+1))}[p.rng.IntN(3)]
}

func (p *play) anyInstance() *string {
	if p.rng.IntN(3) > 0 {
		return nil
	}
	return ptr(fmt.Sprintf("i%d", p.rng.IntN(4)))
}

func (p *play) anyGeneration() int32 {
	return p.g.generation + [...]int32{0, 0, 0, 0, 0, 0, -1, 1}[p.rng.IntN(8)]
}

// end lets the log answer and enough time pass: nobody may be left waiting, and a
// group that nobody tends to is empty.
func (p *play) end() {
	p.t.Helper()
	for range 100 {
		p.stored(protocol.None)
		p.pass(10 * time.Second)
		p.observe()
	}
	if len(p.waiting) > 0 {
		p.t.Fatalf("%d requests wait forever in %s", len(p.waiting), p.g.state)
	}
	if p.g.state != Dead && p.g.state != Empty {
		p.t.Fatalf("%s with %d members after everybody was gone", p.g.state, len(p.g.members))
	}
	if !p.g.Idle() {
		p.t.Fatal("not idle")
	}
}
