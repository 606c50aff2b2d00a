package group

import (
	"maps"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// staticUpdate is a static member's new member id on its way to disk.
type staticUpdate struct {
	oldLeader string
	old       member // as it was, to go back to
	newID     string
	skip      bool // the client understands SkipAssignment
}

// replaceStatic handles a static member that comes back without a member id: it
// gets a new one, whoever used the old one is fenced, and in a stable group nothing
// else changes as long as its topics are the same (KIP-345).
func (g *Group) replaceStatic(now time.Time, fx *Effects, r *JoinRequest, oldID string, w Waiter) {
	m := g.byID[oldID]
	old, oldLeader := *m, g.leader
	fx.joinFenced(g, m)
	g.rename(m, r.NewMemberID)
	m.fresh = false
	g.update(fx, m, r, w)
	m.touch(now)

	switch g.state {
	case Stable:
		if g.keepsAssignment(m, &old) {
			g.storeStatic(fx, staticUpdate{oldLeader: oldLeader, old: old, newID: m.id, skip: r.SkipAssignment})
			return
		}
		g.rebalanceOrComplete(now, fx)
	case CompletingRebalance:
		// The leader may know only the old id, and the new one would be left without
		// an assignment.
		g.prepare(now, fx)
	default:
		g.maybeComplete(now, fx)
	}
}

// joinFenced answers whoever waits under a member id that is being replaced.
func (fx *Effects) joinFenced(g *Group, m *member) {
	g.answerJoin(fx, m, JoinReply{Code: protocol.FencedInstanceID, Generation: -1, MemberID: m.id})
	g.answerSync(fx, m, SyncReply{Code: protocol.FencedInstanceID})
}

// rename gives a static member another member id.
func (g *Group) rename(m *member, id string) {
	if g.leader == m.id {
		g.leader = id
	}
	if _, ok := g.unsynced[m.id]; ok {
		delete(g.unsynced, m.id)
		g.unsynced[id] = struct{}{}
	}
	delete(g.byID, m.id)
	m.id = id
	g.byID[id] = m
	g.static[*m.instance] = id
}

// keepsAssignment says whether the generation can go on with what a static member
// says now: the vote stays the same, and so do the topics it subscribes to. Kafka
// looks at the vote only and so leaves a changed subscription unserved; other parts
// of the metadata change with every restart and do not count.
func (g *Group) keepsAssignment(m, old *member) bool {
	if *g.vote() != *g.protocol {
		return false
	}
	if g.protocolType != consumerProtocol {
		return true
	}
	before, _ := old.metadata(*g.protocol)
	after, _ := m.metadata(*g.protocol)
	topicsBefore, ok := subscribedTopics(before)
	topicsAfter, ok2 := subscribedTopics(after)
	return !ok || !ok2 || maps.Equal(topicsBefore, topicsAfter)
}

// staticStored ends a replacement whose record is durable, or undoes it when the
// record failed. A rebalance that began meanwhile takes the member along: its
// record will name the new id.
func (g *Group) staticStored(now time.Time, fx *Effects, u staticUpdate, code protocol.Code) {
	m := g.byID[u.newID]
	if m == nil || !g.is(Stable) {
		return
	}
	if code != protocol.None {
		g.answerJoin(fx, m, JoinReply{Code: code, Generation: -1})
		g.rename(m, u.old.id)
		g.count(m, -1)
		m.speaks(u.old.protocols)
		g.count(m, 1)
		m.sessionTimeout, m.rebalanceTimeout = u.old.sessionTimeout, u.old.rebalanceTimeout
		m.clientID, m.clientHost = u.old.clientID, u.old.clientHost
		m.touch(now)
		return
	}
	r := JoinReply{
		Generation: g.generation, ProtocolType: g.protocolType, Protocol: g.protocol,
		Leader: u.oldLeader, MemberID: m.id,
	}
	if u.skip {
		// KIP-814: the leader learns that it leads and that it has nothing to assign.
		// To older clients the old leader is named, so that a leader that came back
		// takes itself for a follower and does not assign anew.
		r = g.joined(m)
		r.SkipAssignment = g.leader == m.id
	}
	g.answerJoin(fx, m, r)
	m.touch(now)
}
