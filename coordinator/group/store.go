package group

import (
	"bytes"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

type storeKind int8

const (
	storesCreation storeKind = iota
	storesEmpty
	storesAssignment
	storesStatic
)

// storing is what a record that is on its way to disk is about.
type storing struct {
	kind        storeKind
	generation  int32
	assignments map[string][]byte // storesAssignment
	static      staticUpdate      // storesStatic
}

func (g *Group) store(fx *Effects, s storing, r Record) {
	g.token++
	s.generation = g.generation
	g.stores[g.token] = s
	fx.Stores = append(fx.Stores, Store{Token: g.token, Record: r})
}

// storeCreation writes a new group down as empty, so that it outlives a restart
// with the id it gave out being unknown rather than the group.
func (g *Group) storeCreation(fx *Effects) {
	g.store(fx, storing{kind: storesCreation}, g.creationRecord())
}

func (g *Group) storeEmpty(fx *Effects) {
	g.store(fx, storing{kind: storesEmpty}, g.record(nil))
}

func (g *Group) storeAssignment(fx *Effects, assignments map[string][]byte) {
	all := make(map[string][]byte, len(g.members))
	for _, m := range g.members {
		// A copy of the request's; nil, that is empty, if the leader left it out.
		all[m.id] = bytes.Clone(assignments[m.id])
	}
	g.store(fx, storing{kind: storesAssignment, assignments: all}, g.record(all))
}

func (g *Group) storeStatic(fx *Effects, u staticUpdate) {
	all := make(map[string][]byte, len(g.members))
	for _, m := range g.members {
		all[m.id] = m.assignment
	}
	g.store(fx, storing{kind: storesStatic, static: u}, g.record(all))
}

// Stored reports that the record with this token is durable (protocol.None) or could
// not be stored (the code clients are to see, from the coordinator's map).
func (g *Group) Stored(now time.Time, token uint64, code protocol.Code) Effects {
	var fx Effects
	s, ok := g.stores[token]
	delete(g.stores, token)
	if !ok || g.is(Dead) {
		return fx
	}
	switch s.kind {
	case storesCreation:
		if code != protocol.None && g.generation == 0 {
			g.abandon(now, &fx, code)
		}
	case storesAssignment:
		g.assignmentStored(now, &fx, s, code)
	case storesStatic:
		g.staticStored(now, &fx, s.static, code)
	case storesEmpty:
		// An older generation stays in the log when this fails. After a restart its
		// members time out, so nothing is lost but time.
	}
	return fx
}

// abandon gives up a group that could not be written down: whoever waits is told
// so, and the group is dead.
func (g *Group) abandon(now time.Time, fx *Effects, code protocol.Code) {
	for _, m := range g.members {
		g.answerJoin(fx, m, JoinReply{Code: code, Generation: -1})
		g.answerSync(fx, m, SyncReply{Code: code})
	}
	g.Kill(now)
}

// Kill marks the group as being removed; everybody is answered
// COORDINATOR_NOT_AVAILABLE from here on. Nobody may be waiting, so the group is
// empty or was abandoned.
func (g *Group) Kill(now time.Time) { g.transition(now, Dead) }

// Revive makes a killed group empty again, because its removal could not be stored.
func (g *Group) Revive() {
	if g.is(Dead) {
		g.previous, g.state = Dead, Empty
	}
}
