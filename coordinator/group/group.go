package group

import (
	"fmt"
	"time"

	"github.com/streamhouse/streamhouse/protocol"
)

// Config is what the broker's settings say about groups.
type Config struct {
	// InitialRebalanceDelay is how long the first rebalance of an empty group waits
	// for more members (group.initial.rebalance.delay.ms).
	InitialRebalanceDelay time.Duration
	MinSessionTimeout     time.Duration // group.min.session.timeout.ms
	MaxSessionTimeout     time.Duration // group.max.session.timeout.ms
	MaxSize               int           // members, group.max.size
	// MaxPending bounds the members that were given an id and have not come back
	// (KIP-394). Kafka has no such bound.
	MaxPending int
}

// newMemberJoinTimeout is how long a new member may wait in its first JoinGroup
// before it is taken for gone: it cannot send heartbeats, and its connection is not
// watched while the request waits.
const newMemberJoinTimeout = 5 * time.Minute

// Group is one classic group.
type Group struct {
	id  string
	cfg *Config

	state    State
	previous State
	// stamp is when the state was entered, ms of wall time; -1 if an old record did
	// not say.
	stamp int64

	protocolType string  // "" for a simple group, which only commits offsets
	protocol     *string // nil until a generation was formed
	generation   int32
	leader       string // member id, "" if there is none

	members []*member // in the order in which they joined
	byID    map[string]*member
	static  map[string]string    // instance id -> member id
	pending map[string]time.Time // ids given out, and until when (KIP-394)

	waiting   int            // members whose JoinGroup waits
	supported map[string]int // protocol -> members that support it
	unsynced  map[string]struct{}

	subscribed      map[string]struct{}
	knowsSubscribed bool

	// The timers. Zero: not set.
	joinDeadline time.Time
	initial      *initialDelay // set while joinDeadline is the initial rebalance's
	syncDeadline time.Time

	damage []string // in the record that it was loaded from

	unstored bool // the group was made by a JoinGroup and has no record yet
	token    uint64
	stores   map[uint64]storing
}

// initialDelay is the state of the delay of a group's first rebalance (KIP-134).
type initialDelay struct {
	delay     time.Duration // of the running round
	remaining time.Duration // that later rounds may use
	extend    bool          // a member came during the running round
}

// New returns an empty group of generation 0. A group made for a JoinGroup has
// recorded set to false and writes itself down in its first step; one made by an
// offset commit is never written before somebody joins.
func New(id string, cfg *Config, now time.Time, recorded bool) *Group {
	return &Group{
		id: id, cfg: cfg,
		state: Empty, previous: Dead, stamp: now.UnixMilli(),
		byID:      make(map[string]*member),
		static:    make(map[string]string),
		pending:   make(map[string]time.Time),
		supported: make(map[string]int),
		unsynced:  make(map[string]struct{}),
		stores:    make(map[uint64]storing),
		unstored:  !recorded,
	}
}

// ID returns the group's id.
func (g *Group) ID() string { return g.id }

// Kind is the type of the group, as ListGroups v5 names it (KIP-848).
func (g *Group) Kind() string { return "classic" }

// State returns the group's state.
func (g *Group) State() State { return g.state }

// Generation returns the number of the group's generation.
func (g *Group) Generation() int32 { return g.generation }

// ProtocolType returns the members' protocol type, "consumer" for consumers; ""
// for a group nobody has joined yet.
func (g *Group) ProtocolType() string { return g.protocolType }

// Size returns how many members the group has, those with only an id left out.
func (g *Group) Size() int { return len(g.members) }

// Pending returns how many ids were given out and not used yet (KIP-394).
func (g *Group) Pending() int { return len(g.pending) }

// Idle says whether nobody is in the group or about to be, and no step of it is still
// being stored, so that it may be removed.
func (g *Group) Idle() bool {
	return (g.is(Empty) && len(g.pending) == 0 || g.is(Dead)) && len(g.stores) == 0
}

func (g *Group) is(s State) bool { return g.state == s }

// transition enters a state; an illegal one is a defect of this package.
func (g *Group) transition(now time.Time, to State) {
	if !to.reachableFrom(g.state) {
		panic(fmt.Sprintf("group %q: from %s to %s", g.id, g.state, to))
	}
	g.previous, g.state = g.state, to
	g.stamp = max(g.stamp, now.UnixMilli())
}

// add makes m a member. Its protocols must have passed supports. The first member
// decides the group's protocol type.
func (g *Group) add(m *member, protocolType string) {
	if len(g.members) == 0 {
		g.protocolType = protocolType
	}
	if m.instance != nil {
		if _, ok := g.static[*m.instance]; ok {
			panic(fmt.Sprintf("group %q: static member %q is there already", g.id, *m.instance))
		}
		g.static[*m.instance] = m.id
	}
	if g.leader == "" {
		g.leader = m.id
	}
	g.members = append(g.members, m)
	g.byID[m.id] = m
	g.count(m, 1)
	if m.joining != 0 {
		g.waiting++
	}
	delete(g.pending, m.id)
}

// remove forgets a member or a pending id. A waiter of the member must have been
// answered.
func (g *Group) remove(id string) {
	if m := g.byID[id]; m != nil {
		g.count(m, -1)
		if m.joining != 0 {
			g.waiting--
		}
		if m.instance != nil {
			delete(g.static, *m.instance)
		}
		delete(g.byID, id)
		g.members = without(g.members, m)
	}
	if g.leader == id {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
	delete(g.pending, id)
	delete(g.unsynced, id)
}

func without(members []*member, m *member) []*member {
	for i := range members {
		if members[i] == m {
			return append(members[:i], members[i+1:]...)
		}
	}
	return members
}

// count adds a member's protocols, which are distinct, to the tally or takes them off.
func (g *Group) count(m *member, by int) {
	for _, p := range m.protocols {
		g.supported[p.Name] += by
		if g.supported[p.Name] == 0 {
			delete(g.supported, p.Name)
		}
	}
}

// supports says whether somebody with this protocol type and these protocols may
// join: the type is the group's and one protocol is supported by every member. When
// all have left during the initial delay, any protocol is.
func (g *Group) supports(protocolType string, protocols []Protocol) bool {
	if g.is(Empty) {
		return protocolType != "" && len(protocols) > 0
	}
	if protocolType != g.protocolType {
		return false
	}
	for _, p := range protocols {
		if g.supported[p.Name] == len(g.members) {
			return true
		}
	}
	return false
}

// vote picks the protocol of the next generation: of those that all support, the
// one that most members list first. Ties go to the name that a senior member
// prefers.
func (g *Group) vote() *string {
	votes := make(map[string]int)
	var best string
	for _, m := range g.members {
		for _, p := range m.protocols {
			if g.supported[p.Name] == len(g.members) {
				votes[p.Name]++
				break
			}
		}
	}
	for _, m := range g.members {
		for _, p := range m.protocols {
			if votes[p.Name] > votes[best] {
				best = p.Name
			}
		}
	}
	return &best
}

// rebalanceTimeout is the longest of the members' (KIP-62).
func (g *Group) rebalanceTimeout() time.Duration {
	var d time.Duration
	for _, m := range g.members {
		d = max(d, m.rebalanceTimeout)
	}
	return d
}

// allJoined says whether every member waits in a JoinGroup and no given id is open.
func (g *Group) allJoined() bool {
	return g.waiting == len(g.members) && len(g.pending) == 0
}

// validate checks a member's claim to be one: FENCED_INSTANCE_ID if its instance id
// belongs to another member id by now, UNKNOWN_MEMBER_ID if it is unknown.
func (g *Group) validate(memberID string, instance *string) protocol.Code {
	if instance != nil {
		switch id, ok := g.static[*instance]; {
		case !ok:
			return protocol.UnknownMemberID
		case id != memberID:
			return protocol.FencedInstanceID
		}
	}
	if g.byID[memberID] == nil {
		return protocol.UnknownMemberID
	}
	return protocol.None
}

// answerJoin ends a member's wait in JoinGroup, if it waits.
func (g *Group) answerJoin(fx *Effects, m *member, r JoinReply) {
	if m.joining == 0 {
		return
	}
	fx.join(m.joining, r)
	m.joining = 0
	g.waiting--
}

// answerSync ends a member's wait in SyncGroup and says whether it waited.
func (g *Group) answerSync(fx *Effects, m *member, r SyncReply) bool {
	if m.syncing == 0 {
		return false
	}
	fx.sync(m.syncing, r)
	m.syncing = 0
	return true
}

// touch starts a member's session anew.
func (m *member) touch(now time.Time) { m.deadline = now.Add(m.sessionTimeout) }

// memberOverhead is what a member takes beside its strings, roughly, bytes.
const memberOverhead = 256

// Bytes is about how much memory the members take.
func (g *Group) Bytes() int64 {
	n := int64(len(g.pending)) * memberOverhead
	for _, m := range g.members {
		n += int64(memberOverhead+3*len(m.id)+len(m.clientID)+len(m.clientHost)+len(m.assignment)) + m.protocolBytes
	}
	return n
}

func protocolBytes(protocols []Protocol) int64 {
	n := int64(0)
	for i := range protocols {
		n += int64(len(protocols[i].Name) + len(protocols[i].Metadata))
	}
	return n
}

// JoinGrowth is about how much more memory the members take once r is served: nothing for
// a member that comes back as it was.
func (g *Group) JoinGrowth(r *JoinRequest) int64 {
	id := r.MemberID
	if id == "" && r.InstanceID != nil {
		id = g.static[*r.InstanceID]
	}
	if m := g.byID[id]; m != nil {
		return protocolBytes(r.Protocols) - m.protocolBytes
	}
	return memberOverhead + protocolBytes(r.Protocols)
}

// SyncGrowth is JoinGrowth of a SyncGroup: assignments replace those that the members have.
func (g *Group) SyncGrowth(r *SyncRequest) int64 {
	if len(r.Assignments) == 0 {
		return 0
	}
	n := int64(0)
	for _, a := range r.Assignments {
		n += int64(len(a))
	}
	for _, m := range g.members {
		n -= int64(len(m.assignment))
	}
	return n
}
