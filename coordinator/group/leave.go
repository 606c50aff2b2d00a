package group

import (
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// Heartbeat handles a Heartbeat and starts the member's session anew.
// REBALANCE_IN_PROGRESS tells the member to join again.
func (g *Group) Heartbeat(now time.Time, memberID string, instance *string, generation int32) protocol.Code {
	if g.is(Dead) {
		return protocol.CoordinatorNotAvailable
	}
	if code := g.validate(memberID, instance); code != protocol.None {
		return code
	}
	if generation != g.generation {
		return protocol.IllegalGeneration
	}
	m := g.byID[memberID]
	m.touch(now)
	if g.is(PreparingRebalance) {
		return protocol.RebalanceInProgress
	}
	return protocol.None
}

// Leaver names a member that leaves. An administrator removes a static member with
// its instance id and no member id.
type Leaver struct {
	MemberID   string
	InstanceID *string
}

// Leave handles a LeaveGroup: one code per member (KIP-345), or one for all of them
// when the group is being removed.
func (g *Group) Leave(now time.Time, leavers []Leaver) (codes []protocol.Code, all protocol.Code, fx Effects) {
	if g.is(Dead) {
		return nil, protocol.CoordinatorNotAvailable, fx
	}
	left := false
	codes = make([]protocol.Code, len(leavers))
	for i, l := range leavers {
		codes[i] = g.leave(&fx, l)
		left = left || codes[i] == protocol.None
	}
	if !left {
		return codes, protocol.None, fx
	}
	switch g.state {
	case Stable, CompletingRebalance:
		g.rebalanceOrComplete(now, &fx)
	case PreparingRebalance:
		g.maybeComplete(now, &fx)
	}
	return codes, protocol.None, fx
}

func (g *Group) leave(fx *Effects, l Leaver) protocol.Code {
	if l.MemberID == "" {
		if l.InstanceID == nil {
			return protocol.UnknownMemberID
		}
		id, ok := g.static[*l.InstanceID]
		if !ok {
			return protocol.UnknownMemberID
		}
		g.drop(fx, g.byID[id])
		return protocol.None
	}
	if _, ok := g.pending[l.MemberID]; ok {
		delete(g.pending, l.MemberID)
		return protocol.None
	}
	if code := g.validate(l.MemberID, l.InstanceID); code != protocol.None {
		return code
	}
	g.drop(fx, g.byID[l.MemberID])
	return protocol.None
}
