package group

import (
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// rebalanceOrComplete begins a rebalance if none is on, else ends its first phase
// if this was the last member it waited for.
func (g *Group) rebalanceOrComplete(now time.Time, fx *Effects) {
	if PreparingRebalance.reachableFrom(g.state) {
		g.prepare(now, fx)
		return
	}
	g.maybeComplete(now, fx)
}

// prepare begins a rebalance. Members that wait for their assignment are told to
// join again. An empty group's first rebalance waits for more members (KIP-134).
func (g *Group) prepare(now time.Time, fx *Effects) {
	if g.is(CompletingRebalance) {
		g.dropAssignments(now, fx, protocol.RebalanceInProgress)
	}
	clear(g.unsynced)
	g.syncDeadline = time.Time{}

	first := g.is(Empty)
	g.transition(now, PreparingRebalance)
	if first {
		d := g.cfg.InitialRebalanceDelay
		g.initial = &initialDelay{delay: d, remaining: max(g.rebalanceTimeout()-d, 0)}
		g.joinDeadline = now.Add(d)
		return
	}
	if g.allJoined() {
		g.complete(now, fx)
		return
	}
	g.joinDeadline = now.Add(g.rebalanceTimeout())
}

// maybeComplete ends the first phase if everybody is there. The initial rebalance
// sits its delay out.
func (g *Group) maybeComplete(now time.Time, fx *Effects) {
	if g.is(PreparingRebalance) && g.previous != Empty && g.allJoined() {
		g.complete(now, fx)
	}
}

// joinTimeout is the end of a rebalance's first phase, or of a round of the initial
// delay, which goes on while members keep coming and the rebalance timeout allows.
func (g *Group) joinTimeout(now time.Time, fx *Effects) {
	d := g.initial
	if d == nil || !d.extend || d.remaining == 0 {
		g.complete(now, fx)
		return
	}
	next := min(g.cfg.InitialRebalanceDelay, d.remaining)
	g.initial = &initialDelay{delay: next, remaining: max(d.remaining-d.delay, 0)}
	g.joinDeadline = now.Add(next)
}

// complete ends the first phase: dynamic members that did not come back are
// dropped, static ones keep their place until their session ends, and those that
// wait learn of the new generation. Without members the group is empty.
func (g *Group) complete(now time.Time, fx *Effects) {
	g.joinDeadline, g.initial = time.Time{}, nil
	for _, m := range g.absent() {
		g.remove(m.id)
	}
	if len(g.members) > 0 && !g.electLeader() {
		// Only static members are left and none came back: wait for one of them or
		// for their sessions to end.
		g.joinDeadline = now.Add(g.rebalanceTimeout())
		return
	}
	g.generation++
	if len(g.members) == 0 {
		g.protocol = nil
		g.learnTopics()
		g.transition(now, Empty)
		g.storeEmpty(fx)
		return
	}
	g.protocol = g.vote()
	g.learnTopics()
	g.transition(now, CompletingRebalance)
	clear(g.unsynced)
	for _, m := range g.members {
		g.answerJoin(fx, m, g.joined(m))
		m.touch(now)
		m.fresh = false
		g.unsynced[m.id] = struct{}{}
	}
	g.syncDeadline = now.Add(g.rebalanceTimeout())
}

// absent lists the dynamic members that have not come back.
func (g *Group) absent() []*member {
	var list []*member
	for _, m := range g.members {
		if m.joining == 0 && !m.static() {
			list = append(list, m)
		}
	}
	return list
}

// electLeader keeps the leader if it has come back, else takes the most senior
// member that has; false if nobody has.
func (g *Group) electLeader() bool {
	if m := g.byID[g.leader]; m != nil && m.joining != 0 {
		return true
	}
	for _, m := range g.members {
		if m.joining != 0 {
			g.leader = m.id
			return true
		}
	}
	return false
}

// drop removes a member that left or failed, and answers its JoinGroup: if it is
// still alive it starts over.
func (g *Group) drop(fx *Effects, m *member) {
	g.answerJoin(fx, m, JoinReply{Code: protocol.UnknownMemberID, Generation: -1})
	g.answerSync(fx, m, SyncReply{Code: protocol.UnknownMemberID})
	g.remove(m.id)
}

// expel drops a member whose session ended, with what follows for the others.
func (g *Group) expel(now time.Time, fx *Effects, m *member) {
	g.drop(fx, m)
	switch {
	case g.is(Stable), g.is(CompletingRebalance):
		g.rebalanceOrComplete(now, fx)
	case g.is(PreparingRebalance) && g.allJoined():
		g.complete(now, fx)
	}
}
