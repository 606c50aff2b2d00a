package group

import (
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// SyncRequest is a SyncGroup. Version 5 makes ProtocolType and Protocol mandatory,
// which the caller checks (KIP-559).
type SyncRequest struct {
	MemberID     string
	InstanceID   *string
	Generation   int32
	ProtocolType *string
	Protocol     *string
	Assignments  map[string][]byte // member id -> assignment; the leader's only
}

// Sync handles a SyncGroup; w is answered in this step or in a later one. The
// leader's assignment is stored before anybody sees it.
func (g *Group) Sync(now time.Time, r *SyncRequest, w Waiter) Effects {
	var fx Effects
	if code := g.checkSync(r); code != protocol.None {
		fx.syncError(w, code)
		return fx
	}
	m := g.byID[r.MemberID]
	switch g.state {
	case PreparingRebalance:
		fx.syncError(w, protocol.RebalanceInProgress)
	case CompletingRebalance:
		g.answerSync(&fx, m, SyncReply{Code: protocol.RebalanceInProgress})
		m.syncing = w
		g.synced(m)
		// A second assignment for one generation, while the first is being stored,
		// would give the log and the members different ones.
		if g.leader == m.id && !g.assigning() {
			g.storeAssignment(&fx, r.Assignments)
		}
	case Stable:
		g.synced(m)
		fx.sync(w, g.assigned(m))
	}
	return fx
}

func (g *Group) checkSync(r *SyncRequest) protocol.Code {
	switch {
	case g.is(Dead):
		return protocol.CoordinatorNotAvailable
	case g.is(Empty):
		return protocol.UnknownMemberID
	}
	if code := g.validate(r.MemberID, r.InstanceID); code != protocol.None {
		return code
	}
	switch {
	case r.Generation != g.generation:
		return protocol.IllegalGeneration
	case r.ProtocolType != nil && *r.ProtocolType != g.protocolType:
		return protocol.InconsistentGroupProtocol
	case r.Protocol != nil && g.protocol != nil && *r.Protocol != *g.protocol:
		return protocol.InconsistentGroupProtocol
	}
	return protocol.None
}

// synced notes that a member asked for its assignment, so that it is not expelled
// for never asking (KAFKA-13435).
func (g *Group) synced(m *member) {
	delete(g.unsynced, m.id)
	if len(g.unsynced) == 0 {
		g.syncDeadline = time.Time{}
	}
}

func (g *Group) assigned(m *member) SyncReply {
	return SyncReply{ProtocolType: g.protocolType, Protocol: g.protocol, Assignment: m.assignment}
}

// assigning says whether this generation's assignment is being stored.
func (g *Group) assigning() bool {
	for _, s := range g.stores {
		if s.kind == storesAssignment && s.generation == g.generation {
			return true
		}
	}
	return false
}

// assignmentStored hands the assignment out once it is durable. If it could not be
// stored, everybody who waits is told so and the group starts over. Nothing happens
// if the group has moved on meanwhile.
func (g *Group) assignmentStored(now time.Time, fx *Effects, s storing, code protocol.Code) {
	if !g.is(CompletingRebalance) || s.generation != g.generation {
		return
	}
	if code != protocol.None {
		g.dropAssignments(now, fx, code)
		g.rebalanceOrComplete(now, fx)
		return
	}
	for _, m := range g.members {
		m.assignment = s.assignments[m.id]
		if g.answerSync(fx, m, g.assigned(m)) {
			m.touch(now)
		}
	}
	g.transition(now, Stable)
}

// dropAssignments forgets all assignments and answers those who wait for one.
func (g *Group) dropAssignments(now time.Time, fx *Effects, code protocol.Code) {
	for _, m := range g.members {
		m.assignment = nil
		if g.answerSync(fx, m, SyncReply{Code: code}) {
			m.touch(now)
		}
	}
}

// syncTimeout expels the members that never asked for their assignment, static ones
// too, and rebalances without them (KAFKA-13435).
func (g *Group) syncTimeout(now time.Time, fx *Effects) {
	g.syncDeadline = time.Time{}
	if len(g.unsynced) == 0 || !g.is(CompletingRebalance) && !g.is(Stable) {
		return
	}
	for id := range g.unsynced {
		if m := g.byID[id]; m != nil {
			g.drop(fx, m)
		}
	}
	g.prepare(now, fx)
}
