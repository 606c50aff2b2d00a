package group

import (
	"bytes"
	"slices"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// JoinRequest is a JoinGroup.
type JoinRequest struct {
	MemberID   string // "" if the client has none yet
	InstanceID *string
	ClientID   string
	ClientHost string // "/127.0.0.1"
	// NewMemberID is the id to give should one be needed: the instance id or the
	// client id, then a hyphen and a UUID.
	NewMemberID      string
	SessionTimeout   time.Duration
	RebalanceTimeout time.Duration
	ProtocolType     string
	Protocols        []Protocol
	// RequireKnownMember: v4 and later; a new dynamic member is given an id first
	// and must come back with it (KIP-394).
	RequireKnownMember bool
	// SkipAssignment: v9 and later; the client understands it (KIP-814).
	SkipAssignment bool
}

// MaxProtocols is how many assignment protocols a member may support. Clients have a
// handful; Kafka has no such bound.
const MaxProtocols = 256

// CheckProtocols says whether a member's protocols are as many as may be, with names that
// a record can hold: INCONSISTENT_GROUP_PROTOCOL or INVALID_REQUEST otherwise. It is
// checked before the group is looked up.
func CheckProtocols(protocols []Protocol) protocol.Code {
	if len(protocols) > MaxProtocols {
		return protocol.InconsistentGroupProtocol
	}
	for i := range protocols {
		if len(protocols[i].Name) > MaxStringBytes {
			return protocol.InvalidRequest
		}
	}
	return protocol.None
}

// distinct leaves out names that were listed before: they count once.
func distinct(protocols []Protocol) []Protocol {
	seen := make(map[string]struct{}, len(protocols))
	for i := range protocols {
		seen[protocols[i].Name] = struct{}{}
	}
	if len(seen) == len(protocols) {
		return protocols
	}
	clear(seen)
	list := make([]Protocol, 0, len(protocols))
	for _, p := range protocols {
		if _, ok := seen[p.Name]; !ok {
			seen[p.Name] = struct{}{}
			list = append(list, p)
		}
	}
	return list
}

// CheckSession says whether a session timeout is within the broker's bounds:
// INVALID_SESSION_TIMEOUT otherwise. It is checked before the group is looked up.
func (c *Config) CheckSession(d time.Duration) protocol.Code {
	if d < c.MinSessionTimeout || d > c.MaxSessionTimeout {
		return protocol.InvalidSessionTimeout
	}
	return protocol.None
}

// Join handles a JoinGroup; w is answered in this step or in a later one. A request
// with a member id for a group that does not exist is not the group's matter: the
// caller answers UNKNOWN_MEMBER_ID.
func (g *Group) Join(now time.Time, r *JoinRequest, w Waiter) Effects {
	var fx Effects
	r.Protocols = distinct(r.Protocols)
	switch {
	case !g.accepts(r.MemberID):
		g.remove(r.MemberID)
		fx.joinError(w, "", protocol.GroupMaxSizeReached)
	case g.is(Dead):
		fx.joinError(w, r.MemberID, protocol.CoordinatorNotAvailable)
	case !g.supports(r.ProtocolType, r.Protocols):
		fx.joinError(w, r.MemberID, protocol.InconsistentGroupProtocol)
	case r.MemberID == "":
		g.joinNew(now, &fx, r, w)
	default:
		g.joinKnown(now, &fx, r, w)
	}
	if g.unstored && len(fx.Stores) == 0 {
		g.storeCreation(&fx)
	}
	g.unstored = false
	return fx
}

// accepts applies group.max.size (KIP-389). During a rebalance those who wait count,
// not the members, so that the last to come back are turned away after the limit
// was lowered.
func (g *Group) accepts(memberID string) bool {
	m := g.byID[memberID]
	switch g.state {
	case PreparingRebalance:
		return m != nil && m.joining != 0 || g.waiting < g.cfg.MaxSize
	case CompletingRebalance, Stable:
		return m != nil || len(g.members) < g.cfg.MaxSize
	default:
		return true
	}
}

// joinNew handles a client without a member id.
func (g *Group) joinNew(now time.Time, fx *Effects, r *JoinRequest, w Waiter) {
	if r.InstanceID != nil {
		if old, ok := g.static[*r.InstanceID]; ok {
			g.replaceStatic(now, fx, r, old, w)
			return
		}
		g.addAndRebalance(now, fx, r, r.NewMemberID, w)
		return
	}
	if !r.RequireKnownMember {
		g.addAndRebalance(now, fx, r, r.NewMemberID, w)
		return
	}
	if len(g.pending) >= g.cfg.MaxPending {
		// Retried, unlike GROUP_MAX_SIZE_REACHED: the group's members are few.
		fx.joinError(w, "", protocol.CoordinatorNotAvailable)
		return
	}
	g.pending[r.NewMemberID] = now.Add(r.SessionTimeout)
	fx.joinError(w, r.NewMemberID, protocol.MemberIDRequired)
}

// joinKnown handles a client that says which member it is.
func (g *Group) joinKnown(now time.Time, fx *Effects, r *JoinRequest, w Waiter) {
	if _, ok := g.pending[r.MemberID]; ok && r.InstanceID == nil {
		g.addAndRebalance(now, fx, r, r.MemberID, w)
		return
	}
	if code := g.validate(r.MemberID, r.InstanceID); code != protocol.None {
		fx.joinError(w, r.MemberID, code)
		return
	}
	m := g.byID[r.MemberID]
	switch {
	case g.is(CompletingRebalance) && m.matches(r.Protocols):
		// The answer to the first JoinGroup may have been lost.
		fx.join(w, g.joined(m))
	case g.is(Stable) && g.leader != m.id && m.matches(r.Protocols):
		fx.join(w, g.joined(m))
	case g.is(PreparingRebalance), g.is(CompletingRebalance), g.is(Stable):
		// In Stable the leader forces a rebalance even with unchanged metadata: the
		// topics it assigns may have changed.
		g.update(fx, m, r, w)
		g.rebalanceOrComplete(now, fx)
	default:
		fx.joinError(w, r.MemberID, protocol.UnknownMemberID)
	}
}

// joined is the answer to a member of the current generation. Only the leader is
// told who the members are.
func (g *Group) joined(m *member) JoinReply {
	r := JoinReply{
		Generation: g.generation, ProtocolType: g.protocolType, Protocol: g.protocol,
		Leader: g.leader, MemberID: m.id,
	}
	if g.leader == m.id {
		r.Members = g.roster()
	}
	return r
}

// roster lists the members with their metadata for the generation's protocol.
func (g *Group) roster() []JoinMember {
	list := make([]JoinMember, 0, len(g.members))
	for _, m := range g.members {
		metadata, _ := m.metadata(*g.protocol)
		list = append(list, JoinMember{MemberID: m.id, InstanceID: m.instance, Metadata: metadata})
	}
	return list
}

// addAndRebalance makes the client a member under id, and w waits for the
// generation that this brings about.
func (g *Group) addAndRebalance(now time.Time, fx *Effects, r *JoinRequest, id string, w Waiter) {
	if g.is(PreparingRebalance) && g.initial != nil {
		g.initial.extend = true
	}
	m := &member{
		id: id, instance: r.InstanceID, clientID: r.ClientID, clientHost: r.ClientHost,
		sessionTimeout: r.SessionTimeout, rebalanceTimeout: r.RebalanceTimeout,
		joining: w, fresh: true,
		deadline: now.Add(newMemberJoinTimeout),
	}
	m.speaks(kept(r.Protocols))
	g.add(m, r.ProtocolType)
	g.rebalanceOrComplete(now, fx)
}

// kept copies protocols: their metadata lies in the request, all of which it would keep in
// memory.
func kept(protocols []Protocol) []Protocol {
	own := slices.Clone(protocols)
	for i := range own {
		own[i].Metadata = bytes.Clone(own[i].Metadata)
	}
	return own
}

// update takes over what a member says of itself when it joins again. A JoinGroup
// of it that still waits was given up by the client; it is answered all the same.
func (g *Group) update(fx *Effects, m *member, r *JoinRequest, w Waiter) {
	g.count(m, -1)
	m.speaks(kept(r.Protocols))
	g.count(m, 1)
	m.rebalanceTimeout, m.sessionTimeout = r.RebalanceTimeout, r.SessionTimeout
	m.clientID, m.clientHost = r.ClientID, r.ClientHost
	g.answerJoin(fx, m, JoinReply{Code: protocol.RebalanceInProgress, Generation: -1, MemberID: m.id})
	m.joining = w
	if w != 0 {
		g.waiting++
	}
}
